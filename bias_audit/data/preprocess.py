"""Preprocessing functions: pixels in [0, 255] -> the values that a model was trained on.

A new one is one function here and one line in PREPROCESS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ConfigError
from bias_audit.input_texts import IMAGENET, is_mean_and_std, mean_and_std
from bias_audit.users_code import IMPORTABLE, import_function, running

Pixels = NDArray[np.float32]
Preprocess = Callable[[Pixels], Pixels]
"""(N, H, W, C) float32 RGB or grey in [0, 255] -> (N, H, W, C) float32."""

_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)


def none(pixels: Pixels) -> Pixels:
    """Pixels unchanged, in [0, 255]: the model scales inside, or was trained on raw values."""
    return pixels


def unit(pixels: Pixels) -> Pixels:
    """Pixels in [0, 1]: x / 255."""
    return pixels / np.float32(255)


def signed(pixels: Pixels) -> Pixels:
    """Pixels in [-1, 1]: x / 127.5 - 1, the "tf" mode of `keras.applications` (MobileNet, Inception, Xception)."""
    values = pixels / np.float32(127.5)
    values -= np.float32(1)
    return values


def caffe(pixels: Pixels) -> Pixels:
    """BGR minus the ImageNet mean: "caffe" mode of `keras.applications` (VGG, ResNet)."""
    values = bgr(pixels)
    width, channels = values.shape[-2:]
    values -= _row(_CAFFE_MEAN_BGR, width, channels).reshape(width, channels)
    return values


def imagenet(pixels: Pixels) -> Pixels:
    """(x / 255 - mean) / std: "torch" mode of `keras.applications` (DenseNet) and torchvision."""
    return _normalised(pixels, mean=IMAGENET[0], std=IMAGENET[1])


def bgr(pixels: Pixels) -> Pixels:
    """Pixels in [0, 255] in BGR order, for a model trained on pictures of `cv2.imread`."""
    if not pixels.size:
        return pixels
    rows = np.ascontiguousarray(pixels, np.float32).reshape(-1, *pixels.shape[-2:])
    # By OpenCV: a view with reversed channels makes every later step seven times as slow.
    return np.asarray(cv2.cvtColor(rows, cv2.COLOR_RGB2BGR), np.float32).reshape(pixels.shape)


def unit_bgr(pixels: Pixels) -> Pixels:
    """Pixels in [0, 1] in BGR order: x / 255."""
    return unit(bgr(pixels))


def signed_bgr(pixels: Pixels) -> Pixels:
    """Pixels in [-1, 1] in BGR order: x / 127.5 - 1."""
    return signed(bgr(pixels))


PREPROCESS: dict[str, Preprocess] = {
    "none": none,
    "unit": unit,
    "signed": signed,
    "imagenet": imagenet,
    "caffe": caffe,
    "bgr": bgr,
    "unit_bgr": unit_bgr,
    "signed_bgr": signed_bgr,
}
"""Preprocessing functions by name; of several that do equally well, the first is preferred."""

OF_ANY_CHANNELS = ("none", "unit", "signed")
"""Names of PREPROCESS that treat all channels alike, so that they fit grey pictures as well."""


def candidates(channels: int) -> tuple[str, ...]:
    """The names of PREPROCESS that fit a model of 3 or 1 channels."""
    return tuple(PREPROCESS) if channels == 3 else OF_ANY_CHANNELS


def find_preprocess(name: str, channels: int) -> Preprocess:
    """The preprocessing function that a name stands for.

    Args:
        name: a name of PREPROCESS, `mean=M,M,M/std=S,S,S`, which is (x / 255 - mean) / std, or `module:function`.
        channels: channels of the model's input, 3 or 1.

    Returns:
        The function. One of the user's raises ConfigError, when it is called, if it fails or changes the shape.

    Raises:
        ConfigError: "auto", one that needs three channels where the model takes one, numbers that are not understood,
            or a function that cannot be imported.
    """
    if name in PREPROCESS:
        if name not in candidates(channels):
            raise _too_many(name, channels)
        return PREPROCESS[name]
    if is_mean_and_std(name):
        mean, std = mean_and_std(name)
        if max(len(mean), len(std)) > channels:
            raise _too_many(name, channels)
        return functools.partial(_normalised, mean=mean, std=std)
    if name == "auto":
        raise ConfigError(
            "only an audit can choose the preprocessing, by the labels of its photos",
            "Name it: none, unit, signed, imagenet, caffe, bgr, unit_bgr, signed_bgr, mean=M,M,M/std=S,S,S or "
            "module:function.",
        )
    function = import_function(name, "preprocess function", f"Write module:function; {IMPORTABLE}.")

    def checked(pixels: Pixels) -> Pixels:
        with running(f"the preprocess function {name!r} failed"):
            values = np.asarray(function(pixels.copy()), np.float32)
        if values.shape != pixels.shape:
            raise ConfigError(
                f"the preprocess function {name!r} turned shape {pixels.shape} into {values.shape}",
                "It gets (N, H, W, C) float32 in [0, 255] and must return the same shape.",
            )
        return values

    return checked


def _normalised(pixels: Pixels, *, mean: Sequence[float], std: Sequence[float]) -> Pixels:
    """(x / 255 - mean) / std; mean and std have a number, or one per channel."""
    middle, spread = np.array(mean, np.float64), np.array(std, np.float64)
    return _scaled(pixels, tuple(1 / (255 * spread)), tuple(-middle / spread))


def _scaled(pixels: Pixels, scale: tuple[float, ...], offset: tuple[float, ...]) -> Pixels:
    """x * scale + offset, each with a number or one per channel.

    Row by row: NumPy's inner loop over three channels takes eight times as long.
    """
    width, channels = pixels.shape[-2:]
    factor, shift = (_row(each, width, channels) for each in (scale, offset))
    rows = pixels.reshape(-1, width * channels)
    values = np.multiply(rows, factor, dtype=np.float32)
    values += shift
    return values.reshape(pixels.shape)


@functools.lru_cache(maxsize=64)
def _row(values: tuple[float, ...], width: int, channels: int) -> Pixels:
    """A number, or one per channel, for each value of a row of pixels: (width * channels,)."""
    return np.tile(np.broadcast_to(np.array(values, np.float32), channels), width)


def _too_many(name: str, channels: int) -> ConfigError:
    return ConfigError(f"preprocess {name!r} needs three channels, the model takes {channels}")
