"""The background gap where a class lends fewer backgrounds than it has photos: photos and donors are crossed.

Photos that share a background are no independent trials: with six donors of a class, one that hides whatever is pasted
on it lowers all photos together. See docs/science.md#background-gap.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background import composites as arms
from bias_audit.config import FIRST_FILL


def crossed_gap_p(composites: pd.DataFrame, groups: NDArray[np.intp] | None = None) -> float:
    """P of the background gap of one class with photos and donors crossed.

    Args:
        composites: the composites of one class, one row per `composites.Composite`.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.

    Returns:
        two-sided p, see `stats.crossed_p`; NaN where the class lends as many backgrounds as it has photos.
    """
    first = composites[(composites["fill"] == FIRST_FILL) & composites["arm"].isin((arms.SAME, arms.OTHER))]
    same = (first["arm"] == arms.SAME).to_numpy()
    photo, donor = first["photo"].to_numpy(np.intp), first["donor"].to_numpy(np.intp)
    lent = len(np.unique(donor[same]))
    if not same.any() or lent >= len(np.unique(photo)):
        return float("nan")
    right = (first["predicted"] == first["label"]).to_numpy(float)
    _, row = np.unique(photo, return_inverse=True)
    weights, centres = np.zeros(len(first)), np.zeros(len(first))
    for arm, sign in ((same, 1.0), (~same, -1.0)):
        sizes = np.bincount(row[arm], minlength=row.max() + 1)[row[arm]]
        weights[arm] = sign / (sizes * (row.max() + 1))
        centres[arm] = float((np.abs(weights[arm]) * right[arm]).sum())
    if groups is not None:
        real = donor >= len(groups)  # scenes, which no group has
        photo, donor = groups[photo], np.where(real, donor + groups.max() + 1, groups[np.where(real, 0, donor)])
    return stats.crossed_p(right, weights, photo, donor, centres=centres)
