"""Heatmap + mask -> attention scores, for a whole batch at once.

A heatmap of h x w cells is judged as its half-pixel bilinear upsampling U to the H x W pixels of the mask, without
ever making it: sum_pixels U(L) * m = sum_cells L * U'(m), where U' is the adjoint of U. So each mask is brought to
the map's grid once, and every share is a product of small arrays. A new metric is one function and one line in
METRICS.

Heatmaps come signed and raw. Scores use L+ = max(L, 0); nothing is min-max scaled, because subtracting a floor
changes shares (SCIENCE A3.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.geometry import area_weights, bilinear_weights
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID

Array = NDArray[np.float64]

OK = "ok"
NOT_FINITE = "map is not finite"
EMPTY_MAP = "no positive evidence in the map"
NO_FOREGROUND = "object outside the picture's crop"
NO_BACKGROUND = "no background in the picture"
TOO_SMALL = "object too small for this grid"
FILLS_FRAME = "object fills the frame"

MIN_RANGE = 0.15
"""Least distance between the share of a uniform and of a perfect map that still makes a scale (SCIENCE B2)."""


@dataclass(frozen=True)
class Localization:
    """N heatmaps and N masks on the same grid; see `localize`.

    Attributes:
        positive, negative: (N, h, w), max(L, 0) and max(-L, 0).
        foreground, background, void: (N, h, w), pixels of each kind in the reach of a cell: U'(mask).
        perfect: (N, h, w), the mask averaged over cells: the best map that the grid can hold.
        area: (N,) share of the valid pixels that are foreground.
        masks: (N, H, W) uint8.
    """

    positive: Array
    negative: Array
    foreground: Array
    background: Array
    void: Array
    perfect: Array
    area: Array
    masks: NDArray[np.uint8]


def localize(maps: NDArray[np.floating], masks: NDArray[np.uint8]) -> Localization:
    """Bring masks to the grid of the heatmaps.

    Args:
        maps: (N, h, w) signed.
        masks: (N, H, W) of BACKGROUND, FOREGROUND, VOID.
    """
    height, width = maps.shape[1:]
    rows, columns = bilinear_weights(height, masks.shape[1]), bilinear_weights(width, masks.shape[2])
    foreground_pixels = (masks == FOREGROUND).astype(np.float32)
    # Each kind by itself: as the rest of the others, background would keep rounding errors where there is none.
    foreground, background, void = (
        _to_grid((masks == kind).astype(np.float32), rows.T, columns.T) for kind in (FOREGROUND, BACKGROUND, VOID)
    )
    perfect = _to_grid(foreground_pixels, area_weights(masks.shape[1], height), area_weights(masks.shape[2], width))
    valid = (masks != VOID).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        area = foreground_pixels.sum(axis=(1, 2)) / valid
    signed = np.where(np.isfinite(maps), maps, np.nan).astype(np.float64)
    return Localization(
        positive=np.maximum(signed, 0),
        negative=np.maximum(-signed, 0),
        foreground=foreground,
        background=background,
        void=void,
        perfect=perfect,
        area=area.astype(np.float64),
        masks=masks,
    )


def background_share(at: Localization) -> Array:
    """S: positive attention on the background, 0..1; 1 - relevance mass accuracy (Arras et al. 2022; Wang et al. 2020).

    Void pixels count on neither side. NaN where the map has no positive evidence on valid pixels.
    """
    return _share(at.positive, at)


def background_share_perfect(at: Localization) -> Array:
    """S_ref: background share of the perfect map of this mask at this grid, 0..1 (SCIENCE B1)."""
    return _share(at.perfect, at)


def background_excess(at: Localization) -> Array:
    """X = (S - S_ref) / ((1 - a) - S_ref): 0 perfect at this resolution, 1 uniform, above 1 avoids the object.

    NaN where the scale is shorter than MIN_RANGE (SCIENCE B2); `attention_status` says why.
    """
    reference = background_share_perfect(at)
    scale = (1 - at.area) - reference
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale >= MIN_RANGE, (background_share(at) - reference) / scale, np.nan)


def background_lift(at: Localization) -> Array:
    """S / (1 - a): 1 = uniform map (Kohlbrenner et al. 2020, area-normalised)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(at.area < 1, background_share(at) / (1 - at.area), np.nan)


def relevance_mass_accuracy(at: Localization) -> Array:
    """Positive attention on the object, 0..1 (Arras et al. 2022); equals the energy-based pointing game."""
    return 1 - background_share(at)


