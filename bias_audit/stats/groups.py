"""Groups of photos that belong together (one patient, one scene), and their effective sample size.

Photos of one group are no independent trials, so the group is the unit (docs/science.md#clusters).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import Codes, Floats, finite

ENOUGH_GROUPS = 10
"""Least number of groups for an interval: the variance between fewer is too uncertain (docs/science.md#clusters)."""


def group_codes(values: ArrayLike | pd.Series) -> Codes:
    """Number the groups of photos from 0 to G-1.

    Args:
        values: (n,) name or number of each photo's group. A photo with None, NaN or NA becomes a group of its own.

    Returns:
        (n,) group codes; known groups come first, in the order in which they appear.
    """
    codes, names = pd.factorize(pd.Series(values, dtype="object"))
    codes = codes.astype(np.intp)
    alone = codes < 0
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes


def codes_of(groups: pd.Series | None, index: pd.Index) -> Codes | None:
    """Group codes (n,) of some images in their order, or None where there are no groups.

    Args:
        groups: group code of each image, indexed by image id; None = every photo is its own group.
        index: ids of the n images.
    """
    if groups is None:
        return None
    # An image may stand in the data set twice, under two labels: it is of one group all the same.
    return groups[~groups.index.duplicated()].loc[index].to_numpy(np.intp)


def count_units(count: int, groups: Codes | None) -> int:
    """Number of independent units among `count` photos: of groups, or of photos where `groups` is None."""
    return count if groups is None else len(np.unique(groups))


def totals(values: Floats, groups: ArrayLike | None) -> tuple[Floats, Floats]:
    """Sum of the values and number of photos of each group, both (G,); without groups each photo is a group.

    Raises:
        ValueError: groups of another length than the values.
    """
    if groups is None:
        return values, np.ones_like(values)
    codes = np.asarray(groups)
    if codes.shape != values.shape:
        raise ValueError(f"each value needs its group, got {values.size} values and groups of shape {codes.shape}")
    _, inverse = np.unique(codes, return_inverse=True)
    sums: Floats = np.bincount(inverse, weights=values).astype(np.float64)
    return sums, np.bincount(inverse).astype(np.float64)


def group_means(values: ArrayLike, groups: ArrayLike | None) -> Floats:
    """Mean of the values of each group (G,), in the order of the codes; the values themselves without groups.

    Args:
        values: (n,) finite values, one per photo.
        groups: (n,) group codes; None = each photo is a group of its own.

    Raises:
        ValueError: a value that is not finite, or groups of another length.
    """
    sums, sizes = totals(finite(values, "values"), groups)
    return sums / sizes


def effective_size(values: ArrayLike, groups: ArrayLike, confidence: float = 0.95) -> float:
    """Number of independent photos that would determine the mean as precisely as n grouped photos do.

    It is n / design effect, times (t_{n-1} / t_{G-1})^2 because that effect is estimated from G groups only (Korn &
    Graubard 1998, Surv. Methodol. 24, 193-201). The design effect is the variance of the mean between groups,
    G / (G - 1) sum_g r_g^2 / n^2 with r_g = sum over the group of (x - mean), divided by that of independent photos
    (Rao & Scott 1992, Biometrics 48, 577-585), at least 1. Where nothing varies it cannot be estimated, and the photos
    of a group are taken as one: n / design effect = n^2 / sum of squared group sizes (Kish 1965).

    Args:
        values: (n,) finite values, one per photo.
        groups: (n,) group codes.
        confidence: of the interval that the size is used for, 0..1, exclusive.

    Returns:
        0..n; n where every photo is its own group; nan below ENOUGH_GROUPS groups.

    Raises:
        ValueError: a value that is not finite, or different lengths.
    """
    x = finite(values, "values")
    n = x.size
    mean = x.mean() if n else 0.0
    residuals, sizes = totals(x - mean, groups)
    count = sizes.size
    if count < ENOUGH_GROUPS:
        return float("nan")
    if np.ptp(x) <= 1e-9:  # scores are shares: less is rounding
        effect = float((sizes**2).sum()) / n
    else:
        between = count / (count - 1) * float((residuals**2).sum()) / n**2
        effect = max(1.0, between / (float(x.var(ddof=1)) / n))
    from scipy.special import stdtrit

    tail = (1 + confidence) / 2
    return n / effect * float(stdtrit(n - 1, tail) / stdtrit(count - 1, tail)) ** 2
