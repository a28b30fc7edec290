"""Intervals and tests behind every verdict. The unit is the photo, never the composite.

Arrays in, floats or arrays out; nothing here knows a class or a rule. A wrong shape or a value outside its range is
a mistake of the caller, so it raises ValueError and not one of the user's errors. SciPy is imported only where it is
needed: `scipy.stats` alone costs 1.3 s.
"""

from __future__ import annotations

import itertools
import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ENOUGH_FOR_BOOTSTRAP = 10
"""Fewer values give no bootstrap interval: too few distinct resamples to speak of tails (SCIENCE E)."""

EXACT_SIGN_FLIPS = 12
"""Up to this many differences all 2^n sign patterns (4096) are enumerated."""

_CHUNK = 2_000_000
"""Resampled values held in memory at once (16 MB)."""

_ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Relative size below which a spread or a difference of sums is rounding."""


def wilson(successes: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927; recommended by Newcombe 1998, Stat. Med. 17, 857-872).

    Args:
        successes: 0..n. May be fractional: a photo's score can be the share of its composites. The variance is then
            at most that of a proportion, so the interval errs on the wide side.
        n: trials, photos.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) in 0..1, around successes / n; (nan, nan) for n = 0.

    Raises:
        ValueError: n < 0, or successes outside 0..n.
    """
    if n < 0 or not -_ROUNDING * n <= successes <= n * (1 + _ROUNDING):
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


def mcnemar(b: int, c: int) -> float:
    """Exact two-sided McNemar test: the discordant pairs against a fair coin (McNemar 1947).

    Args:
        b, c: discordant pairs of either direction.

    Returns:
        p in 0..1: twice the smaller binomial tail, at most 1; 1 without discordant pairs.

    Raises:
        ValueError: a negative or fractional count.
    """
    if b < 0 or c < 0 or b != int(b) or c != int(c):
        raise ValueError(f"discordant pairs must be counts, got {b!r} and {c!r}")
    n, fewer = int(b) + int(c), int(min(b, c))
    term = tail = 1
    for k in range(1, fewer + 1):  # exact in integers, so no tail underflows
        term = term * (n - k + 1) // k
        tail += term
    return min(1.0, 2 * tail / (1 << n))


