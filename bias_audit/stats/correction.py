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


def rejection_bounds(p: ArrayLike, rate: float) -> Floats:
    """For each test the largest p with which `benjamini_hochberg` would reject it, the others being as they are.

    Args:
        p: (m,) p-values in 0..1; NaN where no test was made.
        rate: bound of the adjusted p, 0..1, exclusive.

    Returns:
        (m,) rate k / m, where k of the m tests would be rejected if the p of this one were 0; NaN without a test.
    """
    given = vector(p, "p")
    tested = np.flatnonzero(~np.isnan(given))
    order = tested[np.argsort(given[tested], kind="stable")]
    m = order.size
    ranks = np.arange(1, m + 1)
    # With 0 in the place of one p, those below it move up by a rank, and those above it keep theirs.
    below = np.where(given[order] <= rate * (ranks + 1) / max(m, 1), ranks + 1, 1)
    above = np.where(given[order] <= rate * ranks / max(m, 1), ranks, 1)
    most_below = np.maximum.accumulate(np.append(1, below[:-1]))[:m]
    most_above = np.maximum.accumulate(np.append(above[1:], 1)[::-1])[::-1][:m]
    bounds = np.full(given.shape, np.nan)
    bounds[order] = rate * np.maximum(most_below, most_above) / max(m, 1)
    return bounds
