"""Confidence intervals of rates, their paired differences, and medians: Wilson, Newcombe, order statistics."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.paired_shares import paired_ends
from bias_audit.stats.arrays import ROUNDING, Floats, finite
from bias_audit.stats.groups import effective_size, totals


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927; recommended by Newcombe 1998, Stat. Med. 17, 857-872).

    Args:
        successes: 0..n. May be fractional, as n.
        n: number of trials, here photos; fractional where it is an `effective_size`.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) in 0..1, around successes / n; (nan, nan) for n = 0.

    Raises:
        ValueError: n < 0, successes outside 0..n, or a confidence outside 0..1.
    """
    if n < 0 or not -ROUNDING * n <= successes <= n * (1 + ROUNDING):
        raise ValueError(f"successes must lie in 0..n, got {successes!r} of {n!r}")
    if n == 0:
        return math.nan, math.nan
    successes = min(max(float(successes), 0.0), float(n))
    z = _z(confidence)
    share = successes / n
    centre = (successes + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(successes * (n - successes) / n + z**2 / 4)
    # At 0 and n one end is the estimate itself; rounding must not push it past.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def rate_interval(
    scores: ArrayLike, *, groups: ArrayLike | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Wilson interval of a mean score, from the `effective_size` of its trials (Korn & Graubard 1998).

    Args:
        scores: (n,) in 0..1, one per photo: right or wrong, or a share of composites.
        groups: (n,) group codes (patient, scene); None = each photo its own group.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) in 0..1, around the mean; (nan, nan) for n = 0 and below ENOUGH_GROUPS groups.

    Raises:
        ValueError: scores outside 0..1, or groups of another length.
    """
    x = _shares(scores, "scores")
    n = effective_size(x, groups, confidence)
    if math.isnan(n):
        return math.nan, math.nan
    return wilson(float(x.mean()) * n, n, confidence)


def paired_difference_interval(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, *, groups: ArrayLike | None = None
) -> tuple[float, float]:
    """Confidence interval of mean(first) - mean(second) on the same photos (Newcombe 1998, Stat. Med. 17, 2635-2650).

    Method 10 of that paper: the Wilson intervals of both proportions are squared and added, less what the pairing
    explains, with the continuity-corrected correlation phi (n/2 is taken off ad - bc where it is positive). Without
    that correction (method 8) two identical halves would have an interval of width zero. In sums of products
    ad - bc = n * sum((x - mean x)(y - mean y)).

    A score can be the share of a photo's composites. Then the composites are the trials and the photo, or the group of
    photos, is their cluster: each arm has its own `effective_size` in the place of n (Rao & Scott 1992), and phi is the
    correlation of the clusters' sums. For photos that are right or wrong, without groups, this is the paper's formula.

    Args:
        first, second: (n,) scores in 0..1, one per photo, in the same order.
        confidence: 0..1, exclusive.
        groups: (n,) group codes (patient, scene); None = each photo its own group.

    Returns:
        (low, high) in -1..1, around the difference, never of width zero; (nan, nan) for n = 0 and below
        ENOUGH_GROUPS groups.

    Raises:
        ValueError: different lengths, or scores outside 0..1.
    """
    x, y = _shares(first, "first"), _shares(second, "second")
    if x.shape != y.shape:
        raise ValueError(f"paired scores must be equally many, got {x.size} and {y.size}")
    n, m = effective_size(x, groups, confidence), effective_size(y, groups, confidence)
    if math.isnan(n):
        return math.nan, math.nan
    p, q = float(x.mean()), float(y.mean())
    phi = _phi(totals(x - p, groups)[0], totals(y - q, groups)[0])
    return paired_ends((p, q), (n, m), wilson(p * n, n, confidence), wilson(q * m, m, confidence), phi)


def median_interval(values: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Distribution-free confidence interval of the median (Thompson 1936, Ann. Math. Stat. 7, 122-128).

    Args:
        values: (n,) finite values, one per photo.
        confidence: least coverage of the interval, 0..1, exclusive.

    Returns:
        (low, high), two of the values; (nan, nan) where n is too small for that confidence (below 6 for 95 %).

    Raises:
        ValueError: a value that is not finite.
    """
    x = np.sort(finite(values, "values"))
    n, rank, tail = x.size, 0, 0
    while 2 * (tail + math.comb(n, rank)) <= (1 - confidence) * 2**n:  # exact in integers
        tail += math.comb(n, rank)
        rank += 1
    return (float(x[rank - 1]), float(x[n - rank])) if rank else (math.nan, math.nan)


def _phi(one: Floats, other: Floats) -> float:
    """Correlation of two sums of residuals, -1..1; 0 where one of them does not vary."""
    # A correlation does not depend on scale, so rounding errors would count as variation.
    if min(np.ptp(one), np.ptp(other)) <= 1e-9:
        return 0.0
    spread = math.sqrt(float((one**2).sum()) * float((other**2).sum()))
    return max(-1.0, min(1.0, float((one * other).sum()) / spread))


def _shares(values: ArrayLike, name: str) -> Floats:
    scores = finite(values, name)
    if scores.size and (scores.min() < 0 or scores.max() > 1):
        raise ValueError(f"{name} must hold scores in 0..1, got {scores.min():g}..{scores.max():g}")
    return scores


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return NormalDist().inv_cdf((1 + confidence) / 2)
