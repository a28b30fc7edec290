"""Measures of association between two variables: odds ratio, Cramér's V, area under the ROC curve."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import finite


def odds_ratio(a: float, b: float, c: float, d: float, confidence: float = 0.95) -> tuple[float, float, float]:
    """Odds ratio of a 2 x 2 table with its interval (Woolf 1955, Ann. Hum. Genet. 19, 251-253).

    Half a photo is added to every cell, so that an empty cell gives a finite answer (Haldane 1956; Anscombe 1956).

    Args:
        a, b: number of photos of the class with and without the cue.
        c, d: number of photos of all other classes with and without the cue.
        confidence: 0..1, exclusive.

    Returns:
        (estimate, low, high), all above 0; 1 = the cue is as frequent inside the class as outside.

    Raises:
        ValueError: a negative count, or a confidence outside 0..1.
    """
    cells = (a, b, c, d)
    if min(cells) < 0:
        raise ValueError(f"counts must not be negative, got {cells}")
    a, b, c, d = (cell + 0.5 for cell in cells)
    log = math.log(a * d / (b * c))
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return math.exp(log), math.exp(log - reach), math.exp(log + reach)


def cramers_v(table: ArrayLike) -> float:
    """Cramér's V of a table of counts, corrected for its bias (Bergsma 2013, J. Korean Stat. Soc. 42, 323-328).

    Args:
        table: (R, C) counts; rows and columns without any count are left out.

    Returns:
        0..1: 0 = no association, 1 = each value of one variable goes with one value of the other; nan for fewer than
        two rows or columns with counts, or fewer than two photos.

    Raises:
        ValueError: a count that is negative or not finite, or no two-dimensional table.
    """
    counts = np.asarray(table, np.float64)
    if counts.ndim != 2 or not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError(f"a table of counts, none of them negative, is needed, got {counts!r}")
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    rows, columns = counts.shape
    n = float(counts.sum())
    if min(rows, columns) < 2 or n < 2:
        return math.nan
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / n
    phi2 = float(((counts - expected) ** 2 / expected).sum()) / n
    corrected = max(0.0, phi2 - (rows - 1) * (columns - 1) / (n - 1))
    fewer = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return min(1.0, math.sqrt(corrected / fewer)) if fewer > 0 else math.nan


def auc(inside: ArrayLike, outside: ArrayLike) -> float:
    """Area under the ROC curve, AUC: P(a value inside > a value outside), where ties count half.

    See Hanley & McNeil 1982, Radiology 143, 29-36.

    Args:
        inside, outside: (m,) and (n,) values of the photos inside and outside the class.

    Returns:
        0..1; .5 = no difference, nan where either side is empty. Cliff's delta is 2 AUC - 1.

    Raises:
        ValueError: a number that is not finite.
    """
    first, second = finite(inside, "inside"), np.sort(finite(outside, "outside"))
    if not first.size or not second.size:
        return math.nan
    below, upto = np.searchsorted(second, first, "left"), np.searchsorted(second, first, "right")
    return float((below + upto).mean() / (2 * second.size))


def auc_interval(value: float, m: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Confidence interval of an AUC, with a width above 0 at 0 and 1 too (Newcombe 2006, Stat. Med. 25, 559-573).

    Method 5 of that paper: the ends A solve |value - A| = z SE(A), with the standard error of Hanley & McNeil 1982 for
    exponential scores, in whose last factor both sizes are replaced by their mean.

    Args:
        value: AUC, 0..1.
        m, n: number of photos inside and outside the class.
        confidence: 0..1, exclusive.

    Returns:
        (low, high) in 0..1 around the value; (nan, nan) where m or n is 0, or the value is NaN or outside 0..1.
    """
    if m < 1 or n < 1 or not 0 <= value <= 1:
        return math.nan, math.nan
    z, middle = NormalDist().inv_cdf(0.5 + confidence / 2), (m + n) / 2 - 1

    def error(a: float) -> float:
        return math.sqrt(max(0.0, a * (1 - a) * (1 + middle * ((1 - a) / (2 - a) + a / (1 + a))) / (m * n)))

    def end(outer: float) -> float:
        inner = value
        for _ in range(60):  # bisection between the value, which lies within reach of itself, and 0 or 1
            tried = (inner + outer) / 2
            inner, outer = (tried, outer) if abs(value - tried) <= z * error(tried) else (inner, tried)
        return (inner + outer) / 2

    return end(0.0), end(1.0)
