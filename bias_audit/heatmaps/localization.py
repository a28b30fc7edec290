"""Heatmap + mask -> attention scores, for a whole batch at once.

A heatmap of h x w cells is judged as its half-pixel bilinear upsampling U to the H x W pixels of the mask, without
ever making it: sum_pixels U(L) * m = sum_cells L * U'(m), where U' is the adjoint of U. So each mask is brought to
the map's grid once, and every share is a product of small arrays. A new metric is one function and one line in
METRICS.

Heatmaps come signed and raw. Scores use L+ = max(L, 0); nothing is min-max scaled, because subtracting a floor
changes shares (docs/science.md#numerical-traps).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
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
"""Least distance between the share of a uniform and of a perfect map that still makes a scale.

See docs/science.md#background-excess.
"""


@dataclass(frozen=True)
class Localization:
    """N heatmaps and N masks on the same grid; see `localize`.

    Attributes:
        positive, negative: (N, h, w), max(L, 0) and max(-L, 0).
        foreground, background, void: (N, h, w), pixels of each kind in the reach of a cell: U'(mask).
        uncertain: (N, h, w), the void pixels within the picture (ignore value, rim of a trimap), without padding.
        perfect: (N, h, w), the mask averaged over cells: the best map that the grid can hold.
        area: (N,) share of the valid pixels that are foreground.
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
        """(N, H, W) positive evidence as it lies on the pixels of the mask; two metrics look at it."""
        height, width = self.positive.shape[1:]
        rows, columns = bilinear_weights(height, self.masks.shape[1]), bilinear_weights(width, self.masks.shape[2])
        return _resampled(self.positive.astype(np.float32), rows, columns)


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
    void_pixels = masks == VOID
    unclear_pixels = void_pixels & ~_padding(void_pixels) if void_pixels.any() else void_pixels
    foreground, background, void, uncertain = (
        _to_grid(pixels.astype(np.float32, copy=False), rows.T, columns.T) if pixels.any() else np.zeros(maps.shape)
        for pixels in (foreground_pixels, masks == BACKGROUND, void_pixels, unclear_pixels)
    )
    perfect = _to_grid(foreground_pixels, area_weights(masks.shape[1], height), area_weights(masks.shape[2], width))
    valid = (~void_pixels).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        area = foreground_pixels.sum(axis=(1, 2)) / valid
    return Localization(
        *_signs(maps),
        foreground=foreground,
        background=background,
        void=void,
        uncertain=uncertain,
        perfect=perfect,
        area=area.astype(np.float64),
        masks=masks,
    )


def with_maps(at: Localization, maps: NDArray[np.floating]) -> Localization:
    """The same masks under other maps (N, h, w): nothing is brought to the grid twice."""
    positive, negative = _signs(maps)
    return dataclasses.replace(at, positive=positive, negative=negative)


def background_share(at: Localization) -> Array:
    """S: positive attention on the background, 0..1; 1 - relevance mass accuracy (Arras et al. 2022; Wang et al. 2020).

    Void pixels count on neither side. NaN where the map has no positive evidence on valid pixels.
    """
    return _share(at.positive, at)


def background_share_low(at: Localization) -> Array:
    """S if every void pixel of the picture were foreground, 0..1; with `background_share_high` the range in which S
    lies whatever the void hides. Padding is not in doubt and stays out. NaN where S is.

    See docs/science.md#void-pixels.
    """
    return _void_as(at, background=0)


def background_share_high(at: Localization) -> Array:
    """S if every void pixel of the picture were background, 0..1."""
    return _void_as(at, background=1)


def background_share_perfect(at: Localization) -> Array:
    """S_ref: background share of the perfect map of this mask at this grid, 0..1 (docs/science.md#resolution-floor)."""
    return _share(at.perfect, at)


def background_excess(at: Localization) -> Array:
    """X = (S - S_ref) / ((1 - a) - S_ref): 0 perfect at this resolution, 1 uniform, above 1 avoids the object.

    NaN where the scale is shorter than MIN_RANGE (docs/science.md#background-excess); `attention_status` says why.
    """
    reference = background_share_perfect(at)
    scale = (1 - at.area) - reference
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(scale >= MIN_RANGE, (background_share(at) - reference) / scale, np.nan)


def background_excess_dilated(at: Localization) -> Array:
    """X with each mask dilated by half a cell of the grid: what a sloppy outline would change.

    See docs/science.md#boxes-and-outlines.
    """
    return background_excess(_with_masks(at, dilated(at.masks, at.positive.shape[1:])))


