"""Scores heatmaps against masks, for a whole batch at once: how much of the attention lies on the object.

A heatmap L of h x w cells is scored as its half-pixel bilinear upsampling U(L) to the H x W pixels of the mask m, but
the upsampled map is not made: each mask is brought to the map's grid once (`masks_on_grid`), and every share is a
product of small arrays. A new metric is one function and one line in METRICS.

Heatmaps come signed and raw. Scores use L+ = max(L, 0); nothing is min-max scaled, because subtracting a floor
changes shares (docs/science.md#numerical-traps).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.geometry import bilinear_weights
from bias_audit.data.masks import FOREGROUND, VOID
from bias_audit.heatmaps.masks_on_grid import boxed, dilated, on_grid
from bias_audit.run.statuses import (
    EMPTY_MAP,
    FILLS_FRAME,
    NO_BACKGROUND,
    NO_FOREGROUND,
    NOT_FINITE,
    OK,
    TOO_SMALL_FOR_GRID,
)

Array = NDArray[np.float64]

MIN_RANGE = 0.15
"""Least distance between the background shares of a uniform and of a perfect map for which an excess is computed.

See docs/science.md#background-excess.
"""


REACH = ("foreground", "background", "perfect")
"""Names of the arrays of `reach`."""


@dataclass(frozen=True)
class Localization:
    """N heatmaps and N masks on the same grid; see `localize`.

    Attributes:
        positive, negative: (N, h, w), max(L, 0) and max(-L, 0).
        foreground, background, void: (N, h, w), U'(pixels of that kind): pixels in the reach of each cell.
        uncertain: (N, h, w), U'(void pixels inside the picture: ignore value, rim of a trimap), without padding.
        perfect: (N, h, w), the mask averaged over cells: the best map that the grid can hold.
        area: (N,) share of foreground among the pixels that are not void; NaN where all are void.
        masks: (N, H, W) uint8.
    """

    positive: Array
    negative: Array
    foreground: Array
    background: Array
    void: Array
    uncertain: Array
    perfect: Array
    area: Array
    masks: NDArray[np.uint8]

    @functools.cached_property
    def upsampled(self) -> NDArray[np.float32]:
        """(N, H, W) positive evidence, upsampled to the pixels of the mask; needed by two metrics only."""
        height, width = self.positive.shape[1:]
        rows, columns = bilinear_weights(height, self.masks.shape[1]), bilinear_weights(width, self.masks.shape[2])
        return _resampled(self.positive.astype(np.float32), rows, columns)


def localize(maps: NDArray[np.floating], masks: NDArray[np.uint8]) -> Localization:
    """Bring masks to the grid of the heatmaps, which all metrics need.

    Args:
        maps: (N, h, w) signed heatmaps.
        masks: (N, H, W) of BACKGROUND, FOREGROUND, VOID.
    """
    grid = maps.shape[1], maps.shape[2]
    found = [on_grid(mask, grid) for mask in masks]

    def stacked(name: str) -> Array:
        return np.array([getattr(each, name) for each in found], np.float64).reshape(-1, *grid)

    return Localization(
        *_signs(maps),
        foreground=stacked("foreground"),
        background=stacked("background"),
        void=stacked("void"),
        uncertain=stacked("uncertain"),
        perfect=stacked("perfect"),
        area=np.array([each.area for each in found], np.float64),
        masks=masks,
    )


def foreground_area(masks: NDArray[np.uint8]) -> Array:
    """(N,) share of foreground among the pixels of masks (N, H, W) that are not void; NaN where all are void."""
    things = np.array([np.count_nonzero(mask == FOREGROUND) for mask in masks])
    valid = np.array([np.count_nonzero(mask != VOID) for mask in masks])
    with np.errstate(invalid="ignore"):
        return np.asarray(things / valid, np.float64)


def with_maps(at: Localization, maps: NDArray[np.floating]) -> Localization:
    """Replace the heatmaps of a `Localization` by others (N, h, w); the masks are not brought to the grid again."""
    positive, negative = _signs(maps)
    return dataclasses.replace(at, positive=positive, negative=negative)


def reach(at: Localization) -> dict[str, NDArray[np.float16]]:
    """Masks on the grid of the heatmaps, as shards store them, each (n, h, w) in 0..1.

    Returns:
        "foreground", "background": `Localization.foreground` and `.background` over the pixels per cell.
        "perfect": the mask averaged over cells.
    """
    pixels_per_cell = at.masks[0].size / at.perfect[0].size
    kept = {"foreground": at.foreground / pixels_per_cell, "background": at.background / pixels_per_cell}
    return {name: part.astype(np.float16) for name, part in {**kept, "perfect": at.perfect}.items()}


def background_share(at: Localization) -> Array:
    """(N,) background share S: positive attention on the background over that on object and background, 0..1.

    It is 1 - relevance mass accuracy (Arras et al. 2022; Wang et al. 2020). Void pixels count on neither side. NaN
    where the map has no positive evidence on object or background.
    """
    return _share(at.positive, at)


def background_share_low(at: Localization) -> Array:
    """(N,) background share if every void pixel of the picture were foreground, 0..1.

    With `background_share_high` it is the range in which S lies, whatever the void pixels show. Padding is left out.
    NaN where S is NaN. See docs/science.md#void-pixels.
    """
    return _void_as(at, background=0)


def background_share_high(at: Localization) -> Array:
    """(N,) background share if every void pixel of the picture were background, 0..1; see `background_share_low`."""
    return _void_as(at, background=1)


def background_share_perfect(at: Localization) -> Array:
    """(N,) background share S_ref of the perfect map of each mask, 0..1 (docs/science.md#resolution-floor)."""
    return _share(at.perfect, at)


def background_excess(at: Localization) -> Array:
    """(N,) background excess X = (S - S_ref) / ((1 - a) - S_ref), with a the area of the object.

    0 = as good as the resolution allows, 1 = a uniform map, above 1 = the attention avoids the object. NaN where the
    denominator is below MIN_RANGE (docs/science.md#background-excess); `attention_status` says why.
    """
    reference = background_share_perfect(at)
    scale = (1 - at.area) - reference
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale >= MIN_RANGE, (background_share(at) - reference) / scale, np.nan)


