"""Outliers: how far images lie from the rest of their class, and how often chance alone would put one as far."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import ROUNDING, Floats, finite, vector

ENOUGH_FOR_OUTLIERS = 20
"""Least number of images of a class for a search for outliers: the median of fewer does not say what is usual."""


def robust_z(values: ArrayLike) -> Floats:
    """Modified z-score: how far each value lies from the median, in robust standard deviations.

    The score is .6745 (x - median) / MAD, with MAD the median absolute deviation (Iglewicz & Hoaglin 1993). Where more
    than half of the values are equal, MAD is 0 and the score is (x - median) / (1.2533 mean absolute deviation): the
    factor turns the mean absolute deviation of a normal variable into its standard deviation.

    Args:
        values: (n,) values; NaN where a value is missing.

    Returns:
        (n,) scores; NaN where the value is NaN, zeros where all values are equal.

    Raises:
        ValueError: an infinite value.
    """
    given = vector(values, "values")
    known = ~np.isnan(given)
    x = finite(given[known], "values")
    scores = np.full(given.shape, np.nan)
    if x.size == 0:
        return scores
    centred = x - np.median(x)
    deviations = np.abs(centred)
    rounding = ROUNDING * float(np.abs(x).max())
    spread = float(np.median(deviations)) / 0.6745
    if spread <= rounding:
        spread = 1.2533 * float(deviations.mean())
    scores[known] = centred / spread if spread > rounding else 0.0
    return scores


def upper_tail_p(values: ArrayLike) -> Floats:
    """Chance of each value in a class whose values thin out exponentially above its upper quartile u.

    Above a high threshold the tail of most distributions is near to an exponential one (peaks over threshold: Davison &
    Smith 1990, JRSS B 52, 393-442). Its scale b is the median of the k excesses over u, divided by log 2, so that up to
    an eighth of the photos may be outliers. The uncertainty of b enters as if it came from m = k log(2)^2 values, the
    efficiency of the median of an exponential distribution: p = k / n * (1 + (x - u) / (m b))^-m, the tail of a new
    value behind an estimated scale (F with 2 and 2 m degrees of freedom).

    For normal values the answer errs on the large side; values with a heavier tail than exponential have too small
    ones (measured in docs/science.md#outliers).

    Args:
        values: (n,) values; NaN where a value is missing.

    Returns:
        (n,) p-values above 0, for large values; the share of values as large or larger up to u, NaN where the value is.

    Raises:
        ValueError: an infinite value.
    """
    given = vector(values, "values")
    known = ~np.isnan(given)
    x = finite(given[known], "values")
    p = np.full(given.shape, np.nan)
    if x.size == 0:
        return p
    chances = (x.size - np.searchsorted(np.sort(x), x, side="left")) / x.size
    start = float(np.quantile(x, 0.75))
    rounding = ROUNDING * float(np.abs(x).max())
    above = x > start + rounding
    k = int(above.sum())
    if k:
        excess = x[above] - start
        scale, m = float(np.median(excess)) / math.log(2), k * math.log(2) ** 2
        chances[above] = k / x.size * (1 + excess / (m * scale)) ** -m
    p[known] = chances
    return p
