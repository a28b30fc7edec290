"""Test of a mean whose values hang on two things that are crossed, as photos and the donors of their backgrounds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import Floats


def crossed_p(values: ArrayLike, weights: ArrayLike, *clusters: ArrayLike, centres: ArrayLike) -> float:
    """Two-sided p of a weighted sum, where values of one row (photo) and values of one column (donor) go together.

    The variance adds those of both clusterings and takes away that of the values alone (Cameron, Gelbach & Miller 2011,
    "Robust inference with multiway clustering"), each with the factor G / (G - 1) for G clusters; it is at least the
    larger of the two. The sum is compared with Student's t with one degree of freedom less than the fewest clusters.

    Args:
        values: (n,) values.
        weights: (n,) their weights in the sum, positive and negative.
        clusters: two (n,) codes: what the values of a code have in common moves them together.
        centres: (n,) expected value of each, which is taken away before the variance is estimated.

    Returns:
        p in 0..1: 0 where nothing varies and the sum is not 0, NaN with fewer than two clusters.

    Raises:
        ValueError: not two clusterings, or arrays of different lengths.
    """
    from scipy.stats import t

    given = [np.asarray(each, float) for each in (values, weights, centres)]
    codes = [np.unique(np.asarray(each), return_inverse=True)[1] for each in clusters]
    if len(codes) != 2 or len({len(each) for each in (*given, *codes)}) != 1:
        raise ValueError("crossed_p needs values, weights, centres and two codes of one length")
    least = min(int(each.max(initial=-1)) + 1 for each in codes)
    if least < 2:
        return float("nan")
    parts = given[1] * (given[0] - given[2])
    both = _variance(parts, codes[0] * (codes[1].max() + 1) + codes[1])
    single = [_variance(parts, each) for each in codes]
    variance = max(sum(single) - both, *single)
    total = float((given[1] * given[0]).sum())
    if variance <= 1e-12:
        return 0.0 if abs(total) > 1e-9 else 1.0
    return float(2 * t.sf(abs(total) / np.sqrt(variance), least - 1))


def _variance(parts: Floats, codes: ArrayLike) -> float:
    _, places = np.unique(np.asarray(codes), return_inverse=True)
    sums = np.bincount(places, parts)
    count = len(sums)
    return float((sums**2).sum() * count / (count - 1)) if count > 1 else 0.0
