"""BA303 on tables made by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bias_audit.checks.drawn_regions.summary import regions_table
from bias_audit.checks.evidence import Evidence
from bias_audit.config import Thresholds
from bias_audit.pipeline import judge as rules
from bias_audit.pipeline.judge import judge_rule

SNOW: dict[str, Any] = {
    "hypothesis_id": "region-1", "name": "snow", "class_name": "wolf", "image_id": "wolf/1.jpg", "reviewer": "Ada",
    "area": 0.2, "object_share": 0.1, "object_estimated": 0.0, "probability": 0.97, "probability_erased": 0.95,
    "erase_effect": 0.03, "p_erase": 0.1, "n_places": 9, "n_hosts": 10, "paste_effect": 0.27, "paste_low": 0.18,
    "paste_high": 0.35, "p_paste": 0.002, "turned": 0.4, "turned_control": 0.07, "reason": "ok",
}  # fmt: skip


def judged(*rows: dict[str, Any]) -> list[Any]:
    empty = pd.DataFrame()
    table = regions_table(rows)
    return judge_rule("BA303", Evidence(empty, empty, Thresholds(), tables={"hypotheses": table}))


def test_a_region_that_moves_the_prediction_is_confirmed():
    (outcome,) = judged(SNOW)
    assert (outcome.status, outcome.level, outcome.subject, outcome.n) == ("found", "CONFIRMED", "region-1", 10)
    assert (outcome.measured, outcome.low, outcome.high, outcome.p_value) == (0.27, 0.18, 0.35, 0.002)
    assert "'snow', drawn by Ada on wolf/1.jpg" in outcome.sentence
    assert "turns 40% of them (the other pieces: 7%)" in outcome.sentence
    assert "it lowers it by 3 pp more than erasing 9 equal pieces elsewhere does." in outcome.sentence
    assert outcome.evidence["class_name"] == "wolf"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"object_share": 0.6}, "not a bias"),
        ({"object_share": 0.3, "object_estimated": 1.0}, "not a bias"),
        ({"paste_effect": 0.04, "paste_low": 0.01}, "The effect is below 5 pp and does not count"),
        ({"p_paste": 0.2, "paste_low": -0.1}, "No effect beyond chance"),
    ],
)
def test_what_does_not_convict(change, said):
    (outcome,) = judged({**SNOW, **change})
    assert (outcome.status, outcome.level) == ("passed", None)
    assert said in outcome.sentence


@pytest.mark.parametrize(("effect", "low", "level"), [
    (0.14, 0.05, "WATCH"), (0.14, 0.051, "CONFIRMED"), (0.15, 0.01, "CONFIRMED"),
])  # fmt: skip
def test_a_small_rise_must_have_a_limit_above_the_floor(effect, low, level):
    (outcome,) = judged({**SNOW, "paste_effect": effect, "paste_low": low})
    assert (outcome.status, outcome.level) == ("found", level)
    assert ("More photos would tell" in outcome.sentence) == (level == "WATCH")


def test_trying_often_does_not_help():
    """One p of .03 among twenty regions is what chance gives."""
    (outcome,) = judged({**SNOW, "p_paste": 0.03})
    assert outcome.status == "found"
    others = [{**SNOW, "hypothesis_id": f"other-{i}", "p_paste": 0.5} for i in range(19)]
    first = judged({**SNOW, "p_paste": 0.03}, *others)[0]
    assert first.status == "passed"
    assert first.p_value == pytest.approx(0.5)


def test_too_few_hosts_is_no_acquittal():
    untested = {key: value for key, value in SNOW.items() if not key.startswith(("paste", "p_paste", "turned"))}
    (outcome,) = judged({**untested, "reason": "only 3 photos could take it"})
    assert outcome.status == "not applicable"
    assert "only 3 photos" in outcome.sentence


def test_no_outcome_where_nobody_drew():
    empty = pd.DataFrame()
    assert judge_rule("BA303", Evidence(empty, empty, Thresholds())) == []
    assert judged() == []


def test_an_outcome_takes_its_place_among_the_rules():
    empty = pd.DataFrame()
    evidence = Evidence(empty, empty, Thresholds(), tables={"hypotheses": regions_table([SNOW])})
    before = [_passed("BA201"), _passed("BA302"), _passed("BA401")]
    once = rules.rejudged(before, "BA303", evidence)
    assert [outcome.code for outcome in once] == ["BA201", "BA302", "BA303", "BA401"]
    assert rules.rejudged(once, "BA303", evidence) == once
    ignored = [*before, rules.RuleOutcome("BA303", "t", "dataset", "", "ignored", "s")]
    assert rules.rejudged(ignored, "BA303", evidence) == tuple(ignored)


def _passed(code: str) -> Any:
    return rules.RuleOutcome(code, "t", "dataset", "", "passed", "s")


def test_a_negative_says_which_rise_it_leaves_open():
    (outcome,) = judged({**SNOW, "p_paste": 0.2, "paste_low": -0.1})
    assert outcome.sentence.endswith("With 10 photos a rise of up to 35 pp cannot be excluded.")
