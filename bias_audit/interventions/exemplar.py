"""Fills a hole with pieces of the picture's own background that fit its border: texture stays texture.

Exemplar-based inpainting (Criminisi, Perez & Toyama 2004), searched at low resolution and copied at full: the place on
the border of the hole of which most is known is filled first, by the square elsewhere that fits best what is known of
it. See docs/science.md#fills.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Mask = NDArray[np.uint8]

SEARCH = 48
"""Shorter side, in pixels, at which places are compared at most."""

RADII = (4, 2, 1)
"""Half sides of the squares at that size, tried in turn: beside a large hole no large square is whole."""


def fill_by_pieces(pixels: Pixels, holes: Mask) -> Pixels | None:
    """The picture with its hole filled by squares of its own background; None where not even a small one is whole.

    Args:
        pixels: (H, W, C) float32 in [0, 255].
        holes: (H, W) uint8, above 0 inside the hole.
    """
    height, width = holes.shape
    step = max(1, -(-min(height, width) // SEARCH))
    rows, columns = -(-height // step), -(-width // step)
    pad = ((0, rows * step - height), (0, columns * step - width))
    known_full = np.pad((holes == 0).astype(np.float32), pad)
    full = np.pad(pixels, (*pad, (0, 0)), mode="edge")
    open_full = np.pad(holes > 0, pad)

    def reduced(values: NDArray[np.float32]) -> NDArray[np.float32]:
        blocks = values.reshape(rows, step, columns, step, -1).mean(axis=(1, 3))
        return np.asarray(blocks, np.float32)

    share = reduced(known_full[..., None])[..., 0]
    seen = reduced(full * known_full[..., None])
    small = np.asarray(seen / np.maximum(share, 1e-6)[..., None], np.float32)
    whole = share > 0.999  # cells without a pixel of the hole, nor of the padding
    lacks = reduced(open_full.astype(np.float32)[..., None])[..., 0] > 0
    for radius in RADII:
        if _places(whole, radius).any():
            return _filled(full, open_full, small, whole, lacks, radius, step)[:height, :width]
    return None


def _places(whole: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """(rows - 2r, columns - 2r) whether the square whose upper left corner is there lies on whole cells only."""
    side = 2 * radius + 1
    if min(whole.shape) < side:
        return np.zeros((0, 0), bool)
    least = cv2.erode(whole.astype(np.uint8), np.ones((side, side), np.uint8), borderValue=0)
    return np.asarray(least[radius : whole.shape[0] - radius, radius : whole.shape[1] - radius] > 0)


def _filled(
    full: Pixels, open_full: NDArray[np.bool_], small: Pixels, whole: NDArray[np.bool_], lacks: NDArray[np.bool_],
    radius: int, step: int,
) -> Pixels:  # fmt: skip
    side = 2 * radius + 1
    usable = _places(whole, radius)
    known, lacking = ~lacks, lacks.copy()
    small, filled = small.copy(), full.copy()
    weight = np.zeros(open_full.shape, np.float32)
    total = np.zeros_like(full)
    ramp = np.minimum(np.arange(side * step) + 0.5, side * step - np.arange(side * step) - 0.5).astype(np.float32)
    window = (np.minimum.outer(ramp, ramp) / ramp.max()) ** 3
    top_most, left_most = usable.shape[0] - 1, usable.shape[1] - 1
    box = (side, side)
    while lacking.any():
        confidence = cv2.boxFilter(known.astype(np.float32), -1, box, normalize=False, borderType=cv2.BORDER_CONSTANT)
        y, x = np.unravel_index(int(np.where(lacking, confidence, -1).argmax()), lacking.shape)
        top, left = int(np.clip(y - radius, 0, top_most)), int(np.clip(x - radius, 0, left_most))
        there = np.s_[top : top + side, left : left + side]
        mask = known[there].astype(np.float32)
        patch = small[there]
        costs = cv2.matchTemplate(small, patch, cv2.TM_SQDIFF, mask=np.repeat(mask[..., None], small.shape[2], 2))
        costs = np.where(usable, costs, np.inf)
        from_y, from_x = np.unravel_index(int(costs.argmin()), costs.shape)
        source = np.s_[from_y : from_y + side, from_x : from_x + side]
        fresh = lacking[there]
        small[there] = np.where(fresh[..., None], small[source], patch)
        known[there], lacking[there] = True, False
        wide = np.s_[top * step : (top + side) * step, left * step : (left + side) * step]
        origin = np.s_[from_y * step : (from_y + side) * step, from_x * step : (from_x + side) * step]
        total[wide] += window[..., None] * full[origin]
        weight[wide] += window
    mean = total / np.maximum(weight, 1e-12)[..., None]
    filled[open_full] = mean[open_full]
    return np.asarray(filled, np.float32)
