"""Who accuses whom: any rule counts, by its code, scope and level, and wrong accusations are counted on fingers."""

from __future__ import annotations

import pandas as pd
import pytest

from bias_audit.checks.outcomes import FOUND, LEVELS, PASSED, RuleOutcome
from bias_audit.planted.benchmark.accusations import (
    ACCUSING,
    accusers,
    accuses,
    by_rule,
    findings_of,
    named_class,
    wrong,
)
from bias_audit.planted.benchmark.rates import Rate, triage
from bias_audit.planted.benchmark.score import score
from bias_audit.planted.benchmark.table import Made, report_text

NAMES = ("bar", "cross", "disc", "triangle")


def outcome(code="BA201", scope="class", subject="bar", level: str | None = "SUSPICIOUS", status=FOUND, **evidence):
    return RuleOutcome(code, "", scope, subject, status, "a sentence", level, evidence=evidence)


def test_three_levels_accuse_and_no_other():
    assert ACCUSING == ("SUSPICIOUS", "HIDDEN", "CONFIRMED")
    assert [level for level in LEVELS if accuses(outcome(level=level))] == list(ACCUSING)
    assert not accuses(outcome(status=PASSED, level=None))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (outcome(), "bar"),
        (outcome("BA301", "class", "disc", class_name="disc"), "disc"),
        (outcome("BA302", "cue", "cross-3e1b72", class_name="cross"), "cross"),
        (outcome("BA303", "cue", "17", class_name="triangle"), "triangle"),
        (outcome("BA102", "image", "bar"), "bar"),
        (outcome("BA203", "slice", "camera"), ""),
        (outcome("BA302", "cue", "cross-3e1b72", class_name="no such class"), ""),
        (outcome("BA207", "dataset", "", class_name="bar"), ""),  # lists classes, accuses none
        (outcome("BA207", "dataset", "bar"), ""),
    ],
)
def test_the_class_that_is_named(given, name):
    assert named_class(given, NAMES) == name


def test_a_class_may_be_accused_by_several_rules():
    outcomes = [
        outcome("BA302", "cue", "bar-000001", class_name="bar", level="CONFIRMED"),
        outcome("BA302", "cue", "bar-000002", class_name="bar", level="HIDDEN"),
        outcome("BA201", subject="bar", level="COLLATERAL"),
        outcome("BA201", subject="cross"),
        outcome("BA301", subject="bar"),
        outcome("BA207", "dataset", "", level="SUSPICIOUS"),
    ]
    assert accusers(outcomes, NAMES, "bar") == ["BA301", "BA302"]
    assert accusers(outcomes, NAMES, "cross") == ["BA201"]
    assert accusers(outcomes, NAMES, "disc") == []
    rows = findings_of([*outcomes, outcome(status=PASSED, level=None)], NAMES)
    assert len(rows) == 6  # what was not found is no finding
    assert [row["accuses"] for row in rows] == [True, True, False, True, True, True]
    assert [row["class_name"] for row in rows] == ["bar", "bar", "bar", "cross", "bar", ""]


@pytest.fixture
def units(model):
    """A planted model whose class 0 is guilty; a clean one accused of nothing but as a whole; a null, a cue on the
    object of class 1, and a clean model in which a class is accused."""
    guilty = {"guilty": True, "truth": "positive", "truth_any": "positive", "reliance": 0.6}
    accused = {"accused": True, "model_accused": True}
    return pd.concat(
        [
            model("a", "planted", {0: {**guilty, **accused}, 2: accused}, cue="snow", rho=0.9, model_accused=True),
            model("b", "clean", model_accused=True),
            model("c", "null", cue="snow", rho=0.25),
            model("d", "on_object", {1: {"truth_any": "positive", **accused}}, cue="on_object", rho=0.95),
            model("e", "ten_classes", {3: accused}),
        ],
        ignore_index=True,
    )


@pytest.fixture
def findings(found):
    return found(
        ("a", "BA302", "bar", "CONFIRMED", True),
        ("a", "BA301", "disc", "HIDDEN", True),
        ("a", "BA207", "", "SUSPICIOUS", True),
        ("b", "BA207", "", "SUSPICIOUS", True),
        ("b", "BA101", "bar", "WATCH", False),
        ("b", "BA101", "disc", "WATCH", False),
        ("c", "BA101", "bar", "CONTEXT", False),
        ("d", "BA302", "cross", "HIDDEN", True),
        ("e", "BA301", "triangle", "SUSPICIOUS", True),
    )


def test_rates_of_any_rule_are_those_counted_by_hand(units, findings):
    rates = score(units, findings, resamples=5).rules["any rule"]
    assert rates["tpr"] == Rate(1, 1)
    assert rates["guilty_models"] == Rate(1, 1)
    assert rates["fpr_clean"] == Rate(1, 12)
    assert rates["clean_models"] == Rate(2, 3)  # one as a whole, one by a class
    assert rates["fpr_others"] == Rate(1, 3)
    assert rates["fpr_on_object"] == Rate(0, 3)  # the class that carries the tag relies on it


def test_wrong_is_who_accuses_a_class_without_a_cue_or_a_model_without_a_guilty_class(units, findings):
    rows = wrong(units, findings)
    assert [tuple(row) for row in rows[["model", "code", "class_name"]].to_numpy()] == [
        ("a", "BA301", "disc"),
        ("b", "BA207", ""),
        ("e", "BA301", "triangle"),
    ]
    assert wrong(units, findings.iloc[:0]).empty


def test_audits_are_counted_once_per_rule_and_level(units, findings):
    rows = by_rule(units, findings).set_index(["code", "level"])
    assert rows.loc[("BA101", "WATCH"), ["clean", "of_clean", "other", "of_other"]].to_list() == [1, 3, 0, 2]
    assert rows.loc[("BA101", "CONTEXT"), "clean"] == 1
    assert rows.loc[("BA207", "SUSPICIOUS"), ["clean", "other"]].to_list() == [1, 1]
    assert rows.loc[("BA302", "HIDDEN"), ["clean", "other"]].to_list() == [0, 1]
    assert not rows.loc[("BA101", "WATCH"), "accuses"]
    assert triage(units, findings) == Rate(1, 3)  # CONTEXT is no WATCH


def test_what_must_hold_is_said_with_its_interval(units, findings):
    scored = score(units, findings, resamples=5)
    assert [(row.rate, row.holds) for row in scored.required] == [
        (Rate(1, 1), True),  # found
        (Rate(0, 1), False),  # guilty first: the verdict convicted nobody
        (Rate(2, 3), False),  # clean audits accused
        (Rate(1, 3), False),  # more than one of four
    ]
    text = report_text(scored, Made("", "abc", ("abc",), "def"))
    assert "| clean and null audits with an accusation" in text
    assert "(2 of 3)" in text
    assert "of a model without such a class: 3" in text
    assert "(the model)" in text


@pytest.mark.parametrize(("accused", "of", "holds"), [(1, 35, True), (2, 70, True), (2, 80, True), (3, 80, False)])
def test_one_of_thirty_five_is_a_rate(model, found, accused, of, holds):
    units = pd.concat([model(f"m{i}", "clean", model_accused=i < accused) for i in range(of)], ignore_index=True)
    clean = next(row for row in score(units, found(), resamples=2).required if "accusation" in row.name)
    assert (clean.rate, clean.holds) == (Rate(accused, of), holds)
