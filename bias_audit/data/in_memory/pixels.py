"""Pictures in memory -> 8 bits, channels last; bytes and files stay what they are."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.in_memory.photos import types_of
from bias_audit.errors import ConfigError, DataError
from bias_audit.limits.bounds import beyond

RANGES = ((0, 1), (0, 255))
"""Ranges that the values of pictures may have."""

SLACK = 1e-4
"""How far a float may lie outside of its range, as a share of it: what rounding in half precision does."""

LEAST_TOP = 16
"""A set of floats whose largest value lies between 1 and this is neither in 0..1 nor in 0..255."""

NORMALISED = "Give the photos as they are before the model's normalisation, which preprocess= names."


class Unusable(Exception):
    """A single picture that cannot be read; its text says why. It becomes a row with this reason."""


def as_array(value: Any) -> NDArray[Any]:
    """An array of a tensor, an array or nested lists, without importing what it is of."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    if not isinstance(value, np.ndarray) and hasattr(value, "numpy"):
        value = value.numpy()
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of PyTorch."""
    return "torch.Tensor" in types_of(value)


def is_pillow(value: Any) -> bool:
    """Whether a value is a picture of Pillow."""
    return "PIL.Image.Image" in types_of(value)


def on_its_own(value: Any) -> bool:
    """Whether a value is one picture whatever its shape: a path, bytes, a picture of Pillow, or nothing."""
    return value is None or isinstance(value, str | bytes | bytearray | os.PathLike | Mapping) or is_pillow(value)


def stored(value: Any) -> Path | bytes | None:
    """The file or the bytes that a value stands for; None where it stands for itself.

    Raises:
        Unusable: neither bytes nor a path where one of these is to be.
    """
    if isinstance(value, Mapping):
        data, path = value.get("bytes"), value.get("path")
        if data is None and not path:
            raise Unusable("neither bytes nor a path of a picture")
        value = path if data is None else data
    if isinstance(value, bytes | bytearray):
        if not value:
            raise Unusable("the file is empty (0 bytes)")
        return bytes(value)
    if isinstance(value, str | os.PathLike):
        return Path(os.path.abspath(os.fsdecode(value)))
    return None


def pixels_of(value: Any, where: str, most: int, *, channels_first: bool) -> NDArray[Any]:
    """The values of a picture, channels last, in whatever type they are.

    Args:
        value: an array, a tensor or a picture of Pillow.
        where: which picture, for messages.
        most: most pixels of a picture of Pillow, which decodes its file when it is asked for them.
        channels_first: whether it may be (C, H, W).

    Returns:
        (H, W, 3) or (H, W, 1).

    Raises:
        Unusable: a picture of Pillow that cannot be decoded.
        DataError: another shape.
    """
    if is_pillow(value):
        return _of_pillow(value, most)
    first = channels_first or is_tensor(value)
    array = as_array(value)
    shape = array.shape
    if array.ndim == 2:
        array = array[..., None]
    elif array.ndim == 3:
        starts, ends = shape[0] in (1, 3), shape[2] in (1, 3)
        if first and starts and ends:
            raise DataError(
                f"{where} has the shape {shape}, of which either end may be the channels",
                "Give it with its channels last, as an array of NumPy that is in no data set of PyTorch.",
            )
        if starts and not ends and not first:
            raise DataError(
                f"{where} has the shape {shape}: its channels seem to come first",
                "Give them last: numpy.moveaxis(images, 1, -1) for (N, C, H, W).",
            )
        if not starts and not ends:
            raise DataError(f"{where} has the shape {shape}: no picture of 3 channels or 1", _SHAPES)
        array = array if ends else np.moveaxis(array, 0, -1)
    else:
        raise DataError(f"{where} has the shape {shape}, which is no picture's", _SHAPES)
    if not array.size:
        raise DataError(f"{where} has the shape {shape}: it has no pixels")
    return array


_SHAPES = "Photos are (H, W, 3), or grey (H, W) or (H, W, 1)."


def _of_pillow(image: Any, most: int) -> NDArray[np.uint8]:
    mode, (width, height) = str(image.mode), image.size
    if width * height > most:
        raise Unusable(f"too many pixels: {height}x{width} are {beyond('pixels', width * height, most)}")
    if mode.startswith(("I", "F")):
        raise Unusable(f"a picture with more than 8 bits per channel ({mode}); convert it to 8 bits")
    try:
        array = np.asarray(image if mode in ("L", "RGB") else image.convert("RGB"))
    except Exception as error:  # it is decoded only now, and Pillow's decoders raise anything on damaged files
        raise Unusable(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from error
    return array[..., None] if array.ndim == 2 else array


class Values:
    """What the values of a set of pictures mean, which is decided once, and how they become 8 bits.

    Args:
        given: the range that the user says, one of RANGES; None = it is seen from the values.

    Raises:
        ConfigError: another range.
    """

    def __init__(self, given: Any = None) -> None:
        if given is not None:
            # `in` would ask an array of the user for its truth.
            known = isinstance(given, list | tuple) and len(given) == 2 and all(_is_number(each) for each in given)
            given = tuple(given) if known else given
            if not known or given not in RANGES:
                raise ConfigError(f"value_range is (0, 1) or (0, 255), got {given!r:.80}")
        self._given: float | None = None if given is None else float(given[1])
        self._top = self._given
        self._largest = {"floats": -math.inf, "whole numbers": -math.inf}

    def decide(self, largest: float) -> None:
        """Decide by the largest value of all pictures; by default the first picture of floats decides."""
        if self._top is None:
            self._top = 1.0 if largest <= 1 + SLACK else 255.0

    def eight_bits(self, values: NDArray[Any], where: str) -> NDArray[np.uint8]:
        """The values as 8 bits; floats are rounded.

        Args:
            values: any shape, not empty.
            where: which picture, for messages.

        Raises:
            DataError: a value that is no number, or beyond the range of the set.
        """
        kind = values.dtype.kind
        if kind not in "uif":
            raise DataError(f"{where} holds values of the type {values.dtype}", "Photos are uint8, or floats.")
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise DataError(f"{where} holds values that are NaN or infinite")
        if kind == "f":
            self.decide(high)
        elif self._given == 1:
            raise DataError(f"{where} holds whole numbers, and value_range=(0, 1) is for floats", _RANGE)
        top = self._top if kind == "f" and self._top is not None else 255.0
        slack = SLACK * top if kind == "f" else 0.0
        if low < -slack:
            raise DataError(
                f"{where} holds negative values (down to {low:z.4g}): is it normalised already?", NORMALISED
            )
        if high > top + slack:
            if top == 1 and self._given is None:
                raise DataError(f"{where} holds values up to {high:z.4g}, and photos before it lie in 0..1", _RANGE)
            raise DataError(f"{where} holds values up to {high:z.4g}, beyond {top:z.0f}", f"{_RANGE} {NORMALISED}")
        name = "floats" if kind == "f" else "whole numbers"
        self._largest[name] = max(self._largest[name], high)
        if kind != "f":
            return values.astype(np.uint8)
        return np.rint(np.clip(values.astype(np.float64) * (255 / top), 0, 255)).astype(np.uint8)

    def notes(self) -> tuple[str, ...]:
        """What was done to the values, for the reader; asked when all pictures were seen.

        Raises:
            DataError: values that are in no range that pictures have.
        """
        floats, integers = self._largest["floats"], self._largest["whole numbers"]
        if self._given is None and self._top == 255 and -math.inf < floats < LEAST_TOP:
            raise DataError(
                f"the largest value of all photos is {floats:z.4g}: they lie neither in 0..1 nor in 0..255, so they "
                "may be normalised already",
                f"{NORMALISED} {_RANGE}",
            )
        if self._given is None and -math.inf < integers <= 1 and floats == -math.inf:
            raise DataError(
                "no value of any photo is above 1, and all are whole numbers: were floats of 0..1 made integers?",
                _RANGE,
            )
        if floats == -math.inf:
            return ()
        top = 255 if self._top == 255 else 1
        how = "as value_range says" if self._given is not None else "seen from their values"
        return (
            f"The photos are floats in 0..{top} ({how}; value_range= sets it); they were rounded to 8 bits, so the "
            "model is given values up to half a step of 255 beside them.",
        )


_RANGE = "Say what the values mean: value_range=(0, 1) or value_range=(0, 255)."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def mask_of(value: Any, where: str) -> NDArray[np.uint8] | bytes:
    """A mask as (H, W) of 8 bits; one of Pillow as bytes of a file, since its palette says what is void.

    Values stay what they are; True becomes 255.

    Raises:
        Unusable: a picture of Pillow that cannot be decoded.
        DataError: another shape, or values that are not whole numbers in 0..255.
    """
    if is_pillow(value):
        file = io.BytesIO()
        try:
            value.save(file, "PNG")
        except Exception as error:
            raise Unusable(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from error
        return file.getvalue()
    array = as_array(value)
    shape = array.shape
    if array.ndim == 3 and 1 in (shape[0], shape[-1]):
        array = array[..., 0] if shape[-1] == 1 else array[0]
    if array.ndim != 2 or not array.size:
        raise DataError(f"the mask of {where} has the shape {shape}", "Masks are (H, W), of the size of their photo.")
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    whole = array.dtype.kind in "uif" and bool(np.isfinite(array).all()) and bool((array == np.floor(array)).all())
    if not whole or array.min() < 0 or array.max() > 255:
        raise DataError(
            f"the mask of {where} holds values that are no whole numbers in 0..255",
            "Give True and False, or whole numbers: 0 is the background.",
        )
    return array.astype(np.uint8)
