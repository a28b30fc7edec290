"""Confidence intervals of rates, means and medians: Wilson, paired differences, BCa bootstrap, order statistics."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import CHUNK, ROUNDING, Floats, finite
from bias_audit.stats.groups import ENOUGH_GROUPS, effective_size, totals


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927; recommended by Newcombe 1998, Stat. Med. 17, 857-872).

    Args:
        successes: 0..n. May be fractional: a photo's score can be the share of its composites. The variance is then
            at most that of a proportion, so the interval errs on the wide side.
        n: number of trials, here photos; fractional where grouped photos count for fewer (`rate_interval`).
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
    """Wilson interval of a mean score; n grouped photos count as `effective_size` photos (Korn & Graubard 1998).

    Args:
        scores: (n,) in 0..1, one per photo: right or wrong, or a share of composites.
        groups: (n,) group codes (patient, scene); None = each photo its own group.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) in 0..1; (nan, nan) for n = 0 and below ENOUGH_GROUPS groups.

    Raises:
        ValueError: scores outside 0..1, or groups of another length.
    """
    x = _shares(scores, "scores")
    n = float(x.size) if groups is None else effective_size(x, groups, confidence)
    if x.size == 0 or math.isnan(n):
        return math.nan, math.nan
    return wilson(float(x.mean()) * n, n, confidence)


def paired_difference_interval(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, *, groups: ArrayLike | None = None
) -> tuple[float, float]:
    """Confidence interval of mean(first) - mean(second) on the same photos (Newcombe 1998, Stat. Med. 17, 2635-2650).

    Method 10 of that paper: the Wilson intervals of both proportions are squared and added, less what the pairing
    explains, with the continuity-corrected correlation phi (n/2 is taken off ad - bc where it is positive). Without
    that correction (method 8) two identical halves would have an interval of width zero. In sums of products
    ad - bc = n * sum((x - mean x)(y - mean y)), which is how shares of composites enter.

    With groups n is the `effective_size` of the differences throughout (Rao & Scott 1992): a bootstrap of whole
    groups would have width zero where no photo changes sides.

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
    n = float(x.size) if groups is None else effective_size(x - y, groups, confidence)
    if x.size == 0 or math.isnan(n):
        return math.nan, math.nan
    p, q = float(x.mean()), float(y.mean())
    p_low, p_high = wilson(p * n, n, confidence)
    q_low, q_high = wilson(q * n, n, confidence)
    products = float(((x - p) * (y - q)).mean()) * n
    products = products if products < 0 else max(products - 0.5, 0.0)
    # A correlation does not depend on scale, so rounding errors would count as variation.
    varied = min(np.ptp(x), np.ptp(y)) > 1e-9
    spread = n * float(x.std() * y.std())
    phi = max(-1.0, min(1.0, products / spread)) if varied else 0.0

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a**2 - 2 * phi * a * b + b**2, 0.0))

    low = p - q - reach(p - p_low, q_high - q)
    high = p - q + reach(q - q_low, p_high - p)
    return max(-1.0, low), min(1.0, high)


def bca_mean_interval(
    values: ArrayLike,
    *,
    seed: int,
    groups: ArrayLike | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987, JASA 82, 171-185).

    Without groups the result equals `scipy.stats.bootstrap(method="BCa")` with the same seed, but no n x n array is
    made for the jackknife. With groups, whole groups are drawn and left out (Davison & Hinkley 1997, section 3.8);
    the estimate stays the mean over photos, so a large group counts by its photos. With 20 to 40 groups of unequal
    size the interval covers about 91 % instead of 95 % (measured), as bootstraps of few units do.

    Args:
        values: (n,) finite values, one per photo.
        seed: seed of the resampling; the same seed gives the same interval.
        groups: (n,) group codes (patient, scene); None = each photo its own group.
        resamples: number of bootstrap samples.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) within the range of the values; (nan, nan) below ENOUGH_GROUPS groups; (mean, mean) where
        all groups have the same mean.

    Raises:
        ValueError: a value that is not finite, or groups of another length.
    """
    x = finite(values, "values")
    sums, sizes = totals(x, groups)
    count = sizes.size
    if count < ENOUGH_GROUPS:
        return math.nan, math.nan
    mean = float(x.mean())
    left_out = (x.sum() - sums) / (x.size - sizes)
    influence = left_out.mean() - left_out
    if np.ptp(sums / sizes) <= ROUNDING * float(np.abs(x).max()):
        return mean, mean
    rng = np.random.default_rng(seed)
    rows = max(CHUNK // count, 1)
    means = []
    for start in range(0, resamples, rows):
        drawn = rng.integers(0, count, (min(rows, resamples - start), count))
        photos = float(x.size) if groups is None else sizes[drawn].sum(axis=1)
        means.append(sums[drawn].sum(axis=1) / photos)
    low, high = _bca(np.concatenate(means), mean, influence, confidence)
    return max(low, float(x.min())), min(high, float(x.max()))


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


def _bca(resampled: Floats, estimate: float, influence: Floats, confidence: float) -> tuple[float, float]:
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    below = float((resampled < estimate).mean() + (resampled <= estimate).mean()) / 2
    if 0 < below < 1:  # otherwise no bias can be estimated, and the plain percentiles are returned
        normal = NormalDist()
        bias = normal.inv_cdf(below)
        influence = influence / np.abs(influence).max()  # any scale will do; small cubes would underflow
        acceleration = float((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))
        shifted = [bias + normal.inv_cdf(float(tail)) for tail in tails]
        tails = np.array([normal.cdf(bias + z / (1 - acceleration * z)) for z in shifted])
    low, high = np.quantile(resampled, tails)
    return float(low), float(high)


def _shares(values: ArrayLike, name: str) -> Floats:
    scores = finite(values, name)
    if scores.size and (scores.min() < 0 or scores.max() > 1):
        raise ValueError(f"{name} must hold scores in 0..1, got {scores.min():g}..{scores.max():g}")
    return scores


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return NormalDist().inv_cdf((1 + confidence) / 2)
