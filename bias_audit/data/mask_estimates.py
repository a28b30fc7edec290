"""Estimated masks for pictures that have none: runs a segmenter, checks its output and keeps it in memory.

Estimates count for less than drawn masks, see docs/science.md#estimated-masks.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.grabcut import grabcut
from bias_audit.data.masks import Mask
from bias_audit.errors import ConfigError
from bias_audit.run.statuses import EMPTY_ESTIMATE, FULL_ESTIMATE, OK
from bias_audit.users_code import IMPORTABLE, import_function, running

Segment = Callable[[NDArray[np.uint8]], Any]
"""A segmenter: (H, W, 3) uint8 RGB -> (H, W) or (H, W, 1) of bool, integers (0 = background) or probabilities 0..1."""

Estimate = Callable[[str, NDArray[np.uint8]], tuple[Mask | None, str]]
"""(`data.batches.Loaded.content`, decoded pixels (H, W, 3 or 1)) -> (mask (H, W) or None, status of `load_mask`)."""

AUTO = "auto"

LEAST_AREA, MOST_AREA = 0.005, 0.95
"""Bounds of the area of a usable estimate, as shares of the picture.

Below the first, no object was found (1 pixel in 200: 16 x 16 at 224). Above the second, no background is left to
exchange.
"""

REMEMBERED = 64_000_000
"""Most bytes of packed estimates in memory: stages read photos again. Enough for about 60,000 photos of 500 x 400."""


def estimator(segment: Segment, name: str) -> Estimate:
    """Turn a segmenter into an `Estimate`, the form that `data.batches.load` takes.

    The result keeps its estimates by content, and may be called from several threads; so is `segment`, then. It raises
    ConfigError as `read_estimate` does.

    Args:
        segment: the segmenter.
        name: name of the segmenter for messages.
    """
    kept: OrderedDict[str, bytes] = OrderedDict()
    lock = threading.Lock()
    size = 0

    def estimate(content: str, pixels: NDArray[np.uint8]) -> tuple[Mask | None, str]:
        nonlocal size
        shape = pixels.shape[:2]
        with lock:
            packed = kept.get(content)
        if packed is None:
            mask = read_estimate(segment, name, pixels)
            packed = zlib.compress(np.packbits(mask).tobytes(), 1)
            with lock:
                size += 0 if content in kept else len(packed)
                kept[content] = packed
                while size > REMEMBERED:
                    size -= len(kept.popitem(last=False)[1])
        else:
            bits = np.frombuffer(zlib.decompress(packed), np.uint8)
            mask = np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape)
        area = float(mask.mean())
        if area < LEAST_AREA:
            return None, EMPTY_ESTIMATE
        return (None, FULL_ESTIMATE) if area > MOST_AREA else (mask, OK)

    return estimate


def read_estimate(segment: Segment, name: str, pixels: NDArray[np.uint8]) -> Mask:
    """Run a segmenter on one picture and check what it returns.

    Args:
        segment, name: see `estimator`.
        pixels: (H, W, 3 or 1) uint8; a grey picture is shown to the segmenter as RGB.

    Returns:
        (H, W) of BACKGROUND and FOREGROUND; probabilities above .5 are foreground.

    Raises:
        ConfigError: the segmenter fails, or returns another shape, another type or values outside 0..1.
    """
    rgb = pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
    with running(f"the segmenter {name!r} failed"):
        values = np.asarray(segment(rgb.copy()))
    expected = "It gets (H, W, 3) uint8 RGB and must return (H, W): bool, integers (0 = background) or 0..1."
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.shape != pixels.shape[:2]:
        raise ConfigError(
            f"the segmenter {name!r} turned a picture of {pixels.shape[:2]} pixels into {values.shape}", expected
        )
    if values.dtype.kind in "bui":
        return np.asarray(values != 0, np.uint8)
    if values.dtype.kind != "f" or not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        what = f"{values.dtype} from {values.min():g} to {values.max():g}" if values.dtype.kind == "f" else values.dtype
        raise ConfigError(f"the segmenter {name!r} returned {what}, which is no mask", expected)
    return np.asarray(values > 0.5, np.uint8)


def find_function(name: str) -> Segment:
    """The segmenter that a name stands for: `auto` is GrabCut, `module:function` is imported.

    Raises:
        ConfigError: the function cannot be imported.
    """
    if name == AUTO:
        return grabcut
    hint = f"Write auto, a .keras, .h5, .tflite or .onnx file, or module:function; {IMPORTABLE}."
    function: Segment = import_function(name, "segmenter", hint)
    return function
