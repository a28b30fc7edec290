"""Groups compared within strata (classes): a hospital that sees the hard class only is not the worse hospital.

Everything is weighted as Mantel & Haenszel (1959) do, w_s = n_s m_s / (n_s + m_s): a stratum that one side lacks says
nothing (Simpson's paradox).
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
    """Values by group and stratum.

    Attributes:
        counts, sums: (K, S) values and their sum.
        variance: pooled within the cells; nan where no cell has two values.
        df: its degrees of freedom.
    """

    counts: Floats
    sums: Floats
    variance: float
    df: int

    @classmethod
    def of(cls, values: ArrayLike, groups: Codes, strata: Codes) -> Cells:
        """(n,) finite values with their group 0..K-1 and stratum 0..S-1."""
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
        """Counts and sums (S,) of all other groups."""
        return self.counts.sum(axis=0) - self.counts[group], self.sums.sum(axis=0) - self.sums[group]


@dataclass(frozen=True)
class Standardised:
    """Two groups as if both had the same mix of strata.

    Attributes:
        first, second: means; nan where no stratum has both.
        n, m: values that independent samples of that mix would need for the same precision.
        shared: values of the smaller side in strata that both have.
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
    """Two groups' counts and sums per stratum, all (S,) -> their means over the strata that both have."""
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
    """Interval of a difference of independent rates: both Wilson intervals squared and added.

    Method 10 of Newcombe 1998 (Stat. Med. 17, 873-890), on standardised rates with the sizes that carry their
    variance. Never of width zero; (nan, nan) where no stratum has both groups.
    """
    if not rates.shared:
        return math.nan, math.nan
    p, q = rates.first, rates.second
    p_low, p_high = wilson(p * rates.n, rates.n, confidence)
    q_low, q_high = wilson(q * rates.m, rates.m, confidence)
    return p - q - math.hypot(p - p_low, q_high - q), p - q + math.hypot(p_high - p, q - q_low)


def means_interval(means: Standardised, cells: Cells, confidence: float) -> tuple[float, float]:
    """Student interval of a difference of means with the variance pooled within all cells.

    (nan, nan) where no stratum has both groups, or nothing varies within the cells.
    """
    if not means.shared or not cells.variance > 0:
        return math.nan, math.nan
    from scipy.special import stdtrit

    half = float(stdtrit(cells.df, (1 + confidence) / 2)) * math.sqrt(cells.variance * (1 / means.n + 1 / means.m))
    return means.difference - half, means.difference + half


def cliffs_delta_within(x: ArrayLike, x_strata: Codes, y: ArrayLike, y_strata: Codes) -> float:
    """Cliff's delta over the pairs of the same stratum only; nan without such pairs."""
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
        hits, counts: (S,) right and all of the first group per stratum, whole numbers.
        other_hits, other_counts: (S,) of the second.

    Returns:
        p in 0..1; 1 where no stratum could tell.

    Raises:
        ValueError: hits outside 0..counts.
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
    """Two-sided permutation test of each group against the rest, values exchanged within strata only.

    The statistic is |sum over the group of (value - mean of the stratum)|, a multiple of the Mantel-Haenszel
    difference. On ranks within the stratum over (N_s + 1) it is the test of van Elteren (1960), on one stratum that
    of Mann & Whitney. p = (1 + #) / (1 + B) (Phipson & Smyth 2010); B = 2000 is enough for a hundred tests
    (docs/science.md#permutation-counts).

    Args:
        values: (n,) finite values.
        groups, strata: (n,) codes 0..K-1 and 0..S-1.
        seed: of the permutations.
        permutations: B.

    Returns:
        (K,) p in 0..1; 1 for a group that shares no stratum with another.

    Raises:
        ValueError: a value that is not finite.
    """
    x = finite(values, "values")
    rounding = ROUNDING * x.size * float(np.abs(x).sum())  # ties are ties whatever order their terms are added in
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
    # Values in order of stratum, then group: a cell is a run, and a group the sum of its runs.
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
