"""Photos that belong together (one patient, one scene) are no independent trials: the cluster is the unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import Codes, Floats, finite

ENOUGH_CLUSTERS = 10
"""Fewer give no interval: a variance between so few groups says nothing of its tails (docs/science.md#clusters)."""


def cluster_codes(values: ArrayLike | pd.Series) -> Codes:
    """Group names -> codes 0..G-1.

    Args:
        values: (n,) names or numbers; None, NaN and NA: a photo whose group is not known is a group of its own.

    Returns:
        (n,) codes; known groups first, in the order they appear.
    """
    codes, names = pd.factorize(pd.Series(values, dtype="object"))
    codes = codes.astype(np.intp)
    alone = codes < 0
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes


def codes_of(clusters: pd.Series | None, index: pd.Index) -> Codes | None:
    """Group codes of some images, in their order; None where every photo stands by itself.

    Args:
        clusters: group code per image, by image id; or None.
        index: ids of the images.
    """
    return None if clusters is None else clusters.loc[index].to_numpy(np.intp)


def count_units(count: int, clusters: Codes | None) -> int:
    """What a test counts: the clusters of `count` photos, or the photos themselves."""
    return count if clusters is None else len(np.unique(clusters))


def totals(values: Floats, clusters: ArrayLike | None) -> tuple[Floats, Floats]:
    """Sum and number of photos of each cluster, both (G,); without clusters each photo is one.

    Raises:
        ValueError: clusters of another length than the values.
    """
    if clusters is None:
        return values, np.ones_like(values)
    codes = np.asarray(clusters)
    if codes.shape != values.shape:
        raise ValueError(f"each value needs its cluster, got {values.size} values and clusters of shape {codes.shape}")
    _, inverse = np.unique(codes, return_inverse=True)
    sums: Floats = np.bincount(inverse, weights=values).astype(np.float64)
    return sums, np.bincount(inverse).astype(np.float64)


def effective_size(values: ArrayLike, clusters: ArrayLike, confidence: float = 0.95) -> float:
    """How many independent photos say as much about the mean as these clustered ones.

    n / design effect, times (t_{n-1} / t_{G-1})^2 for the few clusters its estimate rests on (Korn & Graubard 1998,
    Surv. Methodol. 24, 193-201). The design effect is the variance of the mean between clusters,
    G / (G - 1) sum_g r_g^2 / n^2 with r_g = sum over the cluster of (x - mean), over that of independent photos
    (Rao & Scott 1992, Biometrics 48, 577-585), at least 1. Where nothing varies it cannot be estimated, and the photos
    of a cluster are taken as one: n / design effect = n^2 / sum of squared cluster sizes (Kish 1965).

    Args:
        values: (n,) finite values, one per photo.
        clusters: (n,) group codes.
        confidence: of the interval it is for, 0..1, exclusive.

    Returns:
        0..n; n where every photo is its own cluster; nan below ENOUGH_CLUSTERS clusters.

    Raises:
        ValueError: a value that is not finite, or different lengths.
    """
    x = finite(values, "values")
    n = x.size
    mean = x.mean() if n else 0.0
    residuals, sizes = totals(x - mean, clusters)
    groups = sizes.size
    if groups < ENOUGH_CLUSTERS:
        return float("nan")
    if np.ptp(x) <= 1e-9:  # scores are shares: less is rounding
        effect = float((sizes**2).sum()) / n
    else:
        between = groups / (groups - 1) * float((residuals**2).sum()) / n**2
        effect = max(1.0, between / (float(x.var(ddof=1)) / n))
    from scipy.special import stdtrit

    tail = (1 + confidence) / 2
    return n / effect * float(stdtrit(n - 1, tail) / stdtrit(groups - 1, tail)) ** 2
