"""How unusual a photo's value is among the photos of its class."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats


def robust_z_within(values: pd.Series, labels: pd.Series) -> NDArray[np.float64]:
    """Robust z-score of every photo's value, computed within its class.

    Args:
        values: (n,) value of each photo; NaN where it has none.
        labels: (n,) class of each photo.

    Returns:
        (n,) z-scores, see `stats.robust_z`; NaN without a value, and in classes with fewer than
        `stats.ENOUGH_FOR_OUTLIERS` values.
    """
    given = values.to_numpy(float)
    scores = np.full(len(given), np.nan)
    for positions in labels.groupby(labels.to_numpy()).indices.values():
        own = positions[~np.isnan(given[positions])]
        if len(own) >= stats.ENOUGH_FOR_OUTLIERS:
            scores[own] = stats.robust_z(given[own])
    return scores


def outlier_p_within(values: pd.Series, labels: pd.Series) -> NDArray[np.float64]:
    """How often chance would put a photo of its class as far up, corrected for all photos that were looked at.

    Args:
        values: (n,) value of each photo; NaN where it has none.
        labels: (n,) class of each photo.

    Returns:
        (n,) p-values (`stats.upper_tail_p`) within the class after Benjamini-Hochberg over all classes together; NaN
        without a value, and in classes with fewer than `stats.ENOUGH_FOR_OUTLIERS` values.
    """
    given = values.to_numpy(float)
    chances = np.full(len(given), np.nan)
    for positions in labels.groupby(labels.to_numpy()).indices.values():
        own = positions[~np.isnan(given[positions])]
        if len(own) >= stats.ENOUGH_FOR_OUTLIERS:
            chances[own] = stats.upper_tail_p(given[own])
    return stats.benjamini_hochberg(chances)
