"""Gaps that what the masks missed of the objects could have made: what is measured, and that nobody is accused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.class_effects import class_effects
from bias_audit.checks.background.columns import OF_IMAGES
from bias_audit.checks.background.contradictions import contradiction, unnamed_contradiction
from bias_audit.checks.background.photo_effects import photo_effects
from bias_audit.checks.culprits import blamed_themselves, to_blame
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.levels import fails_by_default, overall_level
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reliance import masks_in_doubt
from bias_audit.checks.whole_photo.rule import _background_convicted
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge_rule
from bias_audit.pipeline.verdict import verdict
from bias_audit.run.schema import TABLES
from bias_audit.run.tables import frame

BOUNDS = Thresholds()
HOLDS = {
    "background_gap_grown_holes": 0.2, "grown_holes_low": 0.01, "grown_holes_high": 0.4,
    "n_grown_holes": 10, "n_units_grown_holes": 10,
}  # fmt: skip
GAP = {
    "background_gap": 0.4, "gap_low": 0.2, "gap_high": 0.6, "p_fdr": 0.01, "background_gap_second_fill": 0.3,
    "p_second_fill": 0.01, "fill_difference": 0.1, "fill_difference_low": -0.1, "second_fill_low": 0.1, "flipped": 8,
    "becomes": "wolf", **HOLDS,
}  # fmt: skip
CLASS = {
    "n": 20, "n_read": 20, "accuracy": 1.0, "n_interventions": 20, "n_eligible": 20, "reliance_reason": "ok",
    "reliance_reason_code": "ok", "same_background_accuracy": 1.0, "other_background_accuracy": 0.6,
    "background_gap": 0.0, "gap_low": -0.1, "gap_high": 0.1, "p_fdr": 1.0, "flipped": 0, "becomes": "", "attract": 0.0,
    "attract_low": 0.0, "background_only_accuracy": 0.5, "background_only_low": 0.3, "background_only_elsewhere": 0.5,
    "background_only_second_fill": 0.5, "background_only_elsewhere_second_fill": 0.5,
}  # fmt: skip
CULPRIT = {**GAP, "attract": 0.5, "attract_low": 0.2}
CUE = {"cue_lent_effect": 0.2, "cue_lent_low": 0.1, "p_cue_lent_fdr": 0.01}
LOST = {"background_gap_grown_holes": 0.05, "grown_holes_low": -0.05, "grown_holes_high": 0.15}


class Row(dict[str, Any]):
    def __missing__(self, column: str) -> None:
        return None


def table(**rows: dict[str, Any]) -> list[tuple[str, Row]]:
    return [(name, Row(row)) for name, row in rows.items()]


def evidence(*pulls: tuple[str, str, float], **rows: dict[str, Any]) -> Evidence:
    columns = [column.name for column in TABLES["classes"] if column.name != "class_name"]
    classes = pd.DataFrame([{**CLASS, **row} for row in rows.values()], index=list(rows), columns=columns)
    classes.index.name = "class_name"
    images = frame(TABLES["images"], [{"image_id": name, "label": name, "status": "ok"} for name in rows])
    matrix = [(victim, culprit, 20, pull, 0.001) for victim, culprit, pull in pulls]
    tables = {"gap_matrix": pd.DataFrame(matrix, columns=["object_class", "background_class", "n", "pull", "p_pull"])}
    return Evidence(images.set_index("image_id"), classes, BOUNDS, tables=tables)


def judged(given: Evidence) -> tuple[dict[str, RuleOutcome], RuleOutcome]:
    """(class name -> its outcome of BA201, outcome of BA207), which must agree with the class table."""
    of_classes, (whole,) = judge_rule("BA201", given), judge_rule("BA207", given)
    rows = [{"class_name": name, **row} for name, row in given.classes.to_dict("index").items()]
    assert contradiction("BA201", of_classes, rows, BOUNDS) == ""
    assert unnamed_contradiction("BA207", "BA201", [*of_classes, whole]) == ""
    return {outcome.subject: outcome for outcome in of_classes}, whole


@pytest.mark.parametrize(
    ("change", "doubted"),
    [
        ({}, False),  # just half of a gap of .4
        ({"background_gap_grown_holes": 0.199}, True),
        ({"grown_holes_low": 0.0}, True),
        ({"grown_holes_low": None}, True),
        ({"n_units_grown_holes": 9}, True),  # min_photos is 10
        ({"n_units_grown_holes": 9, "n_grown_holes": 90}, True),  # groups count, not photos
        ({"n_grown_holes": 0, "n_units_grown_holes": 0, "background_gap_grown_holes": None}, True),
        (dict.fromkeys(HOLDS), False),  # a run from before there were such backgrounds
    ],
)
def test_when_the_masks_are_in_doubt(change, doubted):
    row = Row({**CULPRIT, **change})
    assert masks_in_doubt(row, BOUNDS) == doubted
    rows = table(wolf=row, cat={**GAP, "background_gap": 0.0, "p_fdr": 0.9})
    assert to_blame(rows, BOUNDS) == ["wolf"]
    assert blamed_themselves(rows, BOUNDS) == ([] if doubted else ["wolf"])


@pytest.mark.parametrize(
    ("change", "doubted"),
    [
        ({"attract_grown_holes": 0.25, "attract_grown_holes_low": -0.1}, False),  # just half of a pull of .5
        ({"attract_grown_holes": 0.24, "attract_grown_holes_low": 0.0}, True),
        ({"attract_grown_holes": 0.24, "attract_grown_holes_low": 0.01}, False),  # less, and certainly there
        ({"attract_grown_holes": 0.0, "attract_grown_holes_low": -0.1, "p_attract_fdr": 0.2}, False),  # pulls nobody
        ({"attract_grown_holes": None, "attract_grown_holes_low": None}, False),  # not measured
    ],
)
def test_a_pull_that_is_gone_with_grown_holes_puts_the_masks_in_doubt(change, doubted):
    """The gap itself stays: another class is a culprit, and makes one wherever the objects are put."""
    row = Row({**CULPRIT, "p_attract_fdr": 0.01, **change})
    assert masks_in_doubt(row, BOUNDS) == doubted
    if doubted:
        found, _ = judged(evidence(wolf=row, cat={}))
        assert (found["wolf"].level, found["wolf"].reason_code) == ("WATCH", "masks in doubt")
        assert "the class pulls other objects by 24 pp instead of 50 pp" in found["wolf"].sentence


@pytest.mark.parametrize(
    ("change", "doubted"),
    [
        ({"attract_grown_holes": 0.25, "attract_grown_holes_low": 0.01}, False),  # just half of a pull of .5
        ({"attract_grown_holes": 0.24, "attract_grown_holes_low": 0.01}, True),
        ({"attract_grown_holes": 0.5, "attract_grown_holes_low": 0.0}, True),
        ({"attract_grown_holes": 0.5, "attract_grown_holes_low": 0.1, "p_attract_fdr": 0.06}, True),
        ({"attract_grown_holes": 0.5, "attract_grown_holes_low": 0.1, "n_units_grown_holes": 9}, True),
        ({"attract_grown_holes": None, "attract_grown_holes_low": None}, True),
    ],
)
def test_a_pull_that_stays_accuses_though_the_gap_shrinks(change, doubted):
    """The fill of a larger hole may resemble the cue: the gap goes, and its backgrounds pull as before."""
    row = {**CULPRIT, **LOST, "p_attract_fdr": 0.01, **change}
    assert masks_in_doubt(Row(row), BOUNDS) == doubted
    found, _ = judged(evidence(wolf=row, cat={}))
    assert (found["wolf"].level == "WATCH") == doubted


@pytest.mark.parametrize("more", [{}, CUE, {"n_attention": 40, "excess_high": 0.3}])
def test_a_class_in_doubt_is_not_accused(more):
    """Whatever the level would be: SUSPICIOUS, CONFIRMED or HIDDEN."""
    found, _ = judged(evidence(wolf={**CULPRIT, **more}, cat={}))
    assert found["wolf"].level in ("SUSPICIOUS", "CONFIRMED", "HIDDEN")
    assert (found["wolf"].reason_code, found["wolf"].evidence["masks_in_doubt"]) == ("", None)
    found, _ = judged(evidence(wolf={**CULPRIT, **more, **LOST}, cat={}))
    wolf = found["wolf"]
    assert (wolf.status, wolf.level, wolf.reason_code) == ("found", "WATCH", "masks in doubt")
    assert wolf.evidence["masks_in_doubt"] == 1
    assert "grown by a fifth of the picture the gap is 5 pp [-5 to 15] instead of 40 pp" in wolf.sentence
    few, _ = judged(evidence(wolf={**CULPRIT, **more, "n_units_grown_holes": 3}, cat={}))
    assert few["wolf"].reason_code == "masks in doubt"
    assert "only 3 photos (or groups) could be pasted onto backgrounds with larger holes" in few["wolf"].sentence


def test_what_is_no_accusation_stays_as_it_is():
    weak = {**GAP, **LOST, "background_gap": 0.09, "gap_low": 0.01}
    found, _ = judged(evidence(("fox", "wolf", 0.4), wolf=CULPRIT, fox={**GAP, **LOST}, hen=weak, cat=LOST))
    assert [found[name].level for name in ("wolf", "fox", "hen", "cat")] == ["SUSPICIOUS", "COLLATERAL", "WATCH", None]
    assert {outcome.reason_code for outcome in found.values()} == {""}


def test_a_class_in_doubt_makes_nobody_its_victim():
    found, whole = judged(evidence(("fox", "wolf", 0.4), wolf={**CULPRIT, **LOST}, fox=GAP, cat={}))
    assert [found[name].level for name in ("wolf", "fox")] == ["WATCH", "WATCH"]
    # The gap of the fox stays with grown holes: the reliance is proven, and whose cue it is is not.
    assert (whole.level, whole.evidence["classes"], whole.reason_code) == ("SUSPICIOUS", "fox", "")


def test_classes_in_doubt_do_not_prove_a_reliance_of_no_known_class():
    pulls, lost = (("fox", "cat", 0.4), ("hen", "cat", 0.4)), {**GAP, **LOST}
    _, whole = judged(evidence(*pulls, fox=GAP, hen=GAP, cat={}))
    assert (whole.level, whole.measured) == ("SUSPICIOUS", 2)
    found, whole = judged(evidence(*pulls, fox=GAP, hen=lost, cat={}))
    assert (whole.level, whole.measured, whole.evidence["masks_in_doubt"]) == ("SUSPICIOUS", 1, "hen")
    assert "Not counted, since their masks are in doubt: hen." in whole.sentence
    found, whole = judged(evidence(*pulls, fox=lost, hen=lost, cat={}))
    assert (whole.status, whole.level, whole.reason_code) == ("found", "WATCH", "masks in doubt")
    assert "the gap is 5 pp [-5 to 15] instead of 40 pp" in whole.sentence
    assert fails_by_default(whole)
    # It says so in the outcomes of both rules, which must agree.
    raised = dataclasses.replace(whole, level="SUSPICIOUS", reason_code="")
    assert "says otherwise of the masks" in unnamed_contradiction("BA207", "BA201", [*found.values(), raised])


def test_an_outcome_that_hides_the_doubt_contradicts_the_class_table():
    given = evidence(wolf={**CULPRIT, **LOST}, cat={})
    (wolf, cat), rows = judge_rule("BA201", given), given.classes.reset_index().to_dict("records")
    for changed, said in (
        ({"level": "SUSPICIOUS"}, "the class table says WATCH"),
        ({"level": "SUSPICIOUS", "reason_code": ""}, "its masks are in doubt"),
        ({"reason_code": ""}, "its masks are in doubt"),
        ({}, ""),
    ):
        assert said in contradiction("BA201", [dataclasses.replace(wolf, **changed), cat], rows, BOUNDS)
    sound = evidence(wolf=CULPRIT, cat={})
    (wolf, cat), rows = judge_rule("BA201", sound), sound.classes.reset_index().to_dict("records")
    lowered = dataclasses.replace(wolf, level="WATCH", reason_code="masks in doubt")
    assert "its masks are not in doubt" in contradiction("BA201", [lowered, cat], rows, BOUNDS)


def test_the_headline_says_so_and_the_audit_fails_by_default():
    given = evidence(wolf={**CULPRIT, **LOST}, cat={})
    outcomes = judge_rule("BA201", given)
    assert [fails_by_default(outcome) for outcome in outcomes] == [True, False]
    assert overall_level(outcomes) == "WATCH"
    said = verdict(outcomes, given.classes)
    first = (
        "WATCH: a background gap was found that could come from objects, or parts of them, that the masks miss: wolf"
    )
    assert said.startswith(
        f"{first} (WATCH, masks in doubt). No reliance on the background was shown in 1 other judged"
    )
    assert said.count("masks in doubt") == 1
    assert "cannot be blamed on any class" not in said


def test_a_cue_in_doubt_is_no_headline():
    given = evidence(wolf={**GAP, **LOST}, cat={})
    evidence_of = {"class_name": "wolf"}
    cue = RuleOutcome("BA302", "t", "cue", "wolf-1", "found", "s.", "WATCH", evidence=evidence_of)
    doubted = dataclasses.replace(cue, reason_code="masks in doubt")
    said = verdict([*judge_rule("BA201", given), doubted], given.classes)
    assert said.startswith("WATCH: ")
    assert "cue" not in said.replace("masks in doubt", "")
    assert "that the masks miss: wolf (WATCH, masks in doubt)" in said


def test_a_gap_close_to_half_is_said_to_be_near():
    found, _ = judged(evidence(wolf={**CULPRIT, "background_gap_grown_holes": 0.21}, cat={}))
    assert "a gap of 21 pp with grown holes; below 20 pp the masks are in doubt" in found["wolf"].sentence
    found, _ = judged(evidence(wolf={**CULPRIT, "background_gap_grown_holes": 0.3}, cat={}))
    assert "grown holes" not in found["wolf"].sentence


def test_the_rule_on_whole_photos_takes_no_class_in_doubt_for_convicted():
    given = evidence(wolf=CULPRIT, fox={**CULPRIT, **LOST})
    assert [_background_convicted(name, given) for name in ("wolf", "fox")] == [True, False]


def composites(*rows: tuple[int, str, int]) -> pd.DataFrame:
    """Composites of photos of class 0: photo, arm, predicted."""
    names = [field.name for field in dataclasses.fields(arms.Composite)]
    made = [
        dict.fromkeys(names, 0.0) | {"photo": photo, "arm": arm, "fill": "inpaint", "donor": 9, "predicted": predicted}
        for photo, arm, predicted in rows
    ]
    return pd.DataFrame(made, columns=names).assign(label=0)


def test_a_photo_by_hand():
    both = [(0, arms.SAME, 0), (0, arms.OTHER, 1), (1, arms.SAME, 0), (1, arms.OTHER, 0)]
    wide = [(0, arms.GROWN_SAME, 0), (0, arms.GROWN_SAME, 0), (0, arms.GROWN_OTHER, 0), (0, arms.GROWN_OTHER, 1)]
    photos = pd.DataFrame({"label": [0, 0], "predicted": [0, 0], "log_odds_label": [0.0, 0.0]})
    effects = photo_effects(composites(*both, *wide), photos, np.zeros(2))
    names = ["background_gap", "other_background_accuracy", "same_background_accuracy_grown_holes"]
    assert effects.loc[0, names].tolist() == [1, 0, 1], "the first set is as it was"
    assert effects.loc[0, "other_background_accuracy_grown_holes"] == 0.5
    assert effects.loc[0, "background_gap_grown_holes"] == 0.5
    assert effects["grown_holes_donors"].tolist() == [2, 0]
    assert np.isnan(effects.loc[1, "background_gap_grown_holes"])


def effects_of(given: list[float | None], donors: int | None = 3, groups: pd.Series | None = None) -> dict[str, Any]:
    rows = [
        {"intervention_status": "done", "background_gap": 0.4, "same_background_accuracy": 1.0, "swap_log_odds": 1.0,
         "other_background_accuracy": 0.6, "neutral_background_accuracy": 1.0, "background_gap_grown_holes": gap,
         "same_background_accuracy_grown_holes": None if gap is None else 1.0,
         "other_background_accuracy_grown_holes": None if gap is None else 1 - gap,
         "grown_holes_donors": donors if gap is not None or donors is None else 0}
        for gap in given
    ]  # fmt: skip
    read = frame(OF_IMAGES, rows).assign(label="a")
    return class_effects(read, 10, 0, groups)


def test_a_class_by_hand():
    row = effects_of([0.2] * 12 + [None] * 8)
    assert (row["n_interventions"], row["n_grown_holes"], row["n_units_grown_holes"]) == (20, 12, 12)
    assert row["background_gap_grown_holes"] == pytest.approx(0.2)
    assert row["grown_holes_low"] < 0.2 < row["grown_holes_high"]
    groups = pd.Series(np.arange(20) // 4)
    assert effects_of([0.2] * 12 + [None] * 8, groups=groups)["n_units_grown_holes"] == 3


def test_where_no_photo_got_one_the_class_is_in_doubt_and_in_older_runs_it_is_not():
    row = effects_of([None] * 20)
    assert (row["n_grown_holes"], row["n_units_grown_holes"]) == (0, 0)
    assert masks_in_doubt(Row({**row, "background_gap": 0.4}), BOUNDS)
    older = effects_of([None] * 20, donors=None)
    assert "n_grown_holes" not in older
    assert not masks_in_doubt(Row({**older, "background_gap": 0.4}), BOUNDS)
