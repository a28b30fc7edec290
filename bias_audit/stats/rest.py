"""Mann-Whitney test and Cliff's delta of each class against all others, from one ranking of all values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import Codes, Floats, finite
from bias_audit.stats.tests import mann_whitney_greater

FEW = 8
"""Most values on a side for which SciPy takes the exact distribution, as long as no two are equal."""


def greater_than_rest(values: ArrayLike, codes: Codes) -> tuple[Floats, Floats]:
    """What `mann_whitney_greater` and `cliffs_delta` give for the values of each class and all others together.

    Own and other values are all values for every class, so these are ranked once: with R the sum of the ranks of n of N
    values, U = R - n (n + 1) / 2 (Mann & Whitney 1947). Thousands of classes would else rank all values each.

    Args:
        values: (N,) finite values.
        codes: (N,) class of each, 0..K-1.

    Returns:
        (p, delta), each (K,): one-sided p in 0..1, by SciPy's rules, and Cliff's delta in -1..1; NaN for a class
        without values, or without others.

    Raises:
        ValueError: a value that is not finite.
    """
    from scipy.special import ndtr
    from scipy.stats import rankdata

    x = finite(values, "values")
    own = np.bincount(codes).astype(np.float64)
    rest = x.size - own
    p, delta = np.full((2, own.size), math.nan)
    both = (own > 0) & (rest > 0)
    if not both.any():
        return p, delta
    ranks = rankdata(x)
    u = np.bincount(codes, weights=ranks) - own * (own + 1) / 2
    pairs = own * rest
    delta[both] = (2 * u - pairs)[both] / pairs[both]
    equal = np.unique(x, return_counts=True)[1].astype(np.float64)
    ties = float((equal**3 - equal).sum())
    n = float(x.size)
    variance = pairs / 12 * (n + 1 - ties / (n * (n - 1)))
    tied = equal.size < x.size
    if equal.size == 1:
        p[both] = 1.0  # no order at all
        return p, delta
    z = (u[both] - pairs[both] / 2 - 0.5) / np.sqrt(variance[both])
    p[both] = np.clip(ndtr(-z), 0.0, 1.0)
    for label in np.flatnonzero(both & (np.minimum(own, rest) <= FEW)) if not tied else ():
        p[label] = mann_whitney_greater(x[codes == label], x[codes != label])
    return p, delta
