"""How strongly two things go together: odds ratio, Cramér's V."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike


def odds_ratio(a: float, b: float, c: float, d: float, confidence: float = 0.95) -> tuple[float, float, float]:
    """Odds ratio of a 2 x 2 table with its interval (Woolf 1955, Ann. Hum. Genet. 19, 251-253).

    Half a photo is added to every cell, so that an empty one gives a finite answer (Haldane 1956; Anscombe 1956).

    Args:
        a, b: photos with and without the cue, inside the class.
        c, d: the same outside.
        confidence: 0..1, exclusive.

    Returns:
        (estimate, low, high), all above 0; 1 = the class makes no difference.

    Raises:
        ValueError: a negative count.
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
        0 = no association, 1 = each value of one side goes with one of the other; nan for fewer than two rows or
        columns, or fewer than two photos.

    Raises:
        ValueError: a negative or infinite count, or no table.
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
