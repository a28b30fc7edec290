"""The composites without the backgrounds that look most like their class to the model, with the object removed.

A cue goes with its class and stands in most of its backgrounds. What the masks missed, a second object say, stands in a
minority of them, and there the model finds the class though its object is gone. So a gap that a minority makes goes
away without these backgrounds, and one that a cue makes stays. See docs/science.md#strongest-backgrounds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background import composites as arms
from bias_audit.config import FIRST_FILL

LEFT_OUT = 3
"""One of so many donors of each class is left out, rounded up: those with the highest log-odds of it when emptied.

Where a third is left out, what makes a gap stands in a minority of the backgrounds just if less than half of the gap is
left."""


def without_strongest(composites: pd.DataFrame) -> pd.DataFrame | None:
    """The composites on backgrounds of the own class and of others, first fill, without the strongest backgrounds.

    Args:
        composites: one row per `composites.Composite`, with the column `label` of its photo (class indices).

    Returns:
        those rows, and all of the arm FOREGROUND. Donors without a prediction of their emptied picture are left out as
        well. None where no donor has one: real scenes, or no composites.
    """
    exchanged = composites[(composites["fill"] == FIRST_FILL) & composites["arm"].isin((arms.SAME, arms.OTHER))]
    kept = weaker_donors(composites, exchanged["donor"].to_numpy(np.intp))
    if kept is None:
        return None
    backdrops = composites[composites["arm"] == arms.FOREGROUND]
    return pd.concat([exchanged[exchanged["donor"].isin(kept)], backdrops])


def weaker_donors(composites: pd.DataFrame, donors: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """The donors that are kept of each class: all but those that look most like it, see LEFT_OUT.

    Args:
        composites: as of `without_strongest`.
        donors: positions of the samples that lent a background, each once or more.

    Returns:
        positions, sorted; None where no donor has a prediction of its emptied picture.
    """
    emptied = composites[(composites["fill"] == FIRST_FILL) & (composites["arm"] == arms.BACKGROUND)]
    emptied = emptied[emptied["photo"].isin(np.unique(donors))]
    if emptied.empty:
        return None
    ordered = emptied.sort_values(["log_odds", "photo"])  # of equal ones the later photos: any order that is fixed
    place = ordered.groupby("label").cumcount().to_numpy()
    size = ordered.groupby("label")["photo"].transform("size").to_numpy()
    kept = ordered["photo"].to_numpy(np.intp)[place < size * (LEFT_OUT - 1) // LEFT_OUT]
    return np.sort(kept)


def gap_without_strongest(
    rest: pd.DataFrame | None, label: int, groups: NDArray[np.intp] | None = None
) -> dict[str, Any]:
    """The background gap of a class on the backgrounds that `without_strongest` leaves.

    Args:
        rest: composites of `without_strongest`; None = nothing is said.
        label: index of the class.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.

    Returns:
        column name -> value, names as in `columns.OF_CLASSES`: photos with backgrounds in both arms, their mean gap and
        its 95 % interval; {} without `rest`.
    """
    if rest is None:
        return {}
    own = rest[(rest["label"] == label) & rest["arm"].isin((arms.SAME, arms.OTHER))]
    right = (own["predicted"] == label).groupby([own["photo"], own["arm"]]).mean().unstack()
    both = right.reindex(columns=[arms.SAME, arms.OTHER]).dropna()
    row: dict[str, Any] = {"n_without_strongest": len(both)}
    if both.empty:
        return row
    same, other = (both[arm].to_numpy(float) for arm in (arms.SAME, arms.OTHER))
    codes = None if groups is None else groups[both.index.to_numpy(np.intp)]
    low, high = stats.paired_difference_interval(same, other, groups=codes)
    row["background_gap_without_strongest"] = float((same - other).mean())
    if math.isfinite(low):
        row["without_strongest_low"], row["without_strongest_high"] = low, high
    return row
