"""Image + mask -> changed image: cut the object out, remove it, put it on another background.

All functions take pixels (H, W, C) float32 in [0, 255] in model input size, before preprocessing, and masks (H, W)
uint8 of BACKGROUND, FOREGROUND, VOID. A new way to fill a hole is one function and one line in FILLS.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.masks import FOREGROUND, VOID

Pixels = NDArray[np.float32]
Mask = NDArray[np.uint8]

HOLE_MARGIN = 0.03
"""Dilation of a hole, as a share of the shorter side (7 px at 224).

A tight hole keeps the shape of the object, and shape alone leaks the class (Xiao et al. 2021).
"""

FEATHER = 0.005
"""Blur of a pasted edge, as a share of the shorter side (1 px at 224): more would dissolve thin legs and ears."""

BLUR = 0.08
"""Reach of the blur that fills a hole, as a share of the shorter side (18 px at 224)."""


def hole(mask: Mask) -> Mask:
    """(H, W) uint8, 1 where the object and a margin around it must be filled.

    Void pixels next to the object (the rim of a trimap) may show it and count as its part; padding farther off does
    not.
    """
    radius = max(2, round(HOLE_MARGIN * min(mask.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    thing = (mask == FOREGROUND).astype(np.uint8)
    rim = np.asarray(cv2.dilate(thing, kernel), np.uint8) & (mask == VOID)
    return np.asarray(cv2.dilate(thing | rim, kernel), np.uint8)


def inpaint(pixels: Pixels, holes: Mask) -> Pixels:
    """Fill the hole from its border inwards (Telea 2004), at 8 bits."""
    rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    filled = cv2.inpaint(np.ascontiguousarray(rounded), holes, 5, cv2.INPAINT_TELEA)
    return filled.reshape(pixels.shape).astype(np.float32)


def blur_noise(pixels: Pixels, holes: Mask) -> Pixels:
    """Fill the hole with its blurred surroundings and their own grain: no structure grows into it (SCIENCE C3)."""
    outside = (holes == 0).astype(np.float32)
    sigma = BLUR * min(holes.shape)
    weight = np.asarray(cv2.GaussianBlur(outside, (0, 0), sigma), np.float32)[..., None]
    seen = pixels * outside[..., None]
    smooth = np.asarray(cv2.GaussianBlur(seen, (0, 0), sigma), np.float32).reshape(pixels.shape)
    mean = seen.sum(axis=(0, 1)) / max(float(outside.sum()), 1.0)
    # Deep inside a large hole nothing is in reach of the blur: there the picture's mean takes over.
    blurred = (smooth + 1e-3 * mean) / (weight + 1e-3)
    fine = pixels - np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.5), np.float32).reshape(pixels.shape)
    grain = float(fine[holes == 0].std()) if outside.any() else 0.0
    noise = np.random.default_rng(0).normal(0, grain, pixels.shape[:2]).astype(np.float32)[..., None]
    return np.where(holes[..., None] > 0, np.clip(blurred + noise, 0, 255), pixels).astype(np.float32)


Fill = Callable[[Pixels, Mask], Pixels]

FILLS: dict[str, Fill] = {"inpaint": inpaint, "blur_noise": blur_noise}


def background_only(pixels: Pixels, mask: Mask, fill: str = "inpaint") -> Pixels:
    """The picture with its object removed."""
    return FILLS[fill](pixels, hole(mask))


def foreground_only(pixels: Pixels, mask: Mask) -> Pixels:
    """The object on black (Only-FG, Xiao et al. 2021)."""
    return pixels * _alpha(mask)[..., None]


def paste(pixels: Pixels, mask: Mask, background: Pixels) -> Pixels:
    """The object on another background, at its own place, with feathered edges."""
    alpha = _alpha(mask)[..., None]
    return pixels * alpha + background * (1 - alpha)


def _alpha(mask: Mask) -> Pixels:
    """Opacity of the object in 0..1: blurred inwards only, so that no rim of the old background comes along."""
    inside = (mask == FOREGROUND).astype(np.float32)
    blurred = cv2.GaussianBlur(inside, (0, 0), max(1.0, FEATHER * min(mask.shape)))
    return np.asarray(np.clip(2 * blurred - 1, 0, 1) * inside, np.float32)
