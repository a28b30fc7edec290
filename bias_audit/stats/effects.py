"""Effect sizes: how large the difference between two groups is, whatever its significance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import ROUNDING, finite


def cliffs_delta(x: ArrayLike, y: ArrayLike) -> float:
    """Cliff's delta, P(x > y) - P(x < y) over all pairs (Cliff 1993, Psychol. Bull. 114, 494-509).

    Args:
        x, y: (n,), (m,) finite values.

    Returns:
        -1..1; positive where x tends to be larger; nan where x or y is empty.

    Raises:
        ValueError: a value that is not finite.
    """
    first, second = finite(x, "x"), np.sort(finite(y, "y"))
    if first.size == 0 or second.size == 0:
        return math.nan
    smaller = np.searchsorted(second, first, side="left").sum()
    larger = (second.size - np.searchsorted(second, first, side="right")).sum()
    return float((int(smaller) - int(larger)) / (first.size * second.size))


def hedges_g(x: ArrayLike, y: ArrayLike) -> float:
    """Hedges' g: (mean x - mean y) in pooled standard deviations, less its small-sample bias (Hedges 1981).

    The bias is removed by the factor J = 1 - 3 / (4 df - 1) with df = n + m - 2 (J. Educ. Stat. 6, 107-128).

    Args:
        x, y: (n,), (m,) finite values.

    Returns:
        Positive where x is larger on average; 0 where all values are equal; nan where x or y is empty, df is 0, or
        neither group varies although their means differ.

    Raises:
        ValueError: a value that is not finite.
    """
    first, second = finite(x, "x"), finite(y, "y")
    df = first.size + second.size - 2
    if first.size == 0 or second.size == 0 or df < 1:
        return math.nan
    difference = float(first.mean() - second.mean())
    pooled = math.sqrt((first.var() * first.size + second.var() * second.size) / df)
    rounding = ROUNDING * float(max(np.abs(first).max(), np.abs(second).max()))
    if pooled <= rounding:
        return 0.0 if abs(difference) <= rounding else math.nan
    return (1 - 3 / (4 * df - 1)) * difference / pooled