def pointing_game(at: Localization) -> Array:
    """1 if the strongest cell lies within one cell of the object, else 0; NaN on ties (Zhang et al. 2018).

    The reach of a cell under bilinear upsampling is exactly one cell to each side. Cells that reach void only do not
    compete.
    """
    valid = at.foreground + at.background > 0
    flat = np.where(valid, at.positive, 0).reshape(len(at.positive), -1)
    hit = np.take_along_axis(at.foreground.reshape(flat.shape), flat.argmax(axis=1)[:, None], axis=1)[:, 0] > 0
    unique = (flat == flat.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return np.where(unique, hit.astype(np.float64), np.nan)


def relevance_rank_accuracy(at: Localization) -> Array:
    """Share of the K strongest pixels that are foreground, K = foreground pixels, 0..1 (Arras et al. 2022).

    Pixels that tie at the K-th place (but for float32 rounding) count in proportion. NaN without foreground or
    without positive evidence.
    """
    height, width = at.positive.shape[1:]
    rows = bilinear_weights(height, at.masks.shape[1])
    columns = bilinear_weights(width, at.masks.shape[2])
    upsampled = _to_grid(at.positive.astype(np.float32), rows, columns)
    scores = np.full(len(upsampled), np.nan)
    for i, (heat, mask) in enumerate(zip(upsampled, at.masks, strict=True)):
        valid = mask != VOID
        values, inside = heat[valid], mask[valid] == FOREGROUND
        k = int(inside.sum())
        if k == 0 or not np.isfinite(values).all() or values.max(initial=0) <= 0:
            continue
        place = float(np.partition(values, len(values) - k)[len(values) - k])
        rounding = 1e-6 * values.max()
        above, tied = values > place + rounding, np.abs(values - place) <= rounding
        scores[i] = (inside[above].sum() + (k - above.sum()) * inside[tied].mean()) / k
    return scores


def negative_share(at: Localization) -> Array:
    """Evidence against the class as a share of all evidence, over the whole picture, 0..1 (SCIENCE A2)."""
    reach = at.foreground + at.background + at.void
    against, support = (at.negative * reach).sum(axis=(1, 2)), (at.positive * reach).sum(axis=(1, 2))
    return _ratio(against, against + support)


def padding_share(at: Localization) -> Array:
    """Positive attention on void pixels (padding, ignore value), 0..1: looking at padding is a bug of its own."""
    reach = at.foreground + at.background + at.void
    return _ratio((at.positive * at.void).sum(axis=(1, 2)), (at.positive * reach).sum(axis=(1, 2)))


def attention_status(at: Localization) -> list[str]:
    """Per image "ok", or why `background_excess` is missing."""
    finite = np.asarray(np.isfinite(at.positive + at.negative).all(axis=(1, 2)))
    empty = np.isnan(background_share(at))
    excess = background_excess(at)
    reasons = []
    for i, area in enumerate(at.area):
        if not finite[i]:
            reasons.append(NOT_FINITE)
        elif not area > 0:
            reasons.append(NO_FOREGROUND)
        elif area == 1:
            reasons.append(NO_BACKGROUND)
        elif empty[i]:
            reasons.append(EMPTY_MAP)
        elif np.isnan(excess[i]):
            reasons.append(TOO_SMALL if area < 0.5 else FILLS_FRAME)
        else:
            reasons.append(OK)
    return reasons


Metric = Callable[[Localization], Array]

MASKLESS: dict[str, Metric] = {"negative_share": negative_share, "padding_share": padding_share}
"""Metrics that need no foreground."""

METRICS: dict[str, Metric] = {
    "background_share": background_share,
    "background_share_perfect": background_share_perfect,
    "background_excess": background_excess,
    "background_lift": background_lift,
    "relevance_mass_accuracy": relevance_mass_accuracy,
    "relevance_rank_accuracy": relevance_rank_accuracy,
    "pointing_game": pointing_game,
    **MASKLESS,
}


def _share(weights: Array, at: Localization) -> Array:
    background = (weights * at.background).sum(axis=(1, 2))
    return _ratio(background, background + (weights * at.foreground).sum(axis=(1, 2)))


def _ratio(part: Array, whole: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _to_grid(pixels: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]) -> Array:
    """rows (a, H) @ pixels (N, H, W) @ columns' (W, b) -> (N, a, b)."""
    return (rows @ pixels @ columns.T).astype(np.float64)
