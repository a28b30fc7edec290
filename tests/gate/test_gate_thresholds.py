"""The thresholds of the run itself are judged: what is laxer must be asked for, and a baseline must have the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from gate_runs import WOLF, judged, outcome, row_of, run_of, stored

from bias_audit.checks.thresholds import Thresholds
from bias_audit.errors import ConfigError, ResultError
from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, GateConfig, read_gate
from bias_audit.gate.running import gate_run
from bias_audit.gate.starting import start
from bias_audit.gate.states import OTHER_THRESHOLDS
from bias_audit.run.result import AuditResult


def by(**changed: float) -> AuditResult:
    """A run without findings, judged by these thresholds."""
    run = run_of(outcome(), classes=(WOLF,))
    return dataclasses.replace(
        run, info=dataclasses.replace(run.info, thresholds=dataclasses.asdict(Thresholds(**changed)))
    )


def test_the_defaults_and_stricter_ones_are_no_row(tmp_path: Path) -> None:
    for run in (by(), by(min_attract=0.01, image_z=3)):
        gate = judged(tmp_path, run, "")
        assert gate.passed
        assert not [row for row in gate.rows if row.state]


def test_a_laxer_threshold_fails_by_its_name(tmp_path: Path) -> None:
    gate = judged(tmp_path, by(min_gap=1, fdr=0.001), "")
    assert not gate.passed
    assert {row.check: (row.status, row.scope) for row in gate.rows if row.state == OTHER_THRESHOLDS} == {
        "min_gap": (FAILED, "run"),
        "fdr": (FAILED, "run"),
    }
    assert "min_gap = 1.0, where the default is 0.05: a finding could be hidden" in row_of(gate, "min_gap").sentence
    allowed = judged(tmp_path, by(min_gap=1), 'allow = ["other thresholds: min_gap"]\n')
    assert (allowed.passed, row_of(allowed, "min_gap").status) == (True, NOT_JUDGED)


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("[require.thresholds]\nfdr = 0.01\n", True),
        ("[require]\nthresholds = { fdr = 0.01 }\n", True),
        ("[require.thresholds]\nfdr = 0.01\nmin_gap = 0.05\n", True),
        ("[require.thresholds]\nfdr = 0.02\n", False),
        ("[require.thresholds]\nfdr = 0.01000001\n", False),
        ("[require.thresholds]\nmin_gap = 0.05\n", False),  # another one is not this one
        ("[require.thresholds]\nfdr = 0.01\nmin_gap = 0.1\n", False),
        ("[require.thresholds]\n", False),
    ],
)
def test_just_the_values_that_are_asked_for_hold(tmp_path: Path, text: str, passed: bool) -> None:
    gate = judged(tmp_path, by(fdr=0.01), text)
    assert gate.passed is passed
    if passed:
        assert (row_of(gate, "fdr").status, row_of(gate, "fdr").sentence) == (
            PASSED, "The rules judged by fdr = 0.01, as the gate file asks.",
        )  # fmt: skip
        assert gate.config.values["require.thresholds"]["fdr"] == 0.01


def test_a_value_that_the_run_does_not_have_fails_though_it_has_the_default(tmp_path: Path) -> None:
    gate = judged(tmp_path, by(), "\n[require.thresholds]\nmin_photos = 20\n")
    row = row_of(gate, "min_photos")
    assert (row.status, row.state, row.line) == (FAILED, OTHER_THRESHOLDS, 3)
    assert row.sentence == "The rules of this run judged by min_photos = 10; the gate file asks for 20."


def test_a_baseline_is_judged_by_the_same_thresholds(tmp_path: Path) -> None:
    for one, other in ((by(), by(min_attract=0.01)), (by(min_attract=0.01), by())):
        gate = judged(tmp_path, one, "", baseline=other)
        (row,) = [row for row in gate.rows if row.check == "baseline" and row.state == OTHER_THRESHOLDS]
        assert (gate.passed, row.status) == (False, FAILED)
        assert "min_attract = 0.0" in row.sentence
        assert judged(tmp_path, one, 'allow = ["other thresholds: baseline"]\n', baseline=other).passed
    assert judged(tmp_path, by(), "", baseline=by()).passed
    older = by()
    del older.info.thresholds["min_stability"]  # of a version that did not have it
    assert judged(tmp_path, by(), "", baseline=older).passed


@pytest.mark.parametrize("value", [float("nan"), "0.05", True, None, -1, 0])
def test_a_value_in_audit_json_that_means_nothing_is_one_sentence(tmp_path: Path, value: Any) -> None:
    run = stored(tmp_path / "run", by())
    file = tmp_path / "run" / "audit.json"
    content = json.loads(file.read_text())
    content["info"]["thresholds"]["fdr"] = value
    file.write_text(json.dumps(content))
    with pytest.raises(ResultError, match="fdr must"):
        gate_run(dataclasses.replace(run, info=dataclasses.replace(run.info, thresholds=content["info"]["thresholds"])))


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[require]\nthresholds = 3\n", "must be a table, got 3", ""),
        ("[require.thresholds]\nmin_gaps = 0.1\n", "'min_gaps', which is no threshold", "'min_gap'"),
        ("[require.thresholds]\nfdr = nan\n", "fdr must lie in 0..1, without the ends, got nan", ""),
        ('[require.thresholds]\nfdr = "0.1"\n', "fdr must be a number, got '0.1'", "quotes"),
        ("[require.thresholds]\nfdr = true\n", "fdr must be a number, got True", ""),
        ("[require.thresholds]\nmin_photos = 10.5\n", "min_photos must be a whole number, got 10.5", ""),
        ("[require]\nthreshold = {}\n", "unknown key 'threshold' in [require]", "'thresholds'"),
        ("thresholds = {}\n", "unknown table or key 'thresholds'", "[require]"),
        ('require = ["BA201"]\n', "[require] must be a table", ""),
    ],
)
def test_a_wrong_pin_is_one_sentence(tmp_path: Path, text: str, said: str, hint: str) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_gate(file)
    assert said in caught.value.message
    assert f"{file}, line " in caught.value.message
    assert hint in caught.value.hint


def test_a_first_gate_file_shows_the_thresholds_of_its_run_and_asks_for_nothing() -> None:
    text = start(by(fdr=0.01, min_photos=7))
    assert "# [require.thresholds]\n# fdr = 0.01\n# min_photos = 7\n" in text
    assert '# allow = ["other thresholds"]' in text
    assert "[require" not in start(by())
    assert GateConfig().thresholds == {}
