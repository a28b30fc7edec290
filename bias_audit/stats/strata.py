"""Compares groups (hospitals, say) within strata (classes), so that a different mix of classes makes no difference.

A hospital that sees only the hard class is not the worse hospital (Simpson's paradox). Strata are weighted as in Mantel
& Haenszel (1959), w_s = n_s m_s / (n_s + m_s): a stratum that one of the two groups lacks has weight 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bias_audit.stats.arrays import CHUNK, ROUNDING, Codes, Floats, finite
from bias_audit.stats.effects import cliffs_delta
from bias_audit.stats.intervals import wilson


@dataclass(frozen=True)
class Cells:
    """Counts and sums of values in each cell of a table of K groups and S strata.

    Attributes:
        counts, sums: (K, S) number of values, and their sum.
        variance: variance within the cells, pooled over them; nan where no cell has two values.
        df: degrees of freedom of the variance: values minus cells that are not empty.
    """

    counts: Floats
    sums: Floats
    variance: float
    df: int

    @classmethod
    def of(cls, values: ArrayLike, groups: Codes, strata: Codes) -> Cells:
        """Count and sum values in the cells of their group and stratum.

        Args:
            values: (n,) finite values, at least one.
            groups: (n,) codes 0..K-1.
            strata: (n,) codes 0..S-1.

        Raises:
            ValueError: a value that is not finite.
        """
        x = finite(values, "values")
        shape = (int(groups.max()) + 1, int(strata.max()) + 1)
        cell = np.ravel_multi_index((groups, strata), shape)
        size = shape[0] * shape[1]
        counts = np.bincount(cell, minlength=size).astype(np.float64)
        sums = np.bincount(cell, weights=x, minlength=size).astype(np.float64)
        residuals = x - sums[cell] / counts[cell]
        df = x.size - int((counts > 0).sum())
        variance = float((residuals**2).sum()) / df if df else math.nan
        return cls(counts.reshape(shape), sums.reshape(shape), variance, df)

    def rest(self, group: int) -> tuple[Floats, Floats]:
        """Counts and sums per stratum, both (S,), of all groups but `group` together."""
        return self.counts.sum(axis=0) - self.counts[group], self.sums.sum(axis=0) - self.sums[group]


@dataclass(frozen=True)
class Standardised:
    """Means of two groups, standardised as if both had the same mix of strata.

    Attributes:
        first, second: standardised means; nan where no stratum has both groups.
        n, m: sizes of simple random samples whose means would have the same variance.
        shared: number of values of the smaller group, in the strata that have both groups.
    """

    first: float
    second: float
    n: float
    m: float
    shared: int

    @property
    def difference(self) -> float:
        """first - second: the Mantel-Haenszel difference (Greenland & Robins 1985, Biometrics 41, 55-68)."""
        return self.first - self.second


def standardise(counts: Floats, sums: Floats, other_counts: Floats, other_sums: Floats) -> Standardised:
    """Standardise the means of two groups to the same mix of strata, over the strata that have both groups.

    Args:
        counts, sums: (S,) number and sum of the first group's values per stratum.
        other_counts, other_sums: (S,) number and sum of the second group's values per stratum.
    """
    both = (counts > 0) & (other_counts > 0)
    n, m = counts[both], other_counts[both]
    if not both.any():
        return Standardised(math.nan, math.nan, 0.0, 0.0, 0)
    weights = n * m / (n + m)
    weights /= weights.sum()
    return Standardised(
        float((weights * sums[both] / n).sum()),
        float((weights * other_sums[both] / m).sum()),
        1 / float((weights**2 / n).sum()),
        1 / float((weights**2 / m).sum()),
        int(min(n.sum(), m.sum())),
    )


def rates_interval(rates: Standardised, confidence: float) -> tuple[float, float]:
    """Confidence interval of the difference `first - second` of two independent, standardised rates.

    Method 10 of Newcombe 1998 (Stat. Med. 17, 873-890): the distances to the ends of both Wilson intervals are squared
    and added. The Wilson intervals are those of `n` and `m` photos.

    Returns:
        (low, high), never of width zero; (nan, nan) where no stratum has both groups.
    """
    if not rates.shared:
        return math.nan, math.nan
    p, q = rates.first, rates.second
    p_low, p_high = wilson(p * rates.n, rates.n, confidence)
    q_low, q_high = wilson(q * rates.m, rates.m, confidence)
    return p - q - math.hypot(p - p_low, q_high - q), p - q + math.hypot(p_high - p, q - q_low)


def means_interval(means: Standardised, cells: Cells, confidence: float) -> tuple[float, float]:
    """Student's t interval of the difference `first - second` of two standardised means.

    The variance is the one pooled within all cells.

    Returns:
        (low, high); (nan, nan) where no stratum has both groups, or nothing varies within the cells.
    """
    if not means.shared or not cells.variance > 0:
        return math.nan, math.nan
    from scipy.special import stdtrit

    half = float(stdtrit(cells.df, (1 + confidence) / 2)) * math.sqrt(cells.variance * (1 / means.n + 1 / means.m))
    return means.difference - half, means.difference + half


def cliffs_delta_within(x: ArrayLike, x_strata: Codes, y: ArrayLike, y_strata: Codes) -> float:
    """Cliff's delta of x against y over the pairs of the same stratum only.

    Args:
        x, y: (n,), (m,) finite values.
        x_strata, y_strata: (n,), (m,) codes of their strata.

    Returns:
        -1..1, positive where x tends to be larger; nan without a pair of the same stratum.

    Raises:
        ValueError: a value that is not finite.
    """
    first, second = finite(x, "x"), finite(y, "y")
    total, pairs = 0.0, 0
    for stratum in np.intersect1d(x_strata, y_strata):
        a, b = first[x_strata == stratum], second[y_strata == stratum]
        total += cliffs_delta(a, b) * a.size * b.size
        pairs += a.size * b.size
    return total / pairs if pairs else math.nan


def fisher_within(hits: ArrayLike, counts: ArrayLike, other_hits: ArrayLike, other_counts: ArrayLike) -> float:
    """Exact two-sided test that two groups have the same odds in every stratum (Gart 1970, Biometrika 57, 471-475).

    Given the margins, the hits of the first group are a sum of independent hypergeometric numbers; p is the
    probability of all sums no more likely than the observed one. With one stratum it is Fisher's exact test.

    Args:
        hits, counts: (S,) whole numbers, hits and trials of the first group per stratum.
        other_hits, other_counts: (S,) whole numbers, hits and trials of the second group per stratum.

    Returns:
        p in 0..1; 1 where the margins of every stratum allow one table only.

    Raises:
        ValueError: a value that is not finite, or hits outside 0..counts.
    """
    table = [finite(values, "counts") for values in (hits, counts, other_hits, other_counts)]
    if not ((table[0] >= 0) & (table[0] <= table[1]) & (table[2] >= 0) & (table[2] <= table[3])).all():
        raise ValueError("hits must lie in 0..counts")
    from scipy.special import gammaln

    def log_choose(n: float, k: NDArray[np.float64]) -> Floats:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)

    chances = np.ones(1)
    least = 0.0
    for k, n, r, m in zip(*table, strict=True):
        low, high = max(0.0, k + r - m), min(n, k + r)
        least += low
        if high > low:
            possible = np.arange(low, high + 1)
            logs = log_choose(n, possible) + log_choose(m, k + r - possible)
            own = np.exp(logs - logs.max())
            chances = np.convolve(chances, own / own.sum())
    observed = chances[int(table[0].sum() - least)]
    return min(1.0, float(chances[chances <= observed * (1 + 1e-7)].sum() / chances.sum()))


def permutation_within(
    values: ArrayLike, groups: Codes, strata: Codes, *, seed: int, permutations: int = 2000
) -> Floats:
    """Two-sided permutation test of each group against the rest, with values exchanged within strata only.

    The statistic is |sum over the group of (value - mean of the stratum)|, a multiple of the Mantel-Haenszel
    difference. If the values are ranks within the stratum over (N_s + 1), this is the test of van Elteren (1960), and
    with one stratum that of Mann & Whitney. p = (1 + #) / (1 + B), where # permutations of B are at least as extreme
    (Phipson & Smyth 2010); many tests that are corrected together need a larger B, see `draws_for`.

    Args:
        values: (n,) finite values.
        groups, strata: (n,) codes 0..K-1 and 0..S-1.
        seed: seed of the permutations.
        permutations: number B of random permutations.

    Returns:
        (K,) p in 0..1, one per group; 1 for a group that shares no stratum with another.

    Raises:
        ValueError: a value that is not finite.
    """
    x = finite(values, "values")
    rounding = ROUNDING * x.size * float(np.abs(x).sum())  # sums in another order still tie
    order = np.lexsort((groups, strata))
    x, group, stratum = x[order], groups[order], strata[order]
    x = x - (np.bincount(stratum, weights=x) / np.maximum(np.bincount(stratum), 1))[stratum]
    edges = np.flatnonzero(np.diff(stratum)) + 1
    blocks = [block for block in np.split(np.arange(x.size), edges) if np.ptp(group[block]) > 0]
    kinds = int(groups.max()) + 1
    if not blocks:
        return np.ones(kinds)
    kept = np.concatenate(blocks)
    x, group, stratum = x[kept], group[kept], stratum[kept]
    # Values are in order of stratum, then group: so a cell is a run of values, and a group's sum that of its runs.
    starts = np.flatnonzero(np.append(True, (np.diff(group) != 0) | (np.diff(stratum) != 0)))
    member = (group[starts][:, None] == np.arange(kinds)).astype(np.float64)
    bound = np.abs(np.add.reduceat(x, starts) @ member) - rounding
    ends = np.append(np.flatnonzero(np.diff(stratum)) + 1, x.size)
    rng = np.random.default_rng(seed)
    rows = max(CHUNK // x.size, 1)
    extreme = np.zeros(kinds)
    for start in range(0, permutations, rows):
        drawn = np.tile(x, (min(rows, permutations - start), 1))
        first = 0
        for end in ends:
            rng.permuted(drawn[:, first:end], axis=1, out=drawn[:, first:end])
            first = end
        extreme += (np.abs(np.add.reduceat(drawn, starts, axis=1) @ member) >= bound).sum(axis=0)
    return (1 + extreme) / (1 + permutations)
