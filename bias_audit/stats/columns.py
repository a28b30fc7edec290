"""The sign-flip test of many columns at once, for tables with a test in every cell (pairs of classes)."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bias_audit.stats.arrays import CHUNK, ROUNDING, Floats
from bias_audit.stats.tests import sign_flip

TOGETHER = 12
"""Most groups of a column whose 2^n patterns are enumerated for many columns at once."""


def sign_flip_columns(
    differences: ArrayLike, *, seed: int, groups: ArrayLike | None = None, permutations: int = 10_000
) -> Floats:
    """P of the sign-flip test of each column of a table; see `tests.sign_flip`.

    Groups whose differences add up to 0 have no sign to flip and are left out, so a column counts as small enough for
    all patterns to be enumerated by the groups that are left. With many classes nearly all columns are.

    Args:
        differences: (n, m) differences, one row per photo; NaN where a photo has none in a column.
        seed: of the random signs, the same for every column that needs them.
        groups: (n,) group codes (patient, scene); None = each photo its own group.
        permutations: number of random sign patterns for a column with more groups than are enumerated.

    Returns:
        (m,) p in 0..1, never 0; NaN for a column without any difference.

    Raises:
        ValueError: a table of another shape, an infinite difference, or groups of another length.
    """
    table = np.asarray(differences, dtype=np.float64)
    if table.ndim != 2 or np.isinf(table).any():
        raise ValueError(f"differences must be a table without infinite values, got shape {table.shape}")
    known = ~np.isnan(table)
    filled = np.where(known, table, 0.0)
    sums = filled if groups is None else _totals(filled, np.asarray(groups))
    # A sum of differences that cancel is 0 but for rounding.
    scale = np.abs(filled).sum(axis=0)
    moved = np.abs(sums) > ROUNDING * len(table) * scale
    counts = moved.sum(axis=0)
    p = np.where(known.any(axis=0), 1.0, np.nan)
    for count in map(int, np.unique(counts[counts > 0])):
        columns = np.flatnonzero(counts == count)
        values = sums.T[columns][moved.T[columns]].reshape(len(columns), count)
        if count > TOGETHER:
            p[columns] = [sign_flip(row, seed=seed, permutations=permutations) for row in values]
            continue
        # The opposite of a pattern is as extreme as itself, so half of them are enough.
        signs = np.array(list(itertools.product((1.0,), *[(-1.0, 1.0)] * (count - 1))))
        bounds = np.abs(values.sum(axis=1)) - ROUNDING * count * np.abs(values).sum(axis=1)
        rows = max(CHUNK // len(signs), 1)
        for start in range(0, len(columns), rows):
            part = slice(start, start + rows)
            p[columns[part]] = (np.abs(values[part] @ signs.T) >= bounds[part, None]).mean(axis=1)
    return p


def _totals(table: Floats, groups: NDArray[np.generic]) -> Floats:
    """(G, m) sums over the rows of each group."""
    if groups.shape != (len(table),):
        raise ValueError(f"each row needs its group, got {len(table)} rows and groups of shape {groups.shape}")
    _, places = np.unique(groups, return_inverse=True)
    sums = np.zeros((places.max(initial=-1) + 1, table.shape[1]))
    np.add.at(sums, places, table)
    return sums
