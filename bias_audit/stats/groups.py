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

FEWEST_VARIED = 3
"""Least number of photos (or groups) that must differ from the rest before their spread says anything of the spread
of those that were not seen (docs/science.md#clusters)."""

MOST_COMPOSITES = 100
"""Largest number of composites that is looked for behind a share."""

_ROUNDED = 1e-7
"""Shares are stored as floats: smaller differences are rounding."""


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
    known = groups if groups.index.is_unique else groups[~groups.index.duplicated()]
    return known.loc[index].to_numpy(np.intp)


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


def composites_behind(shares: Floats) -> int:
    """Most composites that a photo is known to have, from its share: the largest denominator, 1 to MOST_COMPOSITES.

    A photo that is recognised on 4 of 5 backgrounds has .8 and so five of them; one that is right or wrong has one. Of
    .5 nobody knows whether it was 1 of 2 or 2 of 4, so that the number is too small rather than too large.

    Args:
        shares: (n,) in 0..1, one per photo.
    """
    rest = np.unique(shares)
    for count in range(1, MOST_COMPOSITES):
        rest = rest[np.abs(rest * count - np.rint(rest * count)) > _ROUNDED]
        if not rest.size:
            return count
    return MOST_COMPOSITES


def effective_size(shares: ArrayLike, groups: ArrayLike | None = None, confidence: float = 0.95) -> float:
    """Number of independent trials that would determine a mean share as precisely as these photos do.

    Trials are the composites of all photos (a photo that is right or wrong is one), their cluster is the photo or the
    group of photos. The number is trials / design effect. The design effect is the variance of the mean between
    clusters, G / (G - 1) sum_g r_g^2 / n^2 with r_g = sum over the cluster of (x - mean), divided by that of
    independent trials (Rao & Scott 1992, Biometrics 48, 577-585), at least 1, and with groups at least that of the
    photos. With groups the number is multiplied by (t_{n-1} / t_{G-1})^2, for that effect is estimated from G groups
    only (Korn & Graubard 1998, Surv. Methodol. 24, 193-201).

    Where fewer than FEWEST_VARIED clusters are anything but all right, or anything but all wrong, the
    variance between clusters cannot be estimated, and each cluster counts as one trial at most: n^2 / sum of squared
    sizes (Kish 1965), which is n without groups.

    Args:
        shares: (n,) in 0..1, one per photo: right or wrong, or a share of its composites.
        groups: (n,) group codes (patient, scene); None = each photo its own group.
        confidence: of the interval that the size is used for, 0..1, exclusive.

    Returns:
        a number above 0; n where photos are right or wrong, or fewer than ENOUGH_GROUPS, and each is its own group;
        nan below ENOUGH_GROUPS groups and without photos.

    Raises:
        ValueError: a value that is not finite, or different lengths.
    """
    x = finite(shares, "shares")
    n = x.size
    sums, sizes = totals(x, groups)
    count = sizes.size
    if n == 0 or (groups is not None and count < ENOUGH_GROUPS):
        return float("nan")
    composites = composites_behind(x)
    if groups is None and (composites == 1 or n < ENOUGH_GROUPS):
        return float(n)
    mean = float(x.mean())
    trials = n * composites
    size = float(trials)
    independent = mean * (1 - mean) / (trials - 1)
    if independent > _ROUNDED**2:
        between = max(_between(x - mean), _between(sums - mean * sizes, n))
        size = trials / max(1.0, between / independent)
    means = sums / sizes
    if min(np.count_nonzero(np.abs(means - usual) > _ROUNDED) for usual in (0, 1)) < FEWEST_VARIED:
        size = min(size, n**2 / float((sizes**2).sum()))
    if count == n:
        return size
    from scipy.special import stdtrit

    tail = (1 + confidence) / 2
    return size * float(stdtrit(n - 1, tail) / stdtrit(count - 1, tail)) ** 2


def _between(residuals: Floats, photos: int = 0) -> float:
    """Variance of the mean of `photos` photos (one per residual as a default), from the sums of its clusters."""
    count = residuals.size
    return count / (count - 1) * float((residuals**2).sum()) / (photos or count) ** 2
