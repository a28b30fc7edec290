"""Functions that give a photo the colour, brightness, sharpness or border of another photo (the donor).

No heatmap can point at such a cue. Each public function of a property takes two photos (H, W, C) float32 in [0, 255]
at model input size, before preprocessing, and returns the first with the property of the second. A new property is one
function and one line in PROPERTIES.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.interventions.edits import in_channels

Pixels = NDArray[np.float32]
Exchange = Callable[[Pixels, Pixels], Pixels]

RING = 0.06
"""Width of the border, as a share of the shorter side (13 px at 224): frames, captions and corner tags lie within."""

OUTER = 0.15
"""Width of the frame in which colour and brightness are measured, as a share of the shorter side."""

COARSE = 0.06
"""Frequency in cycles per pixel (a period of 17 px): lower ones show the content, higher ones how sharp a photo is."""

BANDS = 12
"""Number of frequency bands whose power is matched."""

MOST_GAIN = 4.0
"""Largest factor by which light, chroma and detail are raised; more would only amplify noise."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def colour(pixels: Pixels, donor: Pixels) -> Pixels:
    """The photo with the donor's mean and spread of chroma: its tint and greyness.

    See Reinhard et al. 2001, IEEE CG&A 21(5), 34-41.
    """
    channels = pixels.shape[2]
    luma = in_channels(_luma(pixels), channels)
    chroma = pixels - luma
    own, other = _outer(chroma), _outer(donor - in_channels(_luma(donor), channels))
    middle, target = own.mean(axis=0), other.mean(axis=0)
    gain = _gain(float(np.linalg.norm(own - middle)), float(np.linalg.norm(other - target)))
    middle, target = (np.tile(each, (pixels.shape[1], 1)) for each in (middle, target))  # a row of pixels
    return _clipped(luma + (chroma - middle) * gain + target)


def brightness(pixels: Pixels, donor: Pixels) -> Pixels:
    """The photo with the donor's mean luminance.

    All pixels are scaled by one factor, as by exposure; adding a constant would clip dark pixels and take their colour.
    """
    own, other = float(_outer(_luma(pixels)).mean()), float(_outer(_luma(donor)).mean())
    return _clipped(pixels * _gain(own, other))


def sharpness(pixels: Pixels, donor: Pixels) -> Pixels:
    """The photo with the donor's power of fine luminance detail, per frequency band: blur, sharpening, noise."""
    own = _luma(pixels)
    waves = _waves(own)
    powers = _band_powers(waves), _band_powers(_waves(_luma(donor)))
    gains = np.clip(np.sqrt(powers[1] / np.maximum(powers[0], 1e-6)), 0, MOST_GAIN)
    # The coarse stays as it is; from its edge the gain is interpolated between the middles of the bands.
    frequency = _frequency((waves.shape[0], waves.shape[1]))
    gain = np.interp(frequency, np.r_[COARSE, _middles()], np.r_[1.0, gains]).astype(np.float32)
    changed = cv2.idct(waves * gain)[: own.shape[0], : own.shape[1]]
    return _clipped(pixels + in_channels(changed - own, pixels.shape[2]))


def border(pixels: Pixels, donor: Pixels) -> Pixels:
    """The photo with the donor's outer ring: a frame, a vignette, a caption, a mark in a corner."""
    wide = max(1, round(RING * min(pixels.shape[:2])))
    changed = donor.copy()
    changed[wide:-wide, wide:-wide] = pixels[wide:-wide, wide:-wide]
    return changed


PROPERTIES: dict[str, Exchange] = {"colour": colour, "brightness": brightness, "sharpness": sharpness, "border": border}


def properties_for(channels: int) -> tuple[str, ...]:
    """Names of the properties that can be exchanged in pictures of 3 or 1 channels; without colour for 1."""
    return tuple(name for name in PROPERTIES if channels == 3 or name != "colour")


def _outer(values: Pixels) -> Pixels:
    """Pixels of the outer frame, (H, W, ...) -> (P, ...); there the object's own colour hardly counts."""
    height, width, *channels = values.shape
    return values.reshape(height * width, *channels)[_frame((height, width))]


@functools.lru_cache(maxsize=4)
def _frame(size: tuple[int, int]) -> NDArray[np.intp]:
    """Places of the pixels of the outer frame in a picture (H, W), row by row."""
    wide = max(1, round(OUTER * min(size)))
    inside = np.zeros(size, bool)
    inside[wide:-wide, wide:-wide] = True
    return np.flatnonzero(~inside)


def _gain(own: float, other: float) -> float:
    return min(MOST_GAIN, other / own) if own > 0 else 1.0


def _luma(pixels: Pixels) -> Pixels:
    """Luminance (H, W) of a picture (H, W, C)."""
    return np.asarray(pixels @ _LUMA if pixels.shape[2] == 3 else pixels[..., 0], np.float32)


def _waves(luma: Pixels) -> Pixels:
    """Cosine transform of a luminance, which has no seam at the frame. Odd sides are padded by a pixel."""
    height, width = luma.shape
    even = np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge")  # OpenCV transforms even sizes only
    return np.asarray(cv2.dct(even), np.float32)


@functools.lru_cache(maxsize=4)
def _frequency(size: tuple[int, int]) -> Pixels:
    """Frequency in cycles per pixel of each coefficient of `_waves`."""
    rows, columns = (np.arange(side) / (2 * side) for side in size)
    return np.hypot(rows[:, None], columns).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _bands(size: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Places of the coefficients that lie in a band, the band of each, and the number of each band's coefficients."""
    band = np.digitize(_frequency(size).ravel(), _edges()) - 1
    places = np.flatnonzero((band >= 0) & (band < BANDS))
    return places, band[places], np.bincount(band[places], minlength=BANDS)


def _edges() -> NDArray[np.float64]:
    return np.linspace(COARSE, np.sqrt(0.5), BANDS + 1)


def _middles() -> NDArray[np.float64]:
    edges = _edges()
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _band_powers(waves: Pixels) -> NDArray[np.float64]:
    places, band, counts = _bands((waves.shape[0], waves.shape[1]))
    power = np.bincount(band, waves.ravel()[places].astype(np.float64) ** 2, BANDS)
    return np.asarray(power / np.maximum(counts, 1))


def _clipped(pixels: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(pixels, 0, 255), np.float32)
