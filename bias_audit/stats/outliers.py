"""Images far from the rest of their class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import ROUNDING, Floats, finite, vector

ENOUGH_FOR_OUTLIERS = 20
"""Images of a class from which on outliers among them are sought: below, a median is no measure of what is usual."""


def robust_z(values: ArrayLike) -> Floats:
    """Modified z-score: how far each value lies from the median, in robust standard deviations.

    .6745 (x - median) / MAD (Iglewicz & Hoaglin 1993); where more than half of the values are equal, so that the
    median absolute deviation is 0, (x - median) / (1.2533 mean absolute deviation), the factor that makes the mean
    absolute deviation of a normal variable its standard deviation.

    Args:
        values: (n,) values; NaN where there is none.

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
