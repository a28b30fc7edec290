"""Brings pictures and masks to the model's input size in one way: stretch, crop, pad, or resize and cut the centre.

Resampling is that of training. Measured against TensorFlow 2.21 and Pillow 13 on real photos, in grey levels of 255:
`bilinear` differs from `tf.image.resize` by .009 and `area` by .007; `nearest` and `antialias` are identical to Pillow.
OpenCV's INTER_CUBIC has another kernel (a = -.75 instead of Keys' -.5), so `bicubic` uses the weight matrices below.
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bias_audit.data.masks import VOID, Mask, resize_nearest
from bias_audit.input_texts import USUAL, cut_of

Picture = NDArray[Any]
"""(H, W, C) uint8, or float32 in [0, 255]."""

Window = tuple[int, int, int, int]
"""(top, left, height, width) of a part of a picture, in pixels."""

_PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "antialias": Image.Resampling.BILINEAR,
    "antialias_bicubic": Image.Resampling.BICUBIC,
    "antialias_lanczos": Image.Resampling.LANCZOS,
}

LARGE = 20_000_000
"""Pixels of a picture from which on its channels are resampled one after the other."""


def fit_image(
    pixels: Picture,
    size: tuple[int, int],
    resize: str,
    interpolation: str,
    into: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Bring a picture to the model's input size.

    Args:
        pixels: (H, W, C) uint8; float32 in [0, 255] of a picture of more than 8 bits.
        size: (height, width) of the model's input.
        resize: "stretch" ignores the aspect ratio, the default of `image_dataset_from_directory`; "crop" first cuts
            the largest centred window of the target's aspect ratio (`crop_to_aspect_ratio=True`, `smart_resize`,
            `load_img(keep_aspect_ratio=True)`); "pad" first pads with 0 to it (`pad_to_aspect_ratio=True`); "shorter"
            resizes without distortion, then cuts the centre: torchvision's `Resize` and `CenterCrop`. "shorter=N/M"
            does so by another ratio than 256/224, and "stretch=N/M" cuts the centre of a stretched picture.
        interpolation: see `AuditConfig.interpolation`; a filter of Pillow with "shorter".
        into: (height, width, C) C-contiguous array that takes the result; None = a new one.

    Returns:
        (height, width, C) float32 in [0, 255]; `into`, where it is given.
    """
    if resize == "pad":
        pixels = np.pad(pixels, (*_padding(pixels.shape, size), (0, 0)))
    window = crop_window(pixels.shape, size) if resize == "crop" else (0, 0, *pixels.shape[:2])
    if (whole := _before_cut(pixels.shape, size, resize)) is not None:
        # The whole picture is resampled, then cut: Pillow rounds differently where it resamples the window alone.
        fitted = _centre(_resample(pixels, window, whole, interpolation), size)
    else:
        fitted = _resample(pixels, window, size, interpolation, into)
    if into is None or fitted is into:
        return fitted
    into[...] = fitted
    return into


def fit_mask(mask: Mask, size: tuple[int, int], resize: str) -> Mask:
    """Bring a mask (H, W) to the model's input size as `fit_image` does its picture, by nearest neighbour.

    Args:
        mask: (H, W) of the decoded picture.
        size: (height, width) of the model's input.
        resize: see `fit_image`.

    Returns:
        (height, width); what padding adds is VOID.
    """
    if resize == "crop":
        top, left, height, width = crop_window(mask.shape, size)
        return resize_nearest(mask, size, (left, top, left + width, top + height))
    if resize == "pad":
        mask = np.pad(mask, _padding(mask.shape, size), constant_values=VOID)
    if (whole := _before_cut(mask.shape, size, resize)) is not None:
        return _centre(resize_nearest(mask, whole), size)
    return resize_nearest(mask, size)


