"""Lists the single images that changed most between two runs, or whose prediction turned right or wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.compare.pairing import Pairs
from bias_audit.run.statuses import OK

MOST_IMAGES = 24
"""Most images that one list holds; its `total` counts all of them."""


@dataclass(frozen=True)
class Flip:
    """One image that both runs have, before and now.

    Attributes:
        image_id, old_id: name of the image in the new and in the old run.
        label: class of the image.
        old_predicted, new_predicted: class that the old and the new model predict.
        old, new: the number that the list is about, in the old and in the new run; NaN where a run has none.
    """

    image_id: str
    old_id: str
    label: str
    old_predicted: str
    new_predicted: str
    old: float
    new: float


@dataclass(frozen=True)
class FlipList:
    """Images that changed in the same way, the largest change first.

    Attributes:
        key: short name of the list.
        title: heading of the list: what happened to its images.
        good: whether the change is for the better; None = it can be either.
        number: name of the numbers `old` and `new` of each image, in words.
        unit: unit of these numbers (`quantities.Unit`).
        total: how many images changed in this way.
        images: the first MOST_IMAGES of them.
    """

    key: str
    title: str
    good: bool | None
    number: str
    unit: str
    total: int
    images: tuple[Flip, ...]


Flags = NDArray[np.bool_]


def find_flips(pairs: Pairs) -> list[FlipList]:
    """List the images whose prediction, reliance or numbers changed between two runs.

    Returns:
        six lists: right to wrong, wrong to right, newly resting on the background, no longer resting on it, and the
        largest moves of background excess and of background gap.
    """
    old, new = pairs.old, pairs.new
    read = ((old["status"] == OK) & (new["status"] == OK)).to_numpy(bool)
    was, is_ = (_flags(table, "correct") for table in (old, new))
    rested, rests = (_flags(table, "rests_on_background") for table in (old, new))
    known = (old["rests_on_background"].notna() & new["rests_on_background"].notna()).to_numpy(bool)
    none = np.zeros(len(pairs), bool)
    probability, gap, excess = "probability_label", "background_gap", "background_excess_label"
    of_label = "probability of the label"
    return [
        _listed(pairs, "right to wrong", "Right before, wrong now", False, read & was & ~is_, probability, of_label),
        _listed(pairs, "wrong to right", "Wrong before, right now", True, read & ~was & is_, probability, of_label),
        _listed(
            pairs, "newly resting", "Newly resting on the background", False, known & ~rested & rests, gap,
            "background gap", "points",
        ),
        _listed(
            pairs, "no longer resting", "No longer resting on the background", True, known & rested & ~rests, gap,
            "background gap", "points",
        ),
        _listed(
            pairs, "attention moved", "Attention moved most", None, ~none, excess, "background excess", "number",
        ),
        _listed(pairs, "gap moved", "Background gap moved most", None, ~none, gap, "background gap", "points"),
    ]  # fmt: skip


def _listed(
    pairs: Pairs,
    key: str,
    title: str,
    good: bool | None,
    chosen: Flags,
    column: str,
    number: str,
    unit: str = "share",
) -> FlipList:
    before, now = (
        table[column].astype(float).to_numpy(np.float64, na_value=np.nan) for table in (pairs.old, pairs.new)
    )
    size = np.abs(now - before)
    if good is None:  # leaves out images whose number did not change, or is missing in a run
        chosen = chosen & (size > 0)
    places = np.flatnonzero(chosen)
    order = sorted(map(int, places), key=lambda place: (-np.nan_to_num(size[place], nan=-1.0), place))

    def text(table: pd.DataFrame, place: int, name: str) -> str:
        return str(table[name].iloc[place])

    rows = tuple(
        Flip(
            text(pairs.new, place, "image_id"),
            text(pairs.old, place, "image_id"),
            text(pairs.new, place, "label"),
            text(pairs.old, place, "predicted"),
            text(pairs.new, place, "predicted"),
            float(before[place]),
            float(now[place]),
        )
        for place in order[:MOST_IMAGES]
    )
    return FlipList(key, title, good, number, unit, len(places), rows)


def _flags(table: pd.DataFrame, column: str) -> Flags:
    return np.asarray(table[column].astype("boolean").fillna(False).to_numpy(bool), np.bool_)
