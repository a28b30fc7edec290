"""Correction of p-values for many tests at once: the false discovery rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import Floats, vector


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """P-values adjusted for the false discovery rate (Benjamini & Hochberg 1995, JRSS B 57, 289-300).

    Args:
        p: (m,) p-values in 0..1; NaN where no test was made, which does not count as a test.

    Returns:
        (m,) adjusted p-values in the order of `p`; NaN stays NaN.

    Raises:
        ValueError: a value outside 0..1.
    """
    given = vector(p, "p")
    tested = ~np.isnan(given)
    values = given[tested]
    if values.size and (values.min() < 0 or values.max() > 1):
        raise ValueError(f"p-values must lie in 0..1, got {values.min():g}..{values.max():g}")
    adjusted = np.full(given.shape, np.nan)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * values.size / np.arange(1, values.size + 1)
    smallest_above = np.minimum.accumulate(scaled[::-1])[::-1]
    ranked = np.empty_like(values)
    ranked[order] = np.minimum(smallest_above, 1.0)
    adjusted[tested] = ranked
    return adjusted


def rejection_bound(p: ArrayLike, place: int, rate: float) -> float:
    """Largest p with which the correction of `benjamini_hochberg` would reject one test, the others being as they are.

    Args:
        p: (m,) p-values in 0..1; NaN where no test was made.
        place: position of the test whose own p is left open; it counts as a test whatever `p` holds there.
        rate: bound of the adjusted p, 0..1, exclusive.

    Returns:
        rate k / m, where k of the m tests would be rejected if the p of this one were 0.

    Raises:
        ValueError: a value outside 0..1.
    """
    values = vector(p, "p").copy()
    values[place] = 0.0
    adjusted = benjamini_hochberg(values)
    return rate * float((adjusted <= rate).sum()) / float((~np.isnan(values)).sum())