def crop_window(shape: tuple[int, ...], size: tuple[int, int]) -> Window:
    """The largest centred window of a picture that has the aspect ratio of `size`, rounded as Keras rounds it."""
    height, width = shape[:2]
    crop_height = max(min(height, width * size[0] // size[1]), 1)
    crop_width = max(min(width, height * size[1] // size[0]), 1)
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def largest_shape(shape: tuple[int, ...], size: tuple[int, int], resize: str) -> tuple[int, int]:
    """(height, width) of the largest picture that is made on the way from `shape` to `size`."""
    return padded_shape(shape, size) if resize == "pad" else _before_cut(shape, size, resize) or size


def shorter_shape(shape: tuple[int, ...], size: tuple[int, int], ratio: tuple[int, int] = USUAL) -> tuple[int, int]:
    """(height, width) of a picture after torchvision's `Resize`, before its `CenterCrop`.

    The shorter side becomes `ratio` = N/M of the longer side of `size`. With 256/224, 224 -> 256 and 299 -> 342, as in
    torchvision's reference transforms. The longer side is rounded down.
    """
    height, width = shape[:2]
    target = round(max(size) * ratio[0] / ratio[1])
    long = int(target * max(height, width) / min(height, width))
    return (target, long) if height <= width else (long, target)


def padded_shape(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a picture of this shape after padding it to the aspect ratio of `size`."""
    (above, below), (left, right) = _padding(shape, size)
    return above + shape[0] + below, left + shape[1] + right


def _before_cut(shape: tuple[int, ...], size: tuple[int, int], resize: str) -> tuple[int, int] | None:
    """(height, width) of a resized picture before its centre is cut out; None where nothing is cut."""
    mode, ratio = cut_of(resize)
    if ratio is None:
        return None
    if mode == "shorter":
        return shorter_shape(shape, size, ratio)
    return round(size[0] * ratio[0] / ratio[1]), round(size[1] * ratio[0] / ratio[1])


def _centre(values: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Cut the centre of `size` out of a picture or mask, as torchvision's `CenterCrop`, which rounds halves to even."""
    top, left = (round((values.shape[axis] - size[axis]) / 2.0) for axis in (0, 1))
    return values[top : top + size[0], left : left + size[1]]


def _padding(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """((rows above, below), (columns left, right)) to add, as Keras pads to an aspect ratio; an odd rest is dropped."""
    height, width = shape[:2]
    rows = max(height, width * size[0] // size[1]) - height
    columns = max(width, height * size[1] // size[0]) - width
    return (rows // 2, rows // 2), (columns // 2, columns // 2)


def _resample(
    pixels: Picture,
    window: Window,
    size: tuple[int, int],
    interpolation: str,
    into: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """A part of a picture in another size; where it costs a copy less, the result is `into`, if that is given."""
    top, left, height, width = window
    if interpolation in _PILLOW:
        # By Pillow itself: its rounding of 8-bit pixels and of window edges is part of what training saw.
        box = (left, top, left + width, top + height)
        channels = [
            np.asarray(Image.fromarray(np.ascontiguousarray(channel)).resize(size[::-1], _PILLOW[interpolation], box))
            for channel in np.moveaxis(pixels, -1, 0)
        ]
        return np.stack(channels, axis=-1).astype(np.float32)
    if height * width > LARGE and pixels.shape[2] > 1:  # equal to the bit; a float takes four times a pixel
        single = (np.ascontiguousarray(pixels[..., channel, None]) for channel in range(pixels.shape[2]))
        return np.concatenate([_resample(each, window, size, interpolation) for each in single], axis=-1)
    part = pixels[top : top + height, left : left + width]
    if (height, width) == size:
        if into is None:
            return part.astype(np.float32)
        into[...] = part
        return into
    values = part.astype(np.float32)
    grows = size[0] > height or size[1] > width
    if interpolation == "bicubic" or (interpolation == "area" and grows):  # OpenCV's area differs when enlarging
        weights = _keys_cubic if interpolation == "bicubic" else area_weights
        rows, columns = weights(height, size[0]), weights(width, size[1])
        return np.asarray(np.einsum("ih,hwc,jw->ijc", rows, values, columns, optimize=True), np.float32)
    kind = cv2.INTER_AREA if interpolation == "area" else cv2.INTER_LINEAR
    if into is None:
        return np.asarray(cv2.resize(values, size[::-1], interpolation=kind), np.float32).reshape(*size, -1)
    cv2.resize(values, size[::-1], dst=into[..., 0] if into.shape[2] == 1 else into, interpolation=kind)
    return into


@functools.lru_cache(maxsize=256)
def area_weights(source: int, target: int) -> NDArray[np.float32]:
    """(target, source) weights of area resampling along one axis.

    Each target cell is the mean over the interval of the source that it covers, fractions of pixels included.
    """
    edges = np.arange(target + 1) * source / target
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(source)[None, :]
    covered = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return np.asarray(covered / covered.sum(axis=1, keepdims=True), np.float32)


@functools.lru_cache(maxsize=256)
def bilinear_weights(source: int, target: int) -> NDArray[np.float32]:
    """(target, source) weights of bilinear interpolation along one axis.

    Pixel centres lie at half pixels, positions are clamped at the border, and nothing is antialiased.
    """
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, source - 1)
    fraction = position - low
    weights = np.zeros((target, source))
    np.add.at(weights, (np.arange(target), low), 1 - fraction)
    np.add.at(weights, (np.arange(target), high), fraction)
    return weights.astype(np.float32)


@functools.lru_cache(maxsize=16)  # megabytes each for large photos
def _keys_cubic(source: int, target: int) -> NDArray[np.float32]:
    """(target, source) weights of Keys' bicubic interpolation (a = -.5) along one axis.

    Weights outside the picture are dropped and the rest renormalised. As in TensorFlow, positions are computed in
    float32 and rounded to 1/1024 of a pixel, the steps of its table of the kernel.
    """
    scale = np.float32(source) / np.float32(target)
    position = (np.arange(target, dtype=np.float32)[:, None] + np.float32(0.5)) * scale - np.float32(0.5)
    position = np.floor(position) + np.round((position - np.floor(position)) * 1024) / 1024
    distance = np.abs(position - np.arange(source)[None, :])
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