def background_excess_box(at: Localization) -> Array:
    """X with each mask replaced by its bounding box: what a box instead of a mask would say.

    See docs/science.md#boxes-and-outlines.
    """
    return background_excess(_with_masks(at, boxed(at.masks)))


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
    upsampled = at.upsampled
    scores = np.full(len(upsampled), np.nan)
    for i, (heat, mask) in enumerate(zip(upsampled, at.masks, strict=True)):
        valid = mask != VOID
        values, kinds = (heat.ravel(), mask.ravel()) if valid.all() else (heat[valid], mask[valid])
        inside = kinds == FOREGROUND
        k = np.count_nonzero(inside)
        if k == 0 or not np.isfinite(values).all() or values.max(initial=0) <= 0:
            continue
        place = float(np.partition(values, len(values) - k)[len(values) - k])
        rounding = 1e-6 * values.max()
        above = values > place + rounding
        tied = (values >= place - rounding) & ~above
        share_of_tied = np.count_nonzero(inside & tied) / np.count_nonzero(tied)
        scores[i] = (np.count_nonzero(inside & above) + (k - np.count_nonzero(above)) * share_of_tied) / k
    return scores


def iou_half_maximum(at: Localization) -> Array:
    """Intersection over union of the mask and the map binarised at half its maximum, 0..1 (HardImageNet, ShortKit-ML).

    A baseline, for comparison with published numbers only: it follows one threshold and the size of the object. Void
    pixels count on neither side. NaN without foreground or without positive evidence.
    """
    valid, inside = at.masks != VOID, at.masks == FOREGROUND
    upsampled = np.where(valid, at.upsampled, 0)
    peak = upsampled.max(axis=(1, 2))
    hot = valid & (upsampled >= (0.5 - 1e-6) * peak[:, None, None])
    both, either = (hot & inside).sum(axis=(1, 2)), (hot | inside).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.where((peak > 0) & (at.area > 0), both / np.maximum(either, 1), np.nan)


def negative_share(at: Localization) -> Array:
    """Evidence against the class as a share of all evidence, over the whole picture, 0..1.

    See docs/science.md#negative-evidence.
    """
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

LABEL_METRICS: dict[str, Metric] = {
    "background_excess_label": background_excess,
    "background_excess_dilated": background_excess_dilated,
    "background_excess_box": background_excess_box,
}
"""What the maps of the labelled class are scored by."""

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
"""What the maps of the predicted class are scored by."""


def dilated(masks: NDArray[np.uint8], grid: tuple[int, ...]) -> NDArray[np.uint8]:
    """(N, H, W) masks whose foreground reaches half a cell of the grid (h, w) farther; void stays void.

    The reach is a rectangle, as a cell is.
    """
    size = [2 * round(pixels / cells / 2) + 1 for pixels, cells in zip(masks.shape[1:], grid, strict=True)]
    cell = np.ones(size, np.uint8)
    things = (masks == FOREGROUND).astype(np.uint8)
    reached = np.stack([np.asarray(cv2.dilate(thing, cell), np.uint8) for thing in things])
    return np.where(masks == VOID, VOID, reached).astype(np.uint8)


def boxed(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(N, H, W) masks whose foreground is its bounding box; void stays void."""
    thing = masks == FOREGROUND
    rows, columns = np.asarray(thing.any(axis=2)), np.asarray(thing.any(axis=1))
    box = _between(rows)[:, :, None] & _between(columns)[:, None, :]
    return np.where(masks == VOID, VOID, box).astype(np.uint8)


def _between(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, L): true from the first to the last true one."""
    after, before = np.logical_or.accumulate(flags, axis=1), np.logical_or.accumulate(flags[:, ::-1], axis=1)
    return np.asarray(after & before[:, ::-1])


def _padding(void: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N, H, W): rows and columns at the edges that are void throughout, as letterboxing leaves them."""
    rows, columns = np.asarray((~void).any(axis=2)), np.asarray((~void).any(axis=1))
    return np.asarray(~(_between(rows)[:, :, None] & _between(columns)[:, None, :]))


def _signs(maps: NDArray[np.floating]) -> tuple[Array, Array]:
    """max(L, 0) and max(-L, 0); what is not finite becomes NaN."""
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


def _to_grid(pixels: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]) -> Array:
    """`_resampled`, in double precision."""
    return _resampled(pixels, rows, columns).astype(np.float64)


def _resampled(
    pixels: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """rows (a, H) @ pixels (N, H, W) @ columns' (W, b) -> (N, a, b)."""
    with np.errstate(invalid="ignore"):  # a BLAS kernel may raise the flag on lanes of its own that it throws away
        return np.asarray(rows @ pixels @ columns.T, np.float32)
