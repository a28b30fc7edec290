"""Spoils the masks that an auditor is given, as annotators, tools and exports do; the photos stay as they are.

Each way takes true masks and gives the masks that are written. Estimated masks and boxes are inputs of their own, and a
second object that no mask knows is drawn with its scene (`shapes.with_second`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.planted.benchmark.grid import COMPLETE
from bias_audit.planted.objects import Photos

ERODED_BY = 2
"""Pixels that an eroded mask lacks all around."""

LOWEST_MISSED = 0.35
HIGHEST_MISSED = 1 / 3
"""Share of an object's pixels that a mask without its lowest, or its highest part misses."""

SHIFTED_BY = 3.0
"""Pixels by which a mask is shifted, in another direction on each photo."""

SECOND_OBJECTS = 0.3
"""Share of photos with a second object that no mask knows."""

ESTIMATED, BOXES, SECOND_OBJECT = "estimated", "boxes", "second_object"
"""Keys of MASKS that the audit is given in another way: no mask at all, a table of boxes, scenes of their own."""


def as_drawn(mask: Photos, rng: np.random.Generator) -> Photos:
    """The mask itself. All functions of MASKS take a mask (H, W), 255 on the object, else 0, and give another one."""
    return mask


def eroded(mask: Photos, rng: np.random.Generator) -> Photos:
    """Without a rim of ERODED_BY pixels; of an object that is narrower everywhere, its innermost pixels."""
    side = 2 * ERODED_BY + 1
    inner = cv2.erode(mask, np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    if inner.any() or not mask.any():
        return np.asarray(inner, np.uint8)
    depth = cv2.distanceTransform(mask, cv2.DIST_C, 3)
    return np.where(depth == depth.max(), mask, 0).astype(np.uint8)


def without_lowest(mask: Photos, rng: np.random.Generator) -> Photos:
    """Without the lowest LOWEST_MISSED of its pixels, rounded down, row by row."""
    return kept_part(mask, lambda count: slice(0, count - math.floor(LOWEST_MISSED * count)))


def without_highest(mask: Photos, rng: np.random.Generator) -> Photos:
    """Without the highest HIGHEST_MISSED of its pixels, rounded down, row by row."""
    return kept_part(mask, lambda count: slice(math.floor(HIGHEST_MISSED * count), count))


def shifted(mask: Photos, rng: np.random.Generator) -> Photos:
    """Shifted by SHIFTED_BY pixels in a random direction; what leaves the photo is lost."""
    angle = float(rng.uniform(0, 2 * np.pi))
    down, right = round(SHIFTED_BY * math.sin(angle)), round(SHIFTED_BY * math.cos(angle))
    matrix = np.array([[1, 0, right], [0, 1, down]], np.float64)
    moved = cv2.warpAffine(mask, matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST, borderValue=0)
    return np.asarray(moved, np.uint8)


def degraded(masks: Photos, way: str, *, seed: int) -> Photos:
    """Masks (N, H, W) spoiled in a way of MASKS; the random numbers of mask i follow from (seed, i)."""
    return np.stack([MASKS[way](mask, np.random.default_rng((seed, i))) for i, mask in enumerate(masks)])


def box_of(mask: Photos) -> tuple[int, int, int, int]:
    """(x_min, y_min, x_max, y_max) around a mask that is not empty, in pixels, the maxima exclusive."""
    rows, columns = np.nonzero(mask)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def kept_part(mask: Photos, chosen: Callable[[int], slice]) -> Photos:
    """The mask with those of its pixels alone that are chosen of their number, counted from the top left, by rows."""
    rows, columns = np.nonzero(mask)
    kept: NDArray[np.uint8] = np.zeros_like(mask)
    part = chosen(len(rows))
    kept[rows[part], columns[part]] = 255
    return kept


MASKS: dict[str, Callable[[Photos, np.random.Generator], Photos]] = {
    COMPLETE: as_drawn,
    "eroded": eroded,
    "lowest_missing": without_lowest,
    "highest_missing": without_highest,
    BOXES: as_drawn,
    "shifted": shifted,
    SECOND_OBJECT: as_drawn,
    ESTIMATED: as_drawn,
}
"""Way to spoil masks -> (true mask, random numbers) -> mask that the auditor is given."""
