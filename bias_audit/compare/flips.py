"""Single images that changed sides between two runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.compare.pairing import Pairs
from bias_audit.run.statuses import OK

MOST_IMAGES = 24
"""Images that a list holds; the count beside it is of all."""


@dataclass(frozen=True)
class Flip:
    """An image in both runs.

    Attributes:
        image_id, old_id: its name in the new and in the old run.
        label: its class.
        old_predicted, new_predicted: what it was and is taken for.
        old, new: the number that the list is about.
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
    """Images that changed the same way, those that changed most first.

    Attributes:
        key: short name.
        title: what happened to them.
        good: it is a change for the better; None = it depends.
        number: what the two numbers are, in words.
        unit: of the numbers: "probability" or "number" or "points".
        total: all of them; `images` holds at most MOST_IMAGES.
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
    """Right to wrong, wrong to right, newly and no longer resting on the background, and the largest moves."""
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
    unit: str = "probability",
) -> FlipList:
    before, now = (
        table[column].astype(float).to_numpy(np.float64, na_value=np.nan) for table in (pairs.old, pairs.new)
    )
    size = np.abs(now - before)
    if good is None:  # not every image that moved by a hair
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
    return np.asarray(table[column].fillna(False).to_numpy(bool), np.bool_)
