"""Gaps that a minority of the backgrounds makes: what is measured, by hand, and that nobody is accused of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_masks_in_doubt import BOUNDS, CUE, CULPRIT, GAP, Row, evidence, judged

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.strongest import gap_without_strongest, weaker_donors, without_strongest
from bias_audit.checks.base import Photos
from bias_audit.checks.levels import fails_by_default
from bias_audit.checks.reliance import masks_in_doubt, pull_of_minority
from bias_audit.pipeline.judge import judge_rule

PER_CLASS = 10
STAYS = {"background_gap_without_strongest": 0.2, "without_strongest_low": 0.01, "without_strongest_high": 0.4,
         "n_without_strongest": 12}  # fmt: skip
GONE = {**STAYS, "background_gap_without_strongest": 0.02, "without_strongest_low": -0.05}
PULLS = {"attract_without_strongest": 0.25, "attract_without_strongest_low": 0.1, "p_attract_fdr": 0.01}
NO_PULL = {"attract_without_strongest": 0.02, "attract_without_strongest_low": -0.01}


def world(cued: int, *, size: int = PER_CLASS, scores: dict[int, float] | None = None) -> pd.DataFrame:
    """`size` photos of class 0 and then as many of class 1, each on all other backgrounds of both classes.

    The model calls everything 0 on the first `cued` backgrounds of class 0, and on all others what the object is. These
    backgrounds look most like class 0 without an object. Class 1 leaves no trace in its backgrounds.
    """
    names = [field.name for field in dataclasses.fields(arms.Composite)]
    rows = []
    for photo in range(2 * size):
        label = photo // size
        own = 2.0 if photo < cued else -float(photo) / 10
        known = {} if scores is None else scores
        if scores is None or photo in known:
            rows.append((label, photo, arms.BACKGROUND, -1, -1, label, known.get(photo, own)))
        rows.append((label, photo, arms.FOREGROUND, -1, -1, label, 0.0))
        for donor in set(range(2 * size)) - {photo}:
            arm = arms.SAME if donor // size == label else arms.OTHER
            rows.append((label, photo, arm, donor, donor // size, 0 if donor < cued else label, 0.0))
    columns = ["label", "photo", "arm", "donor", "donor_label", "predicted", "log_odds"]
    made = pd.DataFrame(rows, columns=columns).reindex(columns=[*names, "label"])
    return made.assign(fill=np.where(made["arm"] == arms.FOREGROUND, "black", "inpaint"), probability=0.5)


def gap_of(made: pd.DataFrame, label: int = 1) -> float:
    first = made[(made["label"] == label) & made["arm"].isin((arms.SAME, arms.OTHER))]
    right = (first["predicted"] == label).groupby([first["photo"], first["arm"]]).mean().unstack()
    return float((right[arms.SAME] - right[arms.OTHER]).mean())


@pytest.mark.parametrize(
    ("cued", "gap", "rest"),
    [
        (3, 0.3, 0.0),  # three of ten backgrounds make it, and all three are among the strongest four
        (5, 0.5, 1 / 6),  # less than half of the gap
        (6, 0.6, 2 / 6),  # more than half
        (9, 0.9, 5 / 6),
        (10, 1.0, 1.0),
    ],
)
def test_a_minority_of_donors_makes_a_gap_that_goes_and_a_cue_of_most_one_that_stays(cued, gap, rest):
    made = world(cued)
    assert gap_of(made) == pytest.approx(gap)
    row = gap_without_strongest(without_strongest(made), 1)
    assert row["background_gap_without_strongest"] == pytest.approx(rest)
    assert row["n_without_strongest"] == PER_CLASS
    assert (row["without_strongest_low"] > 0) == (cued > 5)
    doubted = masks_in_doubt(Row({"background_gap": gap, **row}), BOUNDS)
    assert doubted == (cued <= PER_CLASS // 2), "a minority"


def test_which_donors_are_left_out():
    scores = {0: 3.0, 1: 1.0, 2: 2.0, 10: 0.0, 11: 0.0, 12: -1.0, 13: 5.0}
    made = world(0, scores=scores)
    # A third of three is one, of four two, rounded up; of 10 and 11, which are equal, the later one goes.
    assert weaker_donors(made, np.arange(2 * PER_CLASS)).tolist() == [1, 2, 10, 12]
    assert weaker_donors(made, np.array([0, 0, 1])).tolist() == [1], "of the donors that lent a background"
    rest = without_strongest(made)
    assert set(rest.loc[rest["arm"] != arms.FOREGROUND, "donor"]) == {1, 2, 10, 12}, "the others are not known"
    assert (rest["arm"] == arms.FOREGROUND).sum() == 2 * PER_CLASS


def test_where_no_emptied_picture_was_predicted_nothing_is_said():
    made = world(3)
    for none in (made[made["arm"] != arms.BACKGROUND], made.iloc[:0]):
        assert without_strongest(none) is None
    assert gap_without_strongest(None, 0) == {}
    assert not masks_in_doubt(Row({**CULPRIT}), BOUNDS)


def test_photos_that_lack_an_arm_do_not_count():
    made = world(10)
    own = made[(made["photo"] != 10) | (made["arm"] != arms.SAME)]
    assert gap_without_strongest(without_strongest(own), 1)["n_without_strongest"] == PER_CLASS - 1
    alone = made[made["arm"] != arms.OTHER]
    assert gap_without_strongest(without_strongest(alone), 1) == {"n_without_strongest": 0}
    assert masks_in_doubt(Row({**CULPRIT, "n_without_strongest": 0}), BOUNDS)


def test_groups_count_as_one_in_the_interval():
    made, groups = world(18, size=20), np.arange(40) // 2
    one, two = (gap_without_strongest(without_strongest(made), 1, each) for each in (None, groups))
    name = "background_gap_without_strongest"
    assert one[name] == two[name]
    assert two["without_strongest_low"] < one["without_strongest_low"]


def test_the_class_table_has_the_columns():
    from bias_audit.checks.background.summary import of_classes
    from bias_audit.config import Thresholds
    from bias_audit.run.schema import TABLES
    from bias_audit.run.tables import frame

    made = world(3)
    rows = [{"image_id": str(i), "label": "ab"[i // PER_CLASS], "status": "ok", "background_gap": 0.3,
             "same_background_accuracy": 1.0, "other_background_accuracy": 0.7, "swap_log_odds": 1.0,
             "neutral_background_accuracy": 1.0, "intervention_status": "done"} for i in range(20)]  # fmt: skip
    images = frame(TABLES["images"], rows).set_index("image_id")
    table = of_classes(made, Photos(images, ("a", "b"), None, {}, Thresholds(), 0))
    assert table["background_gap_without_strongest"].tolist() == [0.0, 0.0]
    assert table["n_without_strongest"].tolist() == [10, 10]
    # Three of ten backgrounds pull all objects of b; without them nothing pulls.
    assert table["attract"].iloc[0] == pytest.approx(0.3)
    assert table["attract_without_strongest"].iloc[0] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("change", "doubted"),
    [
        ({}, False),  # just half of a gap of .4
        ({"background_gap_without_strongest": 0.199}, True),
        ({"without_strongest_low": 0.0}, True),
        ({"without_strongest_low": None}, True),
        ({**GONE, **PULLS}, False),  # of which the pull stays: half of .5
        ({**GONE, **PULLS, "attract_without_strongest": 0.24}, True),
        ({**GONE, **PULLS, "attract_without_strongest_low": 0.0}, True),
        ({"n_without_strongest": 1}, False),  # the interval says what few photos leave open
        (dict.fromkeys(STAYS), False),  # a run from before this was measured
        ({**GONE, "n_scenes": 3}, False),  # real scenes, in which no object stood
        ({"attract_without_strongest": 0.25, "attract_without_strongest_low": -0.1}, False),  # half of a pull of .5
        ({"attract_without_strongest": 0.24, "attract_without_strongest_low": 0.01}, False),  # certain and large enough
        ({"attract_without_strongest": 0.24, "attract_without_strongest_low": 0.0}, True),
        ({"attract_without_strongest": 0.09, "attract_without_strongest_low": 0.01}, True),  # that accuses nobody
        (NO_PULL, True),
        ({**NO_PULL, "attract_low": 0.0}, False),  # a pull that was not certain in the first place
        ({"attract_without_strongest": None, "attract_without_strongest_low": None}, False),
    ],
)
def test_when_a_minority_puts_the_masks_in_doubt(change, doubted):
    row = {**CULPRIT, **STAYS, **change}
    assert masks_in_doubt(Row(row), BOUNDS) == doubted
    found, _ = judged(evidence(wolf=row, cat={}))
    assert (found["wolf"].reason_code == "masks in doubt") == doubted
    assert not doubted or found["wolf"].level == "WATCH"


def test_a_pull_that_is_not_certain_takes_no_doubt_away():
    assert not masks_in_doubt(Row({**CULPRIT, **GONE, **PULLS}), BOUNDS)
    assert masks_in_doubt(Row({**CULPRIT, **GONE, **PULLS, "p_attract_fdr": 0.06}), BOUNDS)


@pytest.mark.parametrize("more", [{}, CUE, {"n_attention": 40, "excess_high": 0.3}])
def test_a_class_of_which_a_minority_makes_the_gap_is_not_accused(more):
    """Whatever the level would be: SUSPICIOUS, CONFIRMED or HIDDEN."""
    found, _ = judged(evidence(wolf={**CULPRIT, **more, **STAYS}, cat={}))
    assert found["wolf"].level in ("SUSPICIOUS", "CONFIRMED", "HIDDEN")
    found, _ = judged(evidence(wolf={**CULPRIT, **more, **GONE}, cat={}))
    wolf = found["wolf"]
    assert (wolf.status, wolf.level, wolf.reason_code) == ("found", "WATCH", "masks in doubt")
    assert fails_by_default(wolf), "a doubt is no acquittal"
    assert "the gap is 2 pp [-5 to 40] instead of 40 pp. It comes from a minority of the backgrounds" in wolf.sentence
    assert "look at the emptied photos" in wolf.sentence
    assert wolf.evidence["background_gap_without_strongest"] == 0.02


def test_a_pull_of_a_minority_is_told_as_such():
    """The gap itself stays: another class is a culprit, and makes one wherever the objects are put."""
    row = {**CULPRIT, **STAYS, **NO_PULL}
    assert pull_of_minority(Row(row), BOUNDS)
    found, _ = judged(evidence(wolf=row, cat={}))
    assert "the class pulls other objects by 2 pp instead of 50 pp. The pull comes from a minority" in (
        found["wolf"].sentence
    )
    none, _ = judged(evidence(wolf={**CULPRIT, "n_without_strongest": 0}, cat={}))
    assert "no photos are left to show that a gap of 40 pp stays" in none["wolf"].sentence


def test_a_class_of_a_minority_makes_nobody_its_victim():
    found, whole = judged(evidence(("fox", "wolf", 0.4), wolf={**CULPRIT, **GONE}, fox={**GAP, **STAYS}, cat={}))
    assert [found[name].level for name in ("wolf", "fox")] == ["WATCH", "WATCH"]
    assert (whole.level, whole.evidence["classes"]) == ("SUSPICIOUS", "fox")
    _, whole = judged(evidence(("fox", "cat", 0.4), fox={**GAP, **GONE}, wolf={}, cat={}))
    assert (whole.level, whole.reason_code) == ("WATCH", "masks in doubt")
    assert "the gap is 2 pp [-5 to 40] instead of 40 pp" in whole.sentence


def test_a_gap_close_to_half_is_said_to_be_near():
    row = {**CULPRIT, **STAYS, "background_gap_without_strongest": 0.21}
    (wolf, _) = judge_rule("BA201", evidence(wolf=row, cat={}))
    near = "a gap of 20 pp with grown holes and 21 pp without the strongest backgrounds; below 20 pp the masks are in"
    assert near in wolf.sentence
