"""The loss on real photos whose scene is commoner in another class, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from summed import summed

from bias_audit.checks.background.real_loss import BOUND, told
from bias_audit.checks.slices.conflicts import commoner_elsewhere, conflicting
from bias_audit.checks.slices.summary import MIN_SLICE

Scenes = dict[str, list[tuple[str | None, int, int]]]
"""Class -> (value of the column, photos, how many of them are right)."""

PLACES: Scenes = {"wolf": [("snow", 30, 30), ("grass", 10, 4)], "husky": [("snow", 12, 9), ("grass", 28, 28)]}
"""Snow: .75 of the wolves and .3 of the huskies, so wolves on grass and huskies in snow conflict."""


def classes(scenes: Scenes, group: int = 0, **further: list[str]) -> pd.DataFrame:
    """The class table of photos with a column `place`; with `group` that many photos of a cell are of one group."""
    records, places, groups = [], [], []
    for label, cells in scenes.items():
        for place, photos, right in cells:
            first = len(records)
            for i in range(photos):
                groups.append(len(records) if not group else first + i // group)
                places.append(place)
                records.append(
                    {"image_id": f"{len(records)}.jpg", "label": label, "status": "ok", "correct": i < right,
                     "predicted": label, "intervention_status": "no usable mask"}
                )  # fmt: skip
    codes = np.unique(groups, return_inverse=True)[1] if group else None
    return summed(records, names=tuple(scenes), user={"place": places, **further}, groups=codes)[1]


def test_wolves_on_grass_by_hand() -> None:
    row = classes(PLACES).loc["wolf"]
    assert (row["conflict_column"], row["n_conflicting"], row["n_conforming"]) == ("place", 10, 30)
    assert (row["conflicting_accuracy"], row["conforming_accuracy"]) == (0.4, 1.0)
    assert row["conflict_loss"] == pytest.approx(0.6)
    # Wilson: 4 of 10 is .1682 to .6873, 30 of 30 is .8865 to 1; .6 - hypot(.1135, .2873), .6 + hypot(0, .2318)
    assert (row["conflict_low"], row["conflict_high"]) == pytest.approx((0.2911, 0.8318), abs=2e-4)
    husky = classes(PLACES).loc["husky"]
    assert (husky["n_conflicting"], husky["conflict_loss"]) == (12, pytest.approx(0.25))
    assert told("wolf", row) == (
        f"{BOUND} On real photos, by the column place: of the 10 photos of wolf whose place is more common in another "
        "class 40% are recognised, of the other 30 100%: a loss of 60 pp [29 to 83]."
    )


def test_shares_within_classes_count_and_not_photos() -> None:
    """100 huskies in snow are more than 30 wolves there, but a smaller share of their class."""
    row = classes({**PLACES, "husky": [("snow", 100, 90), ("grass", 200, 200)]}).loc["wolf"]
    assert row["n_conflicting"] == 10


def test_nine_are_not_enough() -> None:
    row = classes({**PLACES, "wolf": [("snow", 30, 30), ("grass", 9, 0)]}).loc["wolf"]
    assert np.isnan(row["conflict_loss"])
    assert row["conflict_reason"] == f"not enough conflicting photos by place: 9 photos, {MIN_SLICE} needed"
    assert told("wolf", row) == f"{BOUND} That loss could not be measured: {row['conflict_reason']}."
    # 9 of 100 in the photos of the class that are left: these are too few as well
    row = classes({"wolf": [("snow", 9, 9), ("grass", 11, 4)], "husky": [("snow", 10, 9), ("grass", 90, 90)]})
    assert "not enough other photos by place: 9" in row.loc["wolf", "conflict_reason"]


def test_groups_count_as_one() -> None:
    """20 photos of 5 scenes are 5; of 10 scenes the interval is wider than that of 20 photos."""
    many = {**PLACES, "wolf": [("snow", 40, 40), ("grass", 20, 8)]}
    assert "5 groups of photos" in classes(many, group=4).loc["wolf", "conflict_reason"]
    grouped, single = (classes(many, group=size).loc["wolf"] for size in (2, 0))
    assert grouped["conflict_loss"] == single["conflict_loss"] == pytest.approx(0.6)
    assert grouped["conflict_low"] < single["conflict_low"]


def test_the_column_with_most_conflicting_photos_that_can_be_measured() -> None:
    """By `site` more conflict, but too few do not: it says nothing, and `place` is taken."""
    wolves, huskies = ["own"] * 5 + ["other"] * 35, ["own"] * 1 + ["other"] * 39
    table = classes(PLACES, site=wolves + huskies)
    assert table.loc["wolf", "conflict_column"] == "place"
    wolves = ["own"] * 20 + ["other"] * 20
    assert classes(PLACES, site=wolves + huskies).loc["wolf", "conflict_column"] == "site"


def test_without_a_column_nothing_is_said_of_it() -> None:
    records = [
        {"image_id": f"{i}", "label": "ab"[i % 2], "status": "ok", "correct": True, "predicted": "a"} for i in range(9)
    ]
    row = summed(records, names=("a", "b"))[1].loc["a"]
    assert row["conflict_reason"] == "no column of yours"
    assert told("a", row) == BOUND


@given(arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(1, 6)), elements=st.integers(0, 9).map(float)))
def test_a_value_is_commonest_somewhere(counts: np.ndarray) -> None:
    counts[:, 0] += 1  # every class has a photo
    there = commoner_elsewhere(counts)
    assert not there.all(axis=0).any(), "in the class where it is commonest no photo conflicts"
    assert (commoner_elsewhere(counts * 7) == there).all()


def test_photos_without_a_value_neither_conflict_nor_count() -> None:
    answers = conflicting(pd.Series(["a", "a", "b", "b"]), pd.Series(["x", None, "y", "x"]))
    assert answers.tolist()[0] == 0.0
    assert np.isnan(answers[1])
    assert answers.tolist()[2:] == [0.0, 1.0]
