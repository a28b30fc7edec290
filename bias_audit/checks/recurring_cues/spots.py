"""Spots: a few separate peaks of each heatmap, and the activations of the explained layer pooled there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

MOST_SPOTS = 3
"""Largest number of spots per image: for instance a ruler, the object and one more; further peaks are weak."""

LEAST_PEAK = 0.3
"""Smallest peak that makes a spot, as a share of the image's strongest peak."""

REACH = 0.1
"""Reach of a spot to each side of its peak, as a share of the map's longer side; at least one cell."""


@dataclass(frozen=True)
class Spots:
    """S spots of N heatmaps: the peaks, and the square windows of cells around them.

    Attributes:
        image: (S,) index of the map, ascending; the strongest spot of an image comes first.
        row, column: (S,) cell of the peak.
        share: (S,) positive evidence of the spot as a share of that of the whole map, 0..1.
        grid: (h, w) size of the maps in cells.
    """

    image: NDArray[np.intp]
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    share: NDArray[np.float64]
    grid: tuple[int, int]

    @property
    def reach(self) -> int:
        """Number of cells to each side of the peak that belong to a spot."""
        return spot_reach(self.grid)

    def window(self, spot: int) -> tuple[slice, slice]:
        """Slices of the rows and columns of a spot's cells.

        Args:
            spot: index of the spot, below S.
        """
        return _window(int(self.row[spot]), int(self.column[spot]), self.reach)


def spot_reach(grid: tuple[int, int]) -> int:
    """Number of cells to each side of a peak that belong to its spot: one on a grid of 7 x 7, three on 28 x 28."""
    return max(1, round(REACH * max(grid)))


def find_spots(maps: Array, allowed: Array) -> Spots:
    """Find at most MOST_SPOTS peaks per heatmap, strongest first, none within the reach of another.

    Args:
        maps: (N, h, w) signed heatmaps; only positive evidence makes a spot. Maps that are not finite have none.
        allowed: (N, h, w) 0..1, weight of each cell, see `collect.Seen`.
    """
    reach = spot_reach((maps.shape[1], maps.shape[2]))
    found: list[tuple[int, int, int, float]] = []
    for i, heat in enumerate(maps):
        positive = np.maximum(heat, 0).astype(np.float64)
        total = float(positive.sum())
        if not np.isfinite(total) or total <= 0:
            continue
        left = positive * allowed[i]
        strongest = float(left.max())
        for _ in range(MOST_SPOTS):
            row, column = np.unravel_index(int(left.argmax()), left.shape)
            peak = float(left[row, column])
            if peak <= 0 or peak < LEAST_PEAK * strongest:
                break
            window = _window(int(row), int(column), reach)
            found.append((i, int(row), int(column), float(left[window].sum()) / total))
            left[window] = 0
    table = np.array(found, np.float64).reshape(-1, 4)
    image, rows, columns = table[:, :3].astype(np.intp).T
    return Spots(image, rows, columns, table[:, 3], (maps.shape[1], maps.shape[2]))


def pool(spots: Spots, maps: Array, allowed: Array, values: Array) -> Array:
    """Mean activations over each spot, weighted by the positive evidence there (docs/science.md#recurring-cues).

    Args:
        spots: S spots of these maps.
        maps, allowed: as given to `find_spots`.
        values: (N, h, w, C) activations of the explained layer.

    Returns:
        (S, C).
    """
    pooled = np.zeros((len(spots.image), values.shape[3]), np.float32)
    for spot, image in enumerate(spots.image):
        window = spots.window(spot)
        weight = np.maximum(maps[image][window], 0) * allowed[image][window]
        pooled[spot] = np.einsum("ij,ijc->c", weight, values[image][window]) / weight.sum()
    return pooled


def _window(row: int, column: int, reach: int) -> tuple[slice, slice]:
    return slice(max(0, row - reach), row + reach + 1), slice(max(0, column - reach), column + reach + 1)
