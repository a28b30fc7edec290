"""Heatmaps from predictions of changed pictures: occlusion, RISE and Score-CAM. They need many forward passes.

Each method takes an explainer, pixels (n, H, W, C) in [0, 255] and targets (n,), and returns signed maps (n, h, w).
Pictures are changed before preprocessing. The score T is the log-odds of the target. Occlusion and RISE explain any
model; Score-CAM needs the activations of a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.geometry import area_weights, bilinear_weights

if TYPE_CHECKING:
    from bias_audit.heatmaps.methods import Explainer
    from bias_audit.models.base import Model

Array = NDArray[np.float32]
Targets = NDArray[np.intp]
Masks = Callable[[NDArray[np.intp]], Array]
"""Indices of masks (b,) -> masks (b, H, W) in [0, 1], 1 where the picture stays."""

CELLS = 14
"""Cells per side of the maps of methods that work on pixels: 16 pixels each at 224, so that shards stay small."""

RISE_MASKS = 1000
"""Number of masks of RISE. The paper takes 4000 to 8000; the error of the map falls with the root of this number."""

RISE_GRID = 7
"""Cells per side of the random grids of RISE, as in the paper."""

RISE_KEPT = 0.5
"""Probability that a cell of a mask of RISE is kept, as in the paper."""


def pixel_grid(model: Model) -> tuple[int, int]:
    """(h, w) of the maps of methods that work on pixels: CELLS per side, or fewer for a smaller input."""
    return min(CELLS, model.input_size[0]), min(CELLS, model.input_size[1])


def layer_grid(model: Model) -> tuple[int, int]:
    """(h, w) of the maps of methods that work on the explained layer: the grid of that layer."""
    return model.grid


def occlusion(explainer: Explainer, pixels: Array, targets: Targets) -> Array:
    """Occlusion: T(x) - T(x with one patch in the picture's mean colour) (Zeiler & Fergus 2014).

    Patches tile the picture without overlap, 1/14 of each side, so the map has one cell per patch.
    """
    height, width = pixel_grid(explainer.model)
    rows = _cell_of(pixels.shape[1], height)[:, None] * width
    cell = rows + _cell_of(pixels.shape[2], width)[None, :]
    mean = pixels.mean(axis=(1, 2), keepdims=True)

    def masks(numbers: NDArray[np.intp]) -> Array:
        return np.asarray(cell[None] != numbers[:, None, None], np.float32)

    scores = _scores(explainer, pixels, targets, masks, height * width, np.broadcast_to(mean, pixels.shape))
    whole = _scores(explainer, pixels, targets, lambda numbers: np.ones((len(numbers), 1, 1), np.float32), 1, pixels)
    return np.asarray((whole - scores).reshape(-1, height, width), np.float32)


def rise(explainer: Explainer, pixels: Array, targets: Targets) -> Array:
    """RISE: 1 / (N p) sum_i (T(x * M_i) - mean_i T) M_i, averaged over map cells (Petsiuk et al. 2018).

    Unlike in the paper, the mean score over the masks is subtracted. The paper scores with probabilities, where 0 means
    something; with log-odds only differences do, and a common level would hide the map behind the unevenness of the
    masks. So cells that speak against the class become negative. Hidden parts fade to black. Masks have 7 x 7 cells,
    each kept with p = .5, upsampled bilinearly and shifted at random; they are drawn from the explainer's seed and are
    the same for every picture.
    """
    height, width = pixels.shape[1:3]
    masks = rise_masks(height, width, RISE_MASKS, explainer.seed)
    scores = _scores(explainer, pixels, targets, masks, RISE_MASKS, np.zeros_like(pixels))
    scores = scores - scores.mean(axis=1, keepdims=True)
    grid = pixel_grid(explainer.model)
    rows, columns = area_weights(height, grid[0]), area_weights(width, grid[1])
    maps = np.zeros((len(pixels), *grid), np.float64)
    size = explainer.model.batch_size
    for start in range(0, RISE_MASKS, size):
        part = masks(np.arange(start, min(start + size, RISE_MASKS)))
        maps += np.einsum("nm,mij->nij", scores[:, start : start + size], rows @ part @ columns.T)
    return (maps / (RISE_MASKS * RISE_KEPT)).astype(np.float32)


def rise_masks(height: int, width: int, count: int, seed: int) -> Masks:
    """The random masks of RISE as a function of their indices: 1000 masks of 224 x 224 would fill 200 MB.

    Each mask is a binary grid, brought to the size of the picture plus one cell (half-pixel bilinear), and cut at a
    random shift of less than one cell.

    Args:
        height, width: of the picture in pixels.
        count: number of masks; indices run from 0 to count - 1.
        seed: seed of the masks.
    """
    rng = np.random.default_rng(seed)
    kept = (rng.random((count, RISE_GRID, RISE_GRID)) < RISE_KEPT).astype(np.float32)
    cell = (-(-height // RISE_GRID), -(-width // RISE_GRID))
    shift = rng.integers(0, cell, (count, 2))
    rows = bilinear_weights(RISE_GRID, (RISE_GRID + 1) * cell[0])
    columns = bilinear_weights(RISE_GRID, (RISE_GRID + 1) * cell[1])

    def masks(numbers: NDArray[np.intp]) -> Array:
        down = rows[shift[numbers, :1] + np.arange(height)]
        across = columns[shift[numbers, 1:] + np.arange(width)]
        return np.asarray(down @ kept[numbers] @ across.swapaxes(1, 2), np.float32)

    return masks


def score_cam(explainer: Explainer, pixels: Array, targets: Targets) -> Array:
    """Score-CAM: sum_k w_k A_k, w = softmax over k of T(x * H_k) (Wang et al. 2020).

    H_k is activation map A_k brought to the picture (half-pixel bilinear) and scaled to 0..1; hidden parts fade to
    black. The paper's baseline T(black) is the same for all k and cancels in the softmax, so it is not computed. A
    channel whose H_k has no contrast has weight 0.
    """
    height, width = pixels.shape[1:3]
    size = explainer.model.batch_size
    values = np.concatenate(
        [
            explainer.model.activations(explainer.preprocess(pixels[i : i + size]), targets[i : i + size]).values
            for i in range(0, len(pixels), size)
        ]
        or [np.zeros((0, *explainer.grid, 1), np.float32)]
    )
    rows, columns = bilinear_weights(values.shape[1], height), bilinear_weights(values.shape[2], width)
    maps = np.zeros(values.shape[:3], np.float32)
    for i, channels in enumerate(np.moveaxis(values, 3, 1)):
        upsampled_range = [_extremes(rows @ part @ columns.T) for part in _chunks(channels, size)]
        low, high = (np.concatenate(parts) for parts in zip(*upsampled_range, strict=True))
        contrast = np.flatnonzero(high > low)
        if not len(contrast):
            continue

        def masks(
            numbers: NDArray[np.intp],
            channels: Array = channels,
            contrast: NDArray[np.intp] = contrast,
            low: Array = low,
            high: Array = high,
        ) -> Array:
            chosen = contrast[numbers]
            upsampled = rows @ channels[chosen] @ columns.T
            return np.asarray((upsampled - low[chosen, None, None]) / (high - low)[chosen, None, None], np.float32)

        one = slice(i, i + 1)
        scores = _scores(explainer, pixels[one], targets[one], masks, len(contrast), np.zeros_like(pixels[one]))[0]
        weights = np.exp(scores - scores.max())
        maps[i] = np.einsum("k,khw->hw", weights / weights.sum(), channels[contrast])
    return maps


def _scores(
    explainer: Explainer, pixels: Array, targets: Targets, masks: Masks, count: int, fill: Array
) -> NDArray[np.float64]:
    """(n, count) log-odds of the target of every picture under every mask.

    Args:
        explainer: predicts from pixels.
        pixels: (n, H, W, C) in [0, 255].
        targets: (n,) class indices.
        masks: indices -> masks.
        count: number of masks.
        fill: (n, H, W, C) in [0, 255], shown where a mask is 0.
    """
    size = explainer.model.batch_size
    scores = np.zeros(len(pixels) * count)
    for start in range(0, len(scores), size):
        image, number = np.divmod(np.arange(start, min(start + size, len(scores))), count)
        kept = masks(number)[..., None]
        odds = explainer.predict(pixels[image] * kept + fill[image] * (1 - kept)).log_odds
        scores[start : start + size] = odds[np.arange(len(image)), targets[image]]
    return scores.reshape(len(pixels), count)


def _cell_of(side: int, cells: int) -> NDArray[np.intp]:
    """(side,) index 0..cells-1 of the cell that each pixel of an axis lies in; cells are nearly equal."""
    edges = np.rint(np.arange(1, cells) * side / cells)
    return np.searchsorted(edges, np.arange(side), side="right")


def _chunks(channels: Array, size: int) -> list[Array]:
    return [channels[start : start + size] for start in range(0, len(channels), size)]


def _extremes(maps: NDArray[Any]) -> tuple[Array, Array]:
    return maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
