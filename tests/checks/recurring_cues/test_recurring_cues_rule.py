"""BA302 on tables made by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bias_audit.checks.base import Measured
from bias_audit.checks.evidence import Evidence
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge_rule
from bias_audit.run import tables

STRONG: dict[str, Any] = {
    "cue_id": "wolf-1a2b3c", "class_name": "wolf", "n": 40, "class_share": 0.8, "lift": 1.9,
    "attention_share": 0.5, "object_share": 0.1, "object_estimated": 0.0, "proof_status": "ok", "n_proof": 20,
    "erase_effect": 0.02, "erase_low": -0.01, "erase_high": 0.05, "paste_effect": 0.6, "paste_low": 0.4,
    "paste_high": 0.8, "turned": 0.65, "turned_control": 0.05, "p_erase_fdr": 0.4, "p_paste_fdr": 0.001,
}  # fmt: skip


def judged(*rows: dict[str, Any], reason: str = "", classes: pd.DataFrame | None = None) -> list[Any]:
    spots = [{"cue_id": row["cue_id"], "image_id": f"{row['cue_id']}.jpg", "rank": 1} for row in rows]
    empty = pd.DataFrame()
    made = {"cues": tables.table("cues", rows), "cue_spots": tables.table("cue_spots", spots)}
    measured = {"recurring_cues": Measured(made, own=lambda: reason)}
    return judge_rule("BA302", Evidence(empty, empty if classes is None else classes, Thresholds(), measured))


def test_one_effect_confirms_and_the_sentence_gives_the_numbers():
    (outcome,) = judged(STRONG, {**STRONG, "cue_id": "dog-0", "p_paste_fdr": 0.2})
    assert (outcome.status, outcome.level, outcome.subject) == ("found", "CONFIRMED", "wolf-1a2b3c")
    assert (outcome.measured, outcome.low, outcome.high, outcome.p_value, outcome.n) == (0.6, 0.4, 0.8, 0.001, 20)
    assert outcome.evidence["class_name"] == "wolf"
    assert outcome.image_ids == ("wolf-1a2b3c.jpg",)
    assert "turns 65% of them into wolf (another piece: 5%). Tested on 20 photos." in outcome.sentence
    assert outcome.evidence["title"] == "cue 2 of wolf"
    assert "looking at cue 2 of wolf, in 80% of the images" in outcome.sentence
    assert "1a2b3c" not in outcome.sentence
    assert "estimated" not in outcome.sentence


@pytest.mark.parametrize(
    ("row", "level"),
    [
        ({}, "WATCH"),
        ({"background_gap_grown_holes": 0.3, "grown_holes_low": 0.1}, "CONFIRMED"),  # the gap stays
        ({"p_fdr": 0.3}, "CONFIRMED"),  # no gap that the masks could have made
        ({"n_units_grown_holes": None}, "CONFIRMED"),  # an older run
    ],
)
def test_a_cue_that_may_be_what_the_masks_miss_confirms_nothing(row, level):
    """Planted shapes without the lowest 35 % of their masks: five confirmed cues of an honest model were shapes."""
    doubted = {
        "class_name": "wolf", "background_gap": 0.4, "p_fdr": 0.01, "background_gap_grown_holes": 0.0,
        "grown_holes_low": -0.1, "n_grown_holes": 40, "n_units_grown_holes": 40,
    }  # fmt: skip
    classes = tables.table("classes", [{**doubted, **row}, {"class_name": "dog"}])
    (outcome,) = judged(STRONG, classes=classes)
    assert outcome.level == level
    assert outcome.reason_code == ("masks in doubt" if level == "WATCH" else "")
    assert ("may be a part of the object that the masks miss" in outcome.sentence) == (level == "WATCH")
    assert judged({**STRONG, "class_name": "dog"}, classes=classes)[0].level == "CONFIRMED"
    legitimate = judged({**STRONG, "judgement": "legitimate"}, classes=classes)[0]
    assert (legitimate.level, legitimate.reason_code) == ("CONTEXT", "")


OF_MINORITY = {
    "background_gap": 0.4, "p_fdr": 0.01, "n_without_strongest": 40, "background_gap_without_strongest": 0.3,
    "without_strongest_low": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "level"),
    [
        ({}, "WATCH"),
        ({"without_strongest_low": 0.1}, "CONFIRMED"),  # the gap stays
        ({"p_fdr": 0.3}, "CONFIRMED"),  # no gap that a minority could have made
        ({"n_without_strongest": None}, "CONFIRMED"),  # an older run
    ],
)
def test_a_cue_that_may_be_a_second_object_confirms_nothing(row, level):
    """Masks that miss objects in the photos of one class may miss them in those of a class whose gap does not count."""
    classes = tables.table("classes", [{"class_name": "wolf", **OF_MINORITY, **row}, {"class_name": "dog"}])
    for name, whose in (("wolf", "the background gap of wolf, or its pull,"), ("dog", "the gap of wolf")):
        (outcome,) = judged({**STRONG, "class_name": name}, classes=classes)
        assert outcome.level == level
        assert outcome.reason_code == ("masks in doubt" if level == "WATCH" else "")
        assert (f"{whose} comes from a minority of the backgrounds" in outcome.sentence) == (level == "WATCH")


def test_a_cue_of_a_class_whose_own_gap_stays_is_confirmed_beside_gaps_of_a_minority():
    stays = {**OF_MINORITY, "without_strongest_low": 0.1}
    classes = tables.table("classes", [{"class_name": "wolf", **stays}, {"class_name": "fox", **OF_MINORITY}])
    assert judged(STRONG, classes=classes)[0].level == "CONFIRMED"


@pytest.mark.parametrize(
    "change",
    [
        {"p_paste_fdr": 0.06},
        {"paste_effect": 0.04},
        {"paste_low": 0.0},
        {"object_share": 0.5},
        {"object_share": 0.25, "object_estimated": 0.5},
        {"proof_status": "not tied to a class", "proof_status_code": "not tied"},
    ],
)
def test_what_is_missing_for_a_proof(change):
    (outcome,) = judged({**STRONG, **change}, {**STRONG, "cue_id": "x", "p_paste_fdr": 1.0})
    assert (outcome.status, outcome.scope) == ("passed", "dataset")


def test_an_estimated_object_is_said_and_erasing_alone_is_a_proof():
    change = {"object_estimated": 1.0, "p_paste_fdr": 1.0, "p_erase_fdr": 0.01, "erase_effect": 0.3, "erase_low": 0.2}
    (outcome,) = judged({**STRONG, **change})
    assert outcome.level == "CONFIRMED"
    assert outcome.measured == 0.3
    assert "the place of the object was estimated" in outcome.sentence


@pytest.mark.parametrize(("effect", "low", "level"), [
    (0.09, 0.03, "WATCH"), (0.14, 0.05, "WATCH"), (0.14, 0.051, "CONFIRMED"), (0.15, 0.01, "CONFIRMED"),
])  # fmt: skip
def test_a_small_effect_must_have_a_limit_above_the_floor(effect, low, level):
    (outcome,) = judged({**STRONG, "paste_effect": effect, "paste_low": low})
    assert (outcome.status, outcome.level) == ("found", level)
    assert ("More photos would tell" in outcome.sentence) == (level == "WATCH")


def test_of_two_effects_the_certain_one_is_reported():
    """Pasting moves more and may be chance; erasing is certain."""
    change = {"paste_effect": 0.12, "paste_low": 0.01, "p_erase_fdr": 0.01, "erase_effect": 0.1, "erase_low": 0.06}
    (outcome,) = judged({**STRONG, **change})
    assert (outcome.level, outcome.measured, outcome.low) == ("CONFIRMED", 0.1, 0.06)


def test_erasing_proves_where_hosts_are_too_few_to_test_pasting():
    nan = float("nan")
    few = {"paste_effect": nan, "paste_low": nan, "paste_high": nan, "p_paste_fdr": nan, "n_proof_groups": 12}
    change = {"p_erase_fdr": 0.01, "erase_effect": 0.3, "erase_low": 0.2}
    (outcome,) = judged({**STRONG, **few, **change})
    assert (outcome.level, outcome.measured) == ("CONFIRMED", 0.3)
    assert outcome.sentence.endswith("Tested on 20 photos from 12 groups.")
    assert "nan" not in outcome.sentence


def test_a_legitimate_thing_is_context_and_goes_by_its_name():
    (outcome,) = judged({**STRONG, "name": "snow", "judgement": "legitimate"})
    assert (outcome.status, outcome.level) == ("found", "CONTEXT")
    assert "looking at 'snow'" in outcome.sentence
    (outcome,) = judged({**STRONG, "name": "snow", "judgement": "artefact"})
    assert outcome.level == "CONFIRMED"


def test_nothing_looked_for_or_nothing_to_prove_is_no_pass():
    (outcome,) = judged(STRONG, reason="switched off")
    assert outcome.status == "not applicable"
    assert "switched off" in outcome.sentence
    (outcome,) = judged()
    assert outcome.status == "not applicable"
    (outcome,) = judged({**STRONG, "proof_status": "not enough images with room for a control"})
    assert outcome.status == "not applicable"
    few = {"proof_status": "fewer than 10 groups of images", "proof_status_code": "too few groups of images"}
    (outcome,) = judged({**STRONG, **few})
    assert (outcome.status, outcome.reason_code) == ("not applicable", "too few groups of images")
    (outcome,) = judged({**STRONG, "proof_status": "in other words", "proof_status_code": "not tied"})
    assert outcome.status == "passed", "the code counts, and not the words"
    empty = pd.DataFrame()
    (outcome,) = judge_rule("BA302", Evidence(empty, empty, Thresholds()))
    assert outcome.status == "not applicable"


def test_a_negative_says_which_effect_it_leaves_open():
    weak = {**STRONG, "p_paste_fdr": 1.0, "paste_effect": 0.1, "paste_low": -0.1, "paste_high": 0.3}
    on_object = {**STRONG, "cue_id": "dog-0", "object_share": 0.9}  # what the class looks like
    (outcome,) = judged(weak, on_object)
    assert outcome.status == "passed"
    said = "With 20 photos an effect of a cue on the probability of up to 30 pp cannot be excluded (wolf)."
    assert outcome.sentence.endswith(said)
    assert "excluded" not in judged(on_object)[0].sentence
