"""Three reliability tests of heatmaps on a few photos, part of every audit.

See docs/science.md#map-reliability.

- Randomisation (Adebayo et al. 2018): every weight tensor is shuffled; a map that stays the same does not depend on
  what the model learned.
- Class sensitivity: the maps of the two most probable classes; the same map for both explains neither.
- Stability: the photo is shifted by one cell; the map must move along.

Similarity is Spearman's rank correlation over cells of the positive parts of two maps, which is what the scores read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.map_reliability.kinds import CLASSES, RANDOMISATION, STABILITY
from bias_audit.errors import ModelError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.run.statuses import OK

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

IMAGES = 32
"""Number of photos for heatmap methods that need a single pass."""

IMAGES_COSTLY = 10
"""Number of photos for methods that perturb the image (hundreds of passes each): the fewest that give an interval."""

SHUFFLES = 3
"""Number of shuffled networks: a single one can by chance resemble the trained one, their mean rarely does."""

EMPTY = "no positive evidence"


@dataclass(frozen=True)
class Reliability:
    """Result of one reliability test, photo by photo.

    Attributes:
        name: RANDOMISATION, CLASSES or STABILITY.
        status: "ok", or why the test could not be made.
        similarity: (N,) Spearman correlation of the positive parts, -1..1; NaN where the photo's own map is constant.
        signed: (N,) Spearman correlation of the signed maps, -1..1.
        reference: mean similarity of the trained network's maps of different photos, -1..1: the part that a place which
            all photos share (the middle, the border) explains; NaN where not measured.
        blank: share of compared maps that were constant or not finite, 0..1; they count as similarity 0.
        groups: (N,) codes of photos that belong together; None = every photo is a group of its own.
    """

    name: str
    status: str = OK
    similarity: Floats = field(default_factory=lambda: np.zeros(0))
    signed: Floats = field(default_factory=lambda: np.zeros(0))
    reference: float = math.nan
    blank: float = 0.0
    groups: tuple[int, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The result as plain values, ready for JSON once NaN is replaced by null."""
        return {
            "name": self.name,
            "status": self.status,
            "similarity": self.similarity.tolist(),
            "signed": self.signed.tolist(),
            "reference": self.reference,
            "blank": self.blank,
            "groups": self.groups,
        }


def sample_size(explainer: Explainer) -> int:
    """Number of photos that the tests should use with this explainer's heatmap method."""
    return IMAGES if explainer.method.weighs else IMAGES_COSTLY


def passes(count: int) -> int:
    """Number of heatmaps that `check_maps` makes of `count` photos."""
    return count * (3 + SHUFFLES)


def check_maps(
    explainer: Explainer, pixels: Array, seed: int, groups: NDArray[np.intp] | None = None
) -> list[Reliability]:
    """Make the three reliability tests on some photos; the model is unchanged afterwards.

    Args:
        explainer: the model and the heatmap method under test.
        pixels: (N, H, W, C) in [0, 255].
        seed: seed of the shuffled weights.
        groups: (N,) codes of photos that belong together; None = every photo is a group of its own.

    Returns:
        the tests of randomisation, class sensitivity and stability, in this order.
    """
    if not len(pixels):
        return [Reliability(name, "no readable images") for name in (RANDOMISATION, CLASSES, STABILITY)]
    said = explainer.predict(pixels)
    pixels, log_odds = pixels[said.valid], said.log_odds[said.valid]
    if not len(pixels):
        return [Reliability(name, "no valid predictions") for name in (RANDOMISATION, CLASSES, STABILITY)]
    order = np.argsort(-log_odds, axis=1, kind="stable")
    targets, others = order[:, 0], order[:, 1]
    maps = explainer.maps(pixels, targets)
    tests = [
        _randomisation(explainer, pixels, targets, maps, seed),
        _class_sensitivity(explainer, pixels, others, maps, mirrored=_mirrored(log_odds)),
        _stability(explainer, pixels, targets, maps),
    ]
    together = None if groups is None else tuple(map(int, groups[said.valid]))
    return [replace(test, groups=together) if len(test.similarity) else test for test in tests]


def rank_correlation(first: Array, second: Array) -> Floats:
    """Spearman's rho of each pair of maps, with average ranks for ties (Spearman 1904; Kendall 1945).

    Args:
        first, second: (N, ...) maps of the same shape.

    Returns:
        (N,) in -1..1; NaN where `first` is constant or not finite, 0 where only `second` is: a map that vanished is not
        similar to anything.
    """
    if not len(first):
        return np.zeros(0)
    from scipy.stats import rankdata

    flat = [np.asarray(maps, np.float64).reshape(len(maps), -1) for maps in (first, second)]
    usable = [np.isfinite(each).all(axis=1) & (np.ptp(np.nan_to_num(each), axis=1) > 0) for each in flat]
    ranks = [rankdata(np.nan_to_num(each), axis=1) for each in flat]
    x, y = (each - each.mean(axis=1, keepdims=True) for each in ranks)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    rho = (x * y).sum(axis=1) / np.where(scale > 0, scale, 1)
    return np.where(usable[0], np.where(usable[1], np.clip(rho, -1, 1), 0.0), np.nan)


