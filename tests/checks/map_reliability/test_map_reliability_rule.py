"""BA908 and what follows from it: known similarities, and rules that stop reading maps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bias_audit.checks.attention.check import Attention
from bias_audit.checks.base import Measured
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.map_reliability.check import MapReliability
from bias_audit.checks.map_reliability.similarity import CLASSES, RANDOMISATION, STABILITY, Reliability
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge, judge_rule

EMPTY = pd.DataFrame()


def evidence(*tests: Reliability) -> Evidence:
    return Evidence(EMPTY, EMPTY, Thresholds(), {"map_reliability": Measured(own=lambda: tests)})


def made(name: str, mean: float, n: int = 32, spread: float = 0.05) -> Reliability:
    values = mean + spread * np.linspace(-1, 1, n)
    return Reliability(name, similarity=values, signed=values)


@pytest.mark.parametrize(
    ("name", "mean", "status"),
    [
        (RANDOMISATION, 0.05, "passed"),
        (RANDOMISATION, 0.95, "found"),
        (CLASSES, 0.3, "passed"),
        (CLASSES, 0.94, "found"),
        (STABILITY, 0.73, "passed"),
        (STABILITY, 0.2, "found"),
    ],
)
def test_each_test_has_its_direction(name: str, mean: float, status: str) -> None:
    (outcome,) = judge_rule("BA908", evidence(made(name, mean)))
    assert (outcome.status, outcome.subject, outcome.n) == (status, name, 32)
    assert outcome.measured == pytest.approx(mean)  # the spread is even, so the median is the mean
    assert (outcome.level == "MODEL WARNING") == (status == "found")
    assert ("Do not use" in outcome.sentence) == (status == "found")


@pytest.mark.parametrize(("name", "mean"), [(RANDOMISATION, 0.53), (STABILITY, 0.47)])
def test_an_interval_that_reaches_over_the_bound_convicts_nobody(name: str, mean: float) -> None:
    (wide,) = judge_rule("BA908", evidence(made(name, mean, n=10, spread=0.4)))
    (narrow,) = judge_rule("BA908", evidence(made(name, mean, n=10, spread=0.01)))
    assert (wide.status, narrow.status) == ("not applicable", "found")  # nor does it acquit
    assert "do not tell" in wide.sentence


@pytest.mark.parametrize("name", [RANDOMISATION, CLASSES])
def test_maps_that_do_not_change_at_all_are_found_on_ten_photos(name: str) -> None:
    (outcome,) = judge_rule("BA908", evidence(made(name, 1.0, n=10, spread=0.0)))
    assert (outcome.status, outcome.low, outcome.high) == ("found", 1.0, 1.0)


def test_what_could_not_be_tested_is_not_passed() -> None:
    few = made(RANDOMISATION, 0.9, n=9)
    frozen = Reliability(RANDOMISATION, "weights of this format are frozen")
    for test, reason in ((few, "only 9 photos"), (frozen, "frozen")):
        (outcome,) = judge_rule("BA908", evidence(test))
        assert outcome.status == "not applicable"
        assert reason in outcome.sentence
    assert judge_rule("BA908", evidence())[0].status == "not applicable"


def test_photos_without_a_map_do_not_count() -> None:
    values = np.r_[np.full(12, np.nan), np.full(20, 0.1) + np.linspace(0, 0.01, 20)]
    (outcome,) = judge_rule("BA908", evidence(Reliability(RANDOMISATION, similarity=values, signed=values)))
    assert (outcome.status, outcome.n) == ("passed", 20)


def attended_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Class a looks at the background clearly more than class b; nothing was intervened on."""
    rng = np.random.default_rng(0)
    images = pd.DataFrame({"label": ["a"] * 40 + ["b"] * 40})
    images["background_excess_label"] = np.r_[rng.uniform(0.7, 0.9, 40), rng.uniform(0, 0.2, 40)]
    images["excess_robust_z"], images["excess_outlier_p"] = 0.0, 1.0
    row = {"n_attention": 40, "background_excess": 0.8, "excess_low": 0.7, "excess_high": 0.9, "attention_reason": "ok"}
    nan = dict.fromkeys(("tie_effect", "tie_p_fdr", "p_fdr", "background_gap"), np.nan)
    return images, pd.DataFrame([{**row, **nan}] * 2, index=["a", "b"])


@pytest.mark.parametrize(("similarity", "status"), [(0.0, "found"), (0.95, "not applicable")])
def test_rules_on_attention_do_not_read_maps_that_failed(similarity: float, status: str) -> None:
    checks = (Attention(), MapReliability())
    images, classes = attended_tables()
    given = dataclasses.replace(evidence(made(RANDOMISATION, similarity)), images=images, classes=classes)
    outcomes = {(outcome.code, outcome.subject): outcome for outcome in judge(given, checks=checks)}
    assert outcomes["BA101", "a"].status == status
    if status == "not applicable":
        assert outcomes["BA101", "a"].sentence == "The maps failed: randomisation (BA908)."
        assert outcomes["BA102", "a"].status == status
    ignored = {(outcome.code, outcome.subject): outcome for outcome in judge(given, ["BA908"], checks)}
    assert ignored["BA101", "a"].status == "found"
