"""Pictures of more than 8 bits per channel: which range of their values training took for black to white.

Nothing in such a file says so. 4095 is white for a detector of 12 bits, and nearly black where training divided by
65535; so without `--pixel-range` such a picture is a row with a reason. Values stay fractions of grey levels: a
detector that uses a sixteenth of 16 bits would be left with 16 levels by rounding.
"""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bias_audit.data.opening import open_picture
from bias_audit.input_texts import FULL, OF_FILE, PixelRange
from bias_audit.limits.bounds import Limits

Values = NDArray[np.float32]
"""(H, W, channels) float32 in [0, 255]."""


class Levels(bytes):
    """Values as bytes, of a picture that no file holds; told by their type, so that no file can pass for them.

    Attributes:
        shape: (H, W, channels).
    """

    shape: tuple[int, ...]

    @classmethod
    def of(cls, values: Values) -> Levels:
        """Values (H, W, 1 or 3) as bytes, which are the same on every machine."""
        made = cls(" ".join(map(str, values.shape)).encode() + b"\n" + values.astype("<f4").tobytes())
        made.shape = values.shape
        return made

    def values(self) -> Values:
        """The values."""
        return np.frombuffer(self, "<f4", offset=self.index(b"\n") + 1).reshape(self.shape).astype(np.float32)


PIXEL_BYTES = {3: 64, 1: 40}
"""Channels -> bytes that decoding and resizing take for each pixel of such a picture, or of a DICOM file, at most."""

READ = ("PNG", "TIFF")
"""Formats of which more than 8 bits per channel are read."""

_FLAGS = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339
_PNG_DEPTH = 24


def depth_of(image: Image.Image, data: bytes) -> str:
    """How many bits the channels of an opened picture have, in words, where they have more than 8; else "".

    Args:
        image: the picture, of which only the header was read.
        data: its bytes.
    """
    if image.format == "PNG":  # Pillow calls colours of 16 bits RGB as well
        return "16 bits" if len(data) > _PNG_DEPTH and data[_PNG_DEPTH] == 16 else ""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = max((int(each) for each in tags.get(_BITS_PER_SAMPLE, (1,))), default=1)
        kind = " floating point" if tags.get(_SAMPLE_FORMAT, (1,))[0] == 3 else ""
        return f"{bits} bits{kind}" if bits > 8 else ""
    return "more than 8 bits" if image.mode.startswith(("I", "F")) else ""


def refusal(kind: str, mode: str, depth: str, wanted: PixelRange | None) -> str:
    """Why a picture of more than 8 bits is not read; "" where it is.

    Args:
        kind: its format, as Pillow names it.
        mode: its mode in Pillow; RGB and RGBA are of 8 bits for every reader that is not asked for more.
        depth: its bits in words, see `depth_of`.
        wanted: the range of values that training read; None = nobody said.
    """
    if wanted is None:
        if not mode.startswith(("I", "F")):
            return ""
        example = "LOW,HIGH" if "float" in depth or depth not in ("16 bits", "more than 8 bits") else "0,65535"
        said = f"{kind} of {depth} per channel ({mode})"
        if kind not in READ:
            return f"{said}, of which {' and '.join(READ)} are read; convert it"
        return f"{said}; say which range training read as black to white: --pixel-range {example}"
    if kind not in READ and mode.startswith(("I", "F")):
        return f"{kind} of {depth} per channel; of more than 8 bits {' and '.join(READ)} are read"
    if not depth.startswith(("16 bits", "32 bits")) and depth:
        return f"{kind} of {depth} per channel; read are 8, 16 and 32"
    return ""


def is_deep(kind: str, mode: str, depth: str, wanted: PixelRange | None) -> bool:
    """Whether a picture that is read goes through `decode_deep`: its bits are used, not the higher 8 of them."""
    return bool(depth) and wanted is not None and kind in READ


def decode_deep(data: bytes, wanted: PixelRange) -> Values:
    """Decode a PNG or TIFF of 16 or 32 bits per channel; grey stays one channel, transparency is dropped.

    OpenCV's values are those of `tf.io.decode_png(dtype=tf.uint16)`, `cv2.IMREAD_UNCHANGED` and Pillow.

    Returns:
        (H, W, 1 or 3).

    Raises:
        ValueError: damaged data, or values that cannot be brought to the range.
    """
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error as error:
        raise ValueError(f"OpenCV says: {error.err}") from error
    values = _unsigned(data) if found is None else np.asarray(found)
    if values is None:
        raise ValueError("the data end too early or are corrupt")
    return scaled(values[..., None] if values.ndim == 2 else values[..., ::-1], wanted)


def _unsigned(data: bytes) -> NDArray[np.uint32] | None:
    """A grey TIFF of unsigned 32 bits, which OpenCV reads from version 5 on; None where it is none, or damaged.

    Pillow takes the highest bit for a sign.
    """
    try:
        # Its header was held to the limit before, which Pillow's own may not lie below.
        with open_picture(io.BytesIO(data), max(Limits.pixels, Image.MAX_IMAGE_PIXELS or 0)) as image:
            kind = getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, (1,))
            if (image.format, image.mode, *kind[:1]) != ("TIFF", "I", 1):
                return None
            return np.asarray(image).astype(np.int32).view(np.uint32)
    except (OSError, ValueError, SyntaxError):
        return None


def scaled(values: NDArray[Any], wanted: PixelRange) -> Values:
    """Bring values to [0, 255]: the range to 0 and 255, what lies beyond to its ends.

    Args:
        values: (H, W, C) of integers or floats.
        wanted: (low, high); OF_FILE = the least and the greatest of the values; FULL = of their type of integers.

    Raises:
        ValueError: values that are not finite, or FULL of floats.
    """
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise ValueError("it holds values that are not finite")
    if wanted == FULL:
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError("floating point has no full range; say --pixel-range LOW,HIGH")
        about = np.iinfo(values.dtype)
        low, high = float(about.min), float(about.max)
    elif wanted == OF_FILE:
        low, high = float(values.min()), float(values.max())
    else:
        assert not isinstance(wanted, str)
        low, high = wanted
    return between(values, low, high)


def between(values: NDArray[Any], low: float, high: float) -> Values:
    """low .. high to 0 .. 255, clipped; all 0 where they are one."""
    if not high > low:
        return np.zeros(values.shape, np.float32)
    exact: NDArray[Any] = values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    return np.asarray(np.clip((exact - low) * (255 / (high - low)), 0, 255), np.float32)


def in_channels(values: Values, channels: int) -> Values:
    """(H, W, 1 or 3) as (H, W, channels): grey is repeated, colours become grey by ITU-R 601."""
    if values.shape[2] == channels:
        return np.ascontiguousarray(values)
    if channels == 3:
        return np.repeat(values, 3, axis=2)
    return np.asarray(values @ np.array([[0.299], [0.587], [0.114]], np.float32), np.float32)
