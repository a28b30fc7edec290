"""Brings masks to the grid of a heatmap: how many pixels of each kind lie in the reach of each cell.

The reach of a cell is that of half-pixel bilinear upsampling U: sum_pixels U(L) * m = sum_cells L * U'(m), where U' is
the adjoint of U. A mask is worked on by itself, in the cache of a core: on a whole batch the same takes several times
as long.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.geometry import area_weights, bilinear_weights
from bias_audit.data.masks import FOREGROUND, VOID, Mask

Array = NDArray[np.float64]

NOTHING = 1e-12
"""Share of the reach of a cell below which what is left of it is rounding: the background is what the others leave."""


@dataclass(frozen=True)
class OnGrid:
    """A mask on the grid of a heatmap, each array (h, w).

    Attributes:
        foreground, background, void: U'(pixels of that kind): pixels in the reach of each cell.
        uncertain: U'(void pixels inside the picture: ignore value, rim of a trimap), without padding.
        perfect: the mask averaged over cells: the best map that the grid can hold.
        area: share of foreground among the pixels that are not void; NaN where all are void.
    """

    foreground: Array
    background: Array
    void: Array
    uncertain: Array
    perfect: Array
    area: float


@dataclass(frozen=True)
class _Weights:
    """Weights from pixels to cells: `rows` (2h, H) of U' and below them of the mean over cells, `columns` (W, 2w)."""

    rows: Array
    columns: Array
    all_pixels: Array


@functools.lru_cache(maxsize=16)
def _weights(size: tuple[int, int], grid: tuple[int, int]) -> _Weights:
    reach = [bilinear_weights(cells, side).astype(np.float64) for cells, side in zip(grid, size, strict=True)]
    means = [area_weights(side, cells).astype(np.float64) for cells, side in zip(grid, size, strict=True)]
    rows = np.concatenate([reach[0].T, means[0]])
    columns = np.concatenate([reach[1], means[1].T], axis=1)
    return _Weights(rows, columns, np.outer(reach[0].sum(axis=0), reach[1].sum(axis=0)))


def on_grid(mask: Mask, grid: tuple[int, int]) -> OnGrid:
    """Bring a mask (H, W) to a grid (h, w)."""
    weights = _weights((mask.shape[0], mask.shape[1]), grid)
    nothing = np.zeros(grid)
    thing = np.equal(mask, FOREGROUND, order="C")
    void = uncertain = nothing
    things, voids = int(np.count_nonzero(thing)), 0
    foreground, perfect = _summed(thing, weights) if things else (nothing, nothing)
    if mask.max(initial=0) >= VOID:
        left = np.equal(mask, VOID, order="C")
        voids = int(np.count_nonzero(left))
        void = _summed(left, weights)[0]
        unclear = left & ~padding(left)
        uncertain = _summed(unclear, weights)[0] if unclear.any() else nothing
    valid = mask.size - voids
    background = weights.all_pixels - foreground - void
    background[background < NOTHING * weights.all_pixels] = 0
    if things == valid:
        background = nothing
    return OnGrid(foreground, background, void, uncertain, perfect, things / valid if valid else float("nan"))


def _summed(pixels: NDArray[np.bool_], weights: _Weights) -> tuple[Array, Array]:
    """(U'(pixels), mean over cells) of pixels (H, W)."""
    height, width = weights.all_pixels.shape
    left, top, across, down = cv2.boundingRect(pixels.view(np.uint8))
    there = np.s_[top : top + down, left : left + across]  # an object rarely fills more than a third of its picture
    rows = weights.rows[:, there[0]] @ pixels[there].astype(np.float64)
    columns = weights.columns[there[1]]
    return rows[:height] @ columns[:, :width], rows[height:] @ columns[:, width:]


def dilated(masks: NDArray[np.uint8], grid: tuple[int, ...]) -> NDArray[np.uint8]:
    """Dilate the foreground of masks (N, H, W) by half a cell of the grid (h, w); void stays void.

    Foreground is dilated by a rectangle, since a cell is one.
    """
    size = [2 * round(pixels / cells / 2) + 1 for pixels, cells in zip(masks.shape[1:], grid, strict=True)]
    cell = np.ones(size, np.uint8)
    changed = np.empty(masks.shape, np.uint8)
    for mask, made in zip(masks, changed, strict=True):
        made[...] = cv2.dilate(_thing(mask), cell)
        _keep_void(made, mask)
    return changed


def boxed(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace the foreground of masks (N, H, W) by its bounding box; void stays void."""
    changed = np.zeros(masks.shape, np.uint8)
    for mask, made in zip(masks, changed, strict=True):
        left, top, width, height = cv2.boundingRect(_thing(mask))
        made[top : top + height, left : left + width] = FOREGROUND
        _keep_void(made, mask)
    return changed


def _thing(mask: Mask) -> Mask:
    """(H, W) 1 on the foreground, in the order of memory that OpenCV takes."""
    return np.equal(mask, FOREGROUND, order="C").view(np.uint8)


def _keep_void(made: Mask, mask: Mask) -> None:
    if mask.max(initial=0) >= VOID:
        made[mask == VOID] = VOID


def padding(void: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W): true in rows and columns at the edges that are void throughout, as padding leaves them."""
    inside = np.zeros_like(void)
    rows, columns = (np.flatnonzero((~void).any(axis=axis)) for axis in (1, 0))
    if len(rows):
        inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return np.asarray(~inside)
