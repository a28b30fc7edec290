"""BA401 to BA404 on tables made by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bias_audit.checks.base import Measured
from bias_audit.checks.data_leaks.check import DataLeaks
from bias_audit.checks.data_leaks.measure import leakage_table
from bias_audit.checks.data_leaks.rule import Looked
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import Thresholds

PROBE: dict[str, Any] = {
    "kind": "background", "name": "colours and textures", "class_name": "", "measure": "AUC", "value": 0.9,
    "low": 0.8, "high": 0.95, "n": 40, "p": 0.005, "p_fdr": 0.005,
}  # fmt: skip
CLASS = {**PROBE, "class_name": "cat"}
PROPERTY: dict[str, Any] = {
    "kind": "property", "name": "width", "class_name": "cat", "measure": "AUC", "value": 0.1, "low": 0.05,
    "high": 0.2, "n": 40, "p": 0.0001, "typical": "median 640, elsewhere 870",
}  # fmt: skip
COPY: dict[str, Any] = {
    "kind": "training copy", "name": "cat/1.jpg", "class_name": "cat", "measure": "bits", "value": 2.0,
    "typical": "cat/9.jpg", "other_label": "cat",
}  # fmt: skip


def evidence(*rows: dict[str, Any], reason: str = "", train: int | None = 80) -> Evidence:
    empty = pd.DataFrame()
    measured = Measured({"leakage": leakage_table(rows)}, own=lambda: Looked(reason, train))
    return Evidence(empty, empty, Thresholds(), {"data_leaks": measured})


def judge(code: str, given: Evidence) -> list[RuleOutcome]:
    check = DataLeaks()
    return check.judge(next(rule for rule in check.rules if rule.code == code), given)


def test_a_background_that_predicts_is_watched_and_never_more():
    whole = {**PROBE, "kind": "whole image", "value": 0.95}
    (outcome,) = judge(
        "BA401", evidence({**PROBE, "value": 0.6}, CLASS, {**CLASS, "class_name": "dog", "value": 0.5}, whole)
    )
    assert (outcome.status, outcome.level, outcome.measured) == ("found", "WATCH", 0.9)
    assert (outcome.low, outcome.high, outcome.n, outcome.p_value) == (0.8, 0.95, 40, 0.005)
    # The number that is judged comes first, and the mean over the classes is called one.
    assert "tells cat from the other classes with an AUC of 0.90 [0.80 to 0.95] (p = 0.005, " in outcome.sentence
    assert "on average 0.60, on the whole image 0.95" in outcome.sentence
    assert "cat 0.90, dog 0.50" in outcome.sentence
    assert outcome.evidence == {"class_name": "cat", "auc": 0.6}


@pytest.mark.parametrize("change", [{"p": 0.06}, {"value": 0.64}])
def test_a_background_that_may_be_chance_or_says_little_passes(change):
    (outcome,) = judge("BA401", evidence(PROBE, {**CLASS, **change}))
    assert (outcome.status, outcome.level) == ("passed", None)
    assert outcome.sentence.endswith("Chance is 0.50. With 40 photos an AUC of up to 0.95 cannot be excluded (cat).")


def test_a_property_counts_in_either_direction_and_after_correction():
    weak = {**PROPERTY, "name": "height", "value": 0.45, "p": 0.001}
    lucky = {**PROPERTY, "name": "hue", "value": 0.8, "p": 0.04}
    (outcome,) = judge("BA402", evidence(PROPERTY, weak, lucky, {**weak, "p": 0.9}))
    assert (outcome.status, outcome.level) == ("found", "WATCH")
    assert outcome.evidence["properties"] == "width"
    assert outcome.measured == pytest.approx(0.8)
    assert (outcome.low, outcome.high) == pytest.approx((0.6, 0.9))
    assert outcome.p_value == pytest.approx(0.0004)
    assert "width of cat: strength 0.80 [0.60 to 0.90] (AUC 0.10, median 640" in outcome.sentence  # one scale
    (outcome,) = judge(
        "BA402", evidence({**weak, "low": 0.3, "high": 0.6}, lucky | {"low": 0.45, "high": 0.9, "p": 0.2})
    )
    assert outcome.status == "passed"
    assert outcome.sentence.startswith("None of 2 properties was shown to go with the label. With 40 photos an assoc")
    assert outcome.sentence.endswith("of up to 0.80 cannot be excluded (hue of cat).")
    assert (outcome.measured, outcome.low, outcome.high) == pytest.approx((0.6, 0, 0.8))


def test_copies_are_counted_once_per_test_photo():
    within = {**COPY, "kind": "test copy", "typical": "cat/2.jpg"}
    trained, tested = judge("BA403", evidence(COPY, {**COPY, "typical": "cat/10.jpg"}, within))
    assert (trained.status, trained.level, trained.measured, trained.image_ids) == ("found", "WATCH", 1, ("cat/1.jpg",))
    assert (tested.status, tested.image_ids) == ("found", ("cat/1.jpg", "cat/2.jpg"))
    assert "80 training pictures" in trained.sentence


def test_without_training_pictures_only_the_test_set_is_judged():
    trained, tested = judge("BA403", evidence(train=None))
    assert trained.status == "not applicable"
    assert "--train" in trained.sentence
    assert tested.status == "passed"


def test_two_labels_of_one_picture():
    unknown = {**COPY, "other_label": ""}
    (none,) = judge("BA404", evidence(COPY, unknown))
    assert (none.status, none.sentence) == ("passed", "None of 1 pair of copies has two labels.")
    (nothing,) = judge("BA404", evidence(unknown))
    assert (nothing.status, nothing.sentence) == ("passed", "No pair of copies with known labels was found.")
    (outcome,) = judge("BA404", evidence(COPY, unknown, {**COPY, "other_label": "dog"}))
    assert (outcome.status, outcome.level, outcome.measured) == ("found", "WATCH", 1)
    assert outcome.sentence.startswith("1 pair of copies has two labels, of which one must be wrong: ")
    assert "cat/1.jpg is cat, cat/9.jpg is dog" in outcome.sentence


@pytest.mark.parametrize("code", ["BA401", "BA402", "BA403", "BA404"])
def test_what_was_not_looked_at_is_not_passed(code):
    outcomes = judge(code, evidence(PROBE, PROPERTY, COPY, reason="switched off"))
    assert [(one.status, "switched off" in one.sentence) for one in outcomes] == [("not applicable", True)]


def test_too_few_photos_are_no_verdict():
    assert judge("BA401", evidence())[0].status == "not applicable"
    assert judge("BA402", evidence())[0].status == "not applicable"
