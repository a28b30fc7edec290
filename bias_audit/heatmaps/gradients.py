"""Heatmaps from gradients with respect to the pixels: Integrated Gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.geometry import area_weights
from bias_audit.heatmaps.perturbation import pixel_grid

if TYPE_CHECKING:
    from bias_audit.heatmaps.methods import Explainer

Array = NDArray[np.float32]

STEPS = 50
"""Number m of steps of the path; the error of the trapezoid rule falls with m squared where the model is smooth."""


def integrated_gradients(explainer: Explainer, pixels: Array, targets: NDArray[np.intp]) -> Array:
    """Integrated Gradients: (x - x') * mean of dT/dx between x' and x (Sundararajan et al. 2017).

    T is the log-odds of the target, x' a black picture. The path is straight in the model's own input, after
    preprocessing, which for all built-in preprocessings is the straight path of the pixels. The mean is taken by the
    trapezoid rule with m = 50 steps, so 51 gradients. Contributions are summed over channels and over the pixels of a
    cell: up to the error of that rule the map's sum is T(x) - T(x'), whatever the grid.

    Args:
        explainer: model and preprocessing.
        pixels: (n, H, W, C) in [0, 255].
        targets: (n,) class indices.

    Returns:
        (n, h, w), signed, in log-odds.
    """
    images, base = explainer.preprocess(pixels), explainer.preprocess(np.zeros_like(pixels))
    way = images - base
    total = np.zeros(images.shape, np.float64)
    weights = np.full(STEPS + 1, 1 / STEPS)
    weights[[0, -1]] /= 2
    size = explainer.model.batch_size
    for start in range(0, len(images) * (STEPS + 1), size):
        places = np.arange(start, min(start + size, len(images) * (STEPS + 1)))
        image, step = np.divmod(places, STEPS + 1)
        along = (step / STEPS).astype(np.float32)[:, None, None, None]
        gradients = explainer.model.input_gradients(base[image] + along * way[image], targets[image])
        np.add.at(total, image, weights[step][:, None, None, None] * gradients)
    return _summed_into_cells((way * total).sum(axis=3), pixel_grid(explainer.model))


def _summed_into_cells(maps: NDArray[np.float64], grid: tuple[int, int]) -> Array:
    """(n, H, W) -> (n, h, w): sums over the pixels of a cell; a pixel on an edge is split between its cells."""
    rows, columns = (
        area_weights(side, cells) * (side / cells) for side, cells in zip(maps.shape[1:], grid, strict=True)
    )
    return np.asarray(rows @ maps @ columns.T, np.float32)