def paired_difference_interval(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of mean(first) - mean(second), scored on the same photos (Newcombe 1998, Stat. Med. 17, 2635-2650).

    Method 10 of that paper: the Wilson intervals of both proportions are squared and added, less what the pairing
    explains, with the continuity-corrected correlation phi (n/2 is taken off ad - bc where it is positive). Without
    that correction (method 8) two identical halves would have an interval of width zero. In sums of products
    ad - bc = n * sum((x - mean x)(y - mean y)), which is how shares of composites enter.

    Args:
        first, second: (n,) scores in 0..1, one per photo, in the same order.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) in -1..1, around the difference, never of width zero; (nan, nan) for n = 0.

    Raises:
        ValueError: different lengths, or scores outside 0..1.
    """
    x, y = _finite(first, "first"), _finite(second, "second")
    if x.shape != y.shape:
        raise ValueError(f"paired scores must be equally many, got {x.size} and {y.size}")
    if x.size == 0:
        return math.nan, math.nan
    for name, scores in (("first", x), ("second", y)):
        if scores.min() < 0 or scores.max() > 1:
            raise ValueError(f"{name} must hold scores in 0..1, got {scores.min():g}..{scores.max():g}")
    p, q = float(x.mean()), float(y.mean())
    p_low, p_high = wilson(float(x.sum()), x.size, confidence)
    q_low, q_high = wilson(float(y.sum()), y.size, confidence)
    products = float(((x - p) * (y - q)).sum())
    products = products if products < 0 else max(products - 0.5, 0.0)
    # A correlation is blind to scale, so it would take rounding for variation.
    varied = min(np.ptp(x), np.ptp(y)) > 1e-9
    spread = math.sqrt(float(((x - p) ** 2).sum()) * float(((y - q) ** 2).sum()))
    phi = max(-1.0, min(1.0, products / spread)) if varied else 0.0

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a**2 - 2 * phi * a * b + b**2, 0.0))

    low = p - q - reach(p - p_low, q_high - q)
    high = p - q + reach(q - q_low, p_high - p)
    return max(-1.0, low), min(1.0, high)


def bca_mean_interval(
    values: ArrayLike, *, seed: int, resamples: int = 2000, confidence: float = 0.95
) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987, JASA 82, 171-185).

    Equal to `scipy.stats.bootstrap(method="BCa")` with the same seed, without its n x n jackknife: leaving value i
    out of a mean moves it by (mean - value_i) / (n - 1).

    Args:
        values: (n,) finite values, one per image.
        seed: of the resampling; the same seed gives the same interval.
        resamples: bootstrap samples.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) within the range of the values; (nan, nan) below ENOUGH_FOR_BOOTSTRAP values; (value, value)
        where all are equal.

    Raises:
        ValueError: a value that is not finite.
    """
    x = _finite(values, "values")
    n = x.size
    if n < ENOUGH_FOR_BOOTSTRAP:
        return math.nan, math.nan
    if x.min() == x.max():
        return float(x[0]), float(x[0])
    rng = np.random.default_rng(seed)
    rows = max(_CHUNK // n, 1)
    means = np.concatenate(
        [x[rng.integers(0, n, (min(rows, resamples - start), n))].mean(axis=1) for start in range(0, resamples, rows)]
    )
    mean = x.mean()
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    below = float((means < mean).mean() + (means <= mean).mean()) / 2
    if 0 < below < 1:
        normal = NormalDist()
        bias = normal.inv_cdf(below)
        influence = (x - mean) / np.abs(x - mean).max()  # acceleration is blind to scale; cubes would underflow
        acceleration = float((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))
        shifted = [bias + normal.inv_cdf(float(tail)) for tail in tails]
        tails = np.array([normal.cdf(bias + z / (1 - acceleration * z)) for z in shifted])
    low, high = np.quantile(means, tails)
    return float(low), float(high)


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """P-values adjusted for the false discovery rate (Benjamini & Hochberg 1995, JRSS B 57, 289-300).

    Args:
        p: (m,) p-values in 0..1; NaN where no test was made, which does not count as a test.

    Returns:
        (m,) adjusted p-values in the order of `p`; NaN stays NaN.

    Raises:
        ValueError: a value outside 0..1.
    """
    given = _vector(p, "p")
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


def sign_flip(differences: ArrayLike, *, seed: int, permutations: int = 10_000) -> float:
    """Two-sided sign-flip permutation test of paired differences (Fisher 1935; Phipson & Smyth 2010 for the count).

    Under the null each difference is as likely with the opposite sign. The statistic is |sum|.

    Args:
        differences: (n,) finite differences, one per photo.
        seed: of the random signs; unused up to EXACT_SIGN_FLIPS differences, where all patterns are enumerated.
        permutations: random sign patterns B beyond that.

    Returns:
        p in 0..1: the share of all patterns at least as extreme, or (1 + #) / (1 + B) of the random ones, so never
        0; nan for no differences.

    Raises:
        ValueError: a difference that is not finite, or permutations < 1.
    """
    d = _finite(differences, "differences")
    n = d.size
    if n == 0:
        return math.nan
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations!r}")
    # Patterns that tie with the observed one must count as ties whatever order their terms are added in.
    bound = abs(float(d.sum())) - _ROUNDING * n * float(np.abs(d).sum())
    if n <= EXACT_SIGN_FLIPS:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=n)))
        return float((np.abs(signs @ d) >= bound).mean())
    rng = np.random.default_rng(seed)
    rows = max(_CHUNK // n, 1)
    extreme = 0
    for start in range(0, permutations, rows):
        signs = rng.integers(0, 2, (min(rows, permutations - start), n)) * 2.0 - 1.0
        extreme += int((np.abs(signs @ d) >= bound).sum())
    return (1 + extreme) / (1 + permutations)


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
    given = _vector(values, "values")
    known = ~np.isnan(given)
    x = _finite(given[known], "values")
    scores = np.full(given.shape, np.nan)
    if x.size == 0:
        return scores
    centred = x - np.median(x)
    deviations = np.abs(centred)
    rounding = _ROUNDING * float(np.abs(x).max())
    spread = float(np.median(deviations)) / 0.6745
    if spread <= rounding:
        spread = 1.2533 * float(deviations.mean())
    scores[known] = centred / spread if spread > rounding else 0.0
    return scores


def cliffs_delta(x: ArrayLike, y: ArrayLike) -> float:
    """Cliff's delta, P(x > y) - P(x < y) over all pairs (Cliff 1993, Psychol. Bull. 114, 494-509).

    Args:
        x, y: (n,), (m,) finite values.

    Returns:
        -1..1; positive where x tends to be larger; nan where either is empty.

    Raises:
        ValueError: a value that is not finite.
    """
    first, second = _finite(x, "x"), np.sort(_finite(y, "y"))
    if first.size == 0 or second.size == 0:
        return math.nan
    smaller = np.searchsorted(second, first, side="left").sum()
    larger = (second.size - np.searchsorted(second, first, side="right")).sum()
    return float((int(smaller) - int(larger)) / (first.size * second.size))


def mann_whitney_greater(x: ArrayLike, y: ArrayLike) -> float:
    """One-sided Mann-Whitney U test that x tends to be larger than y (Mann & Whitney 1947), by SciPy.

    Exact for small samples without ties, otherwise normal with tie and continuity correction.

    Args:
        x, y: (n,), (m,) finite values.

    Returns:
        p in 0..1; 1 where all values are equal; nan where either is empty.

    Raises:
        ValueError: a value that is not finite.
    """
    first, second = _finite(x, "x"), _finite(y, "y")
    if first.size == 0 or second.size == 0:
        return math.nan
    if min(first.min(), second.min()) == max(first.max(), second.max()):
        return 1.0  # no order at all; the normal approximation would divide by zero
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(first, second, alternative="greater").pvalue)


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _vector(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    return array


def _finite(values: ArrayLike, name: str) -> Floats:
    array = _vector(values, name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} of {array.size} that are not")
    return array
