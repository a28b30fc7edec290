"""The bootstrap-t interval of a mean: of effects per photo, which are neither shares nor normal."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import ROUNDING, Floats, finite
from bias_audit.stats.groups import ENOUGH_GROUPS, FEWEST_VARIED, totals
from bias_audit.stats.intervals import wilson

RESAMPLES = 1999
"""Resamples of a bootstrap: with 1999, the limits of 95 % are the 50th and the 1950th of the studentised means."""

_BLOCK, _KEPT = 64, 16
"""Units whose weights are drawn at once, and how many such blocks are kept: weights serve every class of an audit."""

_ALIKE = 0.01
"""Values nearer to the median than this part of the largest deviation count as equal to it."""


def mean_interval(
    values: ArrayLike,
    *,
    seed: int,
    groups: ArrayLike | None = None,
    least: float | None = None,
    most: float | None = None,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Bootstrap-t interval of a mean (Davison & Hinkley 1997, section 5.2), with weights after Owen (2025).

    Every resample gives the units random weights, and the studentised mean (mean* - mean) / se*. The limits are
    mean - t se at the far quantiles t of these. Weights of a multinomial distribution, as sampling with replacement has
    them, often leave nothing but equal values in a small resample: se* is 0, and a limit infinite. Weights of a
    Beta(1/2, 3/2) distribution have the same first three moments and are never 0 (Owen 2025, arXiv 2508.10083).

    With groups, whole groups are drawn and se is that of a ratio of sums over groups; the estimate stays the mean over
    photos, so a large group counts by its photos.

    A bootstrap knows only values that were seen. Where fewer than FEWEST_VARIED units differ from all others it says
    nothing, so that another interval is returned: as many units may be anything in least..most as the upper Wilson
    limit of those that differ allows, the others have the common value.

    Args:
        values: (n,) finite values, one per photo.
        seed: seed of the weights; the same seed gives the same interval.
        groups: (n,) group codes (patient, scene); None = each photo its own group.
        least, most: lowest and highest possible value; None = there is none.
        resamples: number of bootstrap samples.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) around the mean, within least..most, never of width zero; (nan, nan) below ENOUGH_GROUPS groups, and
        where fewer than FEWEST_VARIED differ from the others and least or most is None.

    Raises:
        ValueError: a value that is not finite or not in least..most, or groups of another length.
    """
    x = finite(values, "values")
    floor, ceiling = -math.inf if least is None else least, math.inf if most is None else most
    if x.size and not (floor - _SLACK <= x.min() and x.max() <= ceiling + _SLACK):
        raise ValueError(f"values must lie in {floor:g}..{ceiling:g}, got {x.min():g}..{x.max():g}")
    sums, sizes = totals(x, groups)
    if sizes.size < ENOUGH_GROUPS:
        return math.nan, math.nan
    mean = float(x.mean())
    common, varied = _common(sums / sizes, float(np.abs(x).max()))
    if varied < FEWEST_VARIED:
        units = x.size**2 / float((sizes**2).sum())
        share = wilson(min(varied, units), units, confidence)[1]
        low, high = common - share * (common - floor), common + share * (ceiling - common)
        if not math.isfinite(high - low):
            return math.nan, math.nan
    else:
        below, above = _studentised(sums - mean * sizes, sizes, seed, resamples, confidence)
        low, high = mean - above, mean - below
    return max(min(low, mean), floor), min(max(high, mean), ceiling)


_SLACK = 1e-6
"""Differences of probabilities are differences of 32-bit numbers."""


def _common(means: Floats, scale: float) -> tuple[float, int]:
    """The median of the units' means, and how many units differ from it."""
    middle = float(np.median(means))
    away = np.abs(means - middle)
    far = float(away.max())
    return middle, 0 if far <= ROUNDING * scale else int(np.count_nonzero(away > _ALIKE * far))


def _studentised(residuals: Floats, sizes: Floats, seed: int, resamples: int, confidence: float) -> tuple[float, float]:
    """Quantiles of the studentised mean under resampling, times its standard error.

    Args:
        residuals: (G,) sum over each unit of (value - mean), which add up to 0.
        sizes: (G,) photos of each unit.
        seed, resamples, confidence: as in `mean_interval`.
    """
    unit = float(np.abs(residuals).max())  # squares of tiny values would underflow
    residuals = residuals / unit
    parts = np.column_stack([np.ones_like(sizes), sizes, residuals, residuals**2, residuals * sizes, sizes**2])
    sums = np.zeros((resamples, parts.shape[1]))
    for block, start in enumerate(range(0, sizes.size, _BLOCK)):
        part = parts[start : start + _BLOCK]
        sums += (_kept_weights if block < _KEPT else _weights)(seed, block, resamples)[:, : len(part)] @ part
    weight, photos, total, squares, cross, photos_squared = sums.T
    shift = total / photos
    spread = np.maximum(squares - 2 * shift * cross + shift**2 * photos_squared, 0.0)
    scale = np.sqrt(spread * weight / sizes.size) / photos  # as if the weights had the mean 1
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = np.where(shift == 0, 0.0, shift / scale)
    tail = (1 - confidence) / 2
    low, high = np.quantile(studentised, [tail, 1 - tail], method="weibull")
    error = unit * math.sqrt(float((residuals**2).sum())) / float(sizes.sum())
    return float(low) * error, float(high) * error


def _weights(seed: int, block: int, resamples: int) -> Floats:
    """(resamples, _BLOCK) draws of Beta(1/2, 3/2), which is the product of an arcsine and a uniform variable."""
    angles, factors = np.random.default_rng([seed, block]).random((2, resamples, _BLOCK))
    return np.asarray(np.cos(np.pi * angles) ** 2 * factors)


@lru_cache(maxsize=2 * _KEPT)
def _kept_weights(seed: int, block: int, resamples: int) -> Floats:
    return _weights(seed, block, resamples)
