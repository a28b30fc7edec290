"""Robust z-scores, by which images far from the rest of their class are found."""

from __future__ import annotations

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