def background_excess_dilated(at: Localization) -> Array:
    """(N,) background excess with each mask dilated by half a cell of the grid: the effect of a sloppy outline.

    See docs/science.md#boxes-and-outlines.
    """
    return background_excess(_with_masks(at, dilated(at.masks, at.positive.shape[1:])))


def background_excess_box(at: Localization) -> Array:
    """(N,) background excess with each mask replaced by its bounding box.

    See docs/science.md#boxes-and-outlines.
    """
    return background_excess(_with_masks(at, boxed(at.masks)))


def background_lift(at: Localization) -> Array:
    """(N,) background share over background area, S / (1 - a), at least 0; 1 = a uniform map.

    Area normalisation after Kohlbrenner et al. 2020. NaN without background, or where S is NaN.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(at.area < 1, background_share(at) / (1 - at.area), np.nan)


def relevance_mass_accuracy(at: Localization) -> Array:
    """(N,) share of positive attention on the object, 0..1 (Arras et al. 2022): 1 - background share.

    It equals the energy-based pointing game (Wang et al. 2020).
    """
    return 1 - background_share(at)


def pointing_game(at: Localization) -> Array:
    """(N,) 1 if the hottest cell lies within one cell of the object, else 0; NaN on ties (Zhang et al. 2018).

    One cell to each side is the reach of a cell under bilinear upsampling. Cells that reach only void pixels are left
    out.
    """
    valid = at.foreground + at.background > 0
    flat = np.where(valid, at.positive, 0).reshape(len(at.positive), -1)
    hit = np.take_along_axis(at.foreground.reshape(flat.shape), flat.argmax(axis=1)[:, None], axis=1)[:, 0] > 0
    unique = (flat == flat.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return np.where(unique, hit.astype(np.float64), np.nan)


def relevance_rank_accuracy(at: Localization) -> Array:
    """(N,) share of the K hottest pixels that are foreground, 0..1, with K the number of foreground pixels.

    See Arras et al. 2022. Pixels that tie at the K-th place, up to float32 rounding, count in proportion. NaN without
    foreground or without positive evidence.
    """
    scores = np.full(len(at.masks), np.nan)
    for i, (heat, mask) in enumerate(zip(at.upsampled, at.masks, strict=True)):
        valid, inside = mask != VOID, mask == FOREGROUND
        k = np.count_nonzero(inside)
        if k == 0 or not np.isfinite(at.positive[i]).all():
            continue
        values, inside = (heat.ravel(), inside.ravel()) if valid.all() else (heat[valid], inside[valid])
        hottest = values.max(initial=0)
        if hottest <= 0:
            continue
        place = float(np.partition(values, len(values) - k)[len(values) - k])
        rounding = 1e-6 * hottest
        above, from_place = values > place + rounding, values >= place - rounding
        inside_above, count_above = np.count_nonzero(inside & above), np.count_nonzero(above)
        tied = np.count_nonzero(from_place) - count_above
        inside_tied = np.count_nonzero(inside & from_place) - inside_above
        scores[i] = (inside_above + (k - count_above) * inside_tied / tied) / k
    return scores


def iou_half_maximum(at: Localization) -> Array:
    """(N,) intersection over union of the mask and the map binarised at half its maximum, 0..1.

    A baseline, only for comparison with published numbers (HardImageNet, ShortKit-ML): it depends on one threshold and
    on the size of the object. Void pixels count on neither side. NaN without foreground or without positive evidence.
    """
    scores = np.full(len(at.masks), np.nan)
    for i, (heat, mask) in enumerate(zip(at.upsampled, at.masks, strict=True)):
        valid, inside = mask != VOID, mask == FOREGROUND
        if not (things := np.count_nonzero(inside)):
            continue
        peak = (heat if (whole := valid.all()) else heat[valid]).max(initial=0)
        if not peak > 0:
            continue
        hot = heat >= (0.5 - 1e-6) * peak
        hot = hot if whole else hot & valid
        both = np.count_nonzero(hot & inside)
        scores[i] = both / (np.count_nonzero(hot) + things - both)
    return scores


def negative_share(at: Localization) -> Array:
    """(N,) evidence against the class as a share of all evidence, over the whole picture, 0..1.

    NaN for a map of zeros. See docs/science.md#negative-evidence.
    """
    reach = at.foreground + at.background + at.void
    against, support = (at.negative * reach).sum(axis=(1, 2)), (at.positive * reach).sum(axis=(1, 2))
    return _ratio(against, against + support)


def padding_share(at: Localization) -> Array:
    """(N,) share of positive attention on void pixels (padding, ignore value), 0..1; NaN without positive evidence."""
    reach = at.foreground + at.background + at.void
    return _ratio((at.positive * at.void).sum(axis=(1, 2)), (at.positive * reach).sum(axis=(1, 2)))


def attention_status(at: Localization) -> list[str]:
    """For each of the N images OK, or the reason why `background_excess` is NaN."""
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
            reasons.append(TOO_SMALL_FOR_GRID if area < 0.5 else FILLS_FRAME)
        else:
            reasons.append(OK)
    return reasons


Metric = Callable[[Localization], Array]
"""N heatmaps and masks -> (N,) scores."""

MASKLESS: dict[str, Metric] = {"negative_share": negative_share, "padding_share": padding_share}
"""Metrics that need no object in the mask."""

LABEL_METRICS: dict[str, Metric] = {
    "background_excess_label": background_excess,
    "background_excess_dilated": background_excess_dilated,
    "background_excess_box": background_excess_box,
}
"""Metrics of the heatmaps of the labelled class, by the name of the column."""

METRICS: dict[str, Metric] = {
    "background_share": background_share,
    "background_share_low": background_share_low,
    "background_share_high": background_share_high,
    "background_share_perfect": background_share_perfect,
    "background_excess": background_excess,
    "background_lift": background_lift,
    "relevance_mass_accuracy": relevance_mass_accuracy,
    "relevance_rank_accuracy": relevance_rank_accuracy,
    "pointing_game": pointing_game,
    "iou_half_maximum": iou_half_maximum,
    **MASKLESS,
}
"""Metrics of the heatmaps of the predicted class, by the name of the column."""


def _signs(maps: NDArray[np.floating]) -> tuple[Array, Array]:
    """max(L, 0) and max(-L, 0) of heatmaps (N, h, w); values that are not finite become NaN."""
    signed = np.where(np.isfinite(maps), maps, np.nan).astype(np.float64)
    return np.maximum(signed, 0), np.maximum(-signed, 0)


def _with_masks(at: Localization, masks: NDArray[np.uint8]) -> Localization:
    return dataclasses.replace(localize(at.positive, masks), negative=at.negative)


def _void_as(at: Localization, background: int) -> Array:
    off, on, unclear = (
        (at.positive * reach).sum(axis=(1, 2)) for reach in (at.background, at.foreground, at.uncertain)
    )
    return np.where(off + on > 0, _ratio(off + background * unclear, off + on + unclear), np.nan)


def _share(weights: Array, at: Localization) -> Array:
    background = (weights * at.background).sum(axis=(1, 2))
    return _ratio(background, background + (weights * at.foreground).sum(axis=(1, 2)))


def _ratio(part: Array, whole: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _resampled(
    pixels: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Resample pixels (N, H, W) to (N, a, b) by the weights rows (a, H) and columns (b, W)."""
    with np.errstate(invalid="ignore"):  # a BLAS kernel may raise the flag on padding lanes, whose results it discards
        return np.asarray(rows @ pixels @ columns.T, np.float32)
