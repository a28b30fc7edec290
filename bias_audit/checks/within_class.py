"""How unusual a photo is among those of its class."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats


def robust_z_within(values: pd.Series, labels: pd.Series) -> NDArray[np.float64]:
    """Robust z of every value among those of its class; NaN in classes with fewer than ENOUGH_FOR_OUTLIERS values.

    Args:
        values: (n,) NaN where there is none.
        labels: (n,) class of each.

    Returns:
        (n,) see `stats.robust_z`.
    """
    given, names = values.to_numpy(float), labels.to_numpy(object)
    scores = np.full(len(given), np.nan)
    for name in pd.unique(names):
        own = np.flatnonzero((names == name) & ~np.isnan(given))
        if len(own) >= stats.ENOUGH_FOR_OUTLIERS:
            scores[own] = stats.robust_z(given[own])
    return scores