def shifted(pixels: Array, rows: int, columns: int) -> Array:
    """Photos shifted down and to the right, with the gap filled by reflection.

    Args:
        pixels: (N, H, W, C).
        rows, columns: shift in pixels, 0 or more.

    Returns:
        (N, H, W, C).
    """
    height, width = pixels.shape[1:3]
    padded = np.pad(pixels, ((0, 0), (rows, 0), (columns, 0), (0, 0)), "reflect")
    return np.ascontiguousarray(padded[:, :height, :width])


def _randomisation(
    explainer: Explainer, pixels: Array, targets: NDArray[np.intp], maps: Array, seed: int
) -> Reliability:
    similarity, signed, blank = [], [], []
    for draw in range(SHUFFLES):
        try:
            with explainer.model.randomised(seed + draw):
                shuffled = explainer.maps(pixels, targets)
        except ModelError as error:
            return Reliability(RANDOMISATION, error.message)
        similarity.append(rank_correlation(_positive(maps), _positive(shuffled)))
        signed.append(rank_correlation(maps, shuffled))
        blank.append(_blank(shuffled))
    return _tested(
        RANDOMISATION,
        np.mean(similarity, axis=0),
        np.mean(signed, axis=0),
        reference=_between_photos(maps),
        blank=float(np.mean(blank)),
    )


def _class_sensitivity(
    explainer: Explainer, pixels: Array, others: NDArray[np.intp], maps: Array, *, mirrored: bool
) -> Reliability:
    other = explainer.maps(pixels, others)
    similarity, signed = rank_correlation(_positive(maps), _positive(other)), rank_correlation(maps, other)
    if mirrored and (signed[np.isfinite(signed)] < -0.999).all():
        reason = "with two classes evidence for one is evidence against the other, so their maps are mirrored"
        return Reliability(CLASSES, reason)
    return _tested(CLASSES, similarity, signed, blank=_blank(other))


def _stability(explainer: Explainer, pixels: Array, targets: NDArray[np.intp], maps: Array) -> Reliability:
    height, width = (round(side / cells) for side, cells in zip(pixels.shape[1:3], maps.shape[1:], strict=True))
    similarity, signed, blank = [], [], []
    for down, right in ((1, 0), (0, 1)):
        if maps.shape[1] <= 2 * down or maps.shape[2] <= 2 * right:
            continue
        moved = explainer.maps(shifted(pixels, down * height, right * width), targets)
        before = maps[:, : maps.shape[1] - down, : maps.shape[2] - right]
        after = moved[:, down:, right:]
        similarity.append(rank_correlation(_positive(before), _positive(after)))
        signed.append(rank_correlation(before, after))
        blank.append(_blank(after))
    if not similarity:
        return Reliability(
            STABILITY, f"a grid of {maps.shape[1]}x{maps.shape[2]} leaves nothing to compare after a shift"
        )
    return _tested(STABILITY, np.mean(similarity, axis=0), np.mean(signed, axis=0), blank=float(np.mean(blank)))


def _tested(name: str, similarity: Floats, signed: Floats, *, reference: float = math.nan, blank: float) -> Reliability:
    if not np.isfinite(similarity).any():
        return Reliability(name, "the maps are constant, or not finite, on every photo")
    return Reliability(name, OK, similarity, signed, reference, blank)


def _between_photos(maps: Array) -> float:
    """Mean similarity of each photo's map with the map of the next photo; NaN where there is none."""
    if len(maps) < 2:
        return math.nan
    values = rank_correlation(_positive(maps), _positive(np.roll(maps, 1, axis=0)))
    return float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else math.nan


def _mirrored(log_odds: Array) -> bool:
    """Whether the model has two outputs whose log-odds are the same but for the sign."""
    return log_odds.shape[1] == 2 and np.allclose(log_odds[:, 0], -log_odds[:, 1], rtol=1e-3, atol=1e-3)


def _positive(maps: Array) -> Array:
    return np.maximum(maps, 0)


def _blank(maps: Array) -> float:
    """Share of maps, 0..1, that have no variation in their positive part or are not finite."""
    flat = maps.reshape(len(maps), -1)
    finite = np.isfinite(flat).all(axis=1)
    return 1 - float((finite & (np.ptp(np.nan_to_num(_positive(flat)), axis=1) > 0)).mean())
