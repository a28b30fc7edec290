"""Preprocessing functions: pixels in [0, 255] -> the values that a model was trained on.

A new one is one function here and one line in PREPROCESS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ConfigError
from bias_audit.input_texts import IMAGENET, is_mean_and_std, mean_and_std
from bias_audit.users_code import IMPORTABLE, import_function, running

Pixels = NDArray[np.float32]
Preprocess = Callable[[Pixels], Pixels]
"""(N, H, W, C) float32 RGB or grey in [0, 255] -> (N, H, W, C) float32."""

_IMAGENET_MEAN, _IMAGENET_STD = (np.array(values, np.float32) for values in IMAGENET)
_CAFFE_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)


def none(pixels: Pixels) -> Pixels:
    """Pixels unchanged, in [0, 255]: the model scales inside, or was trained on raw values."""
    return pixels


def unit(pixels: Pixels) -> Pixels:
    """Pixels in [0, 1]: x / 255."""
    return pixels / np.float32(255)


def signed(pixels: Pixels) -> Pixels:
    """Pixels in [-1, 1]: x / 127.5 - 1, the "tf" mode of `keras.applications` (MobileNet, Inception, Xception)."""
    return pixels / np.float32(127.5) - np.float32(1)


def caffe(pixels: Pixels) -> Pixels:
    """BGR minus the ImageNet mean: "caffe" mode of `keras.applications` (VGG, ResNet)."""
    return pixels[..., ::-1] - _CAFFE_MEAN_BGR


def imagenet(pixels: Pixels) -> Pixels:
    """(x / 255 - mean) / std: "torch" mode of `keras.applications` (DenseNet) and torchvision."""
    return (pixels / np.float32(255) - _IMAGENET_MEAN) / _IMAGENET_STD


def bgr(pixels: Pixels) -> Pixels:
    """Pixels in [0, 255] in BGR order, for a model trained on pictures of `cv2.imread`."""
    return pixels[..., ::-1]


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
        return functools.partial(_normalised, mean=np.array(mean, np.float32), std=np.array(std, np.float32))
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


def _normalised(pixels: Pixels, *, mean: Pixels, std: Pixels) -> Pixels:
    """(x / 255 - mean) / std; mean and std have a number, or one per channel."""
    values: Pixels = (pixels / np.float32(255) - mean) / std
    return values


def _too_many(name: str, channels: int) -> ConfigError:
    return ConfigError(f"preprocess {name!r} needs three channels, the model takes {channels}")
