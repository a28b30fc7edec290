"""Numbers against thresholds, short form: every key red, green, near its bound and not judged."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from gate_runs import EMPTY, WOLF, read, row_of, run_of

from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, GateResult, GateRow, judge
from bias_audit.gate.keys import KEYS
from bias_audit.run.result import AuditResult

# table, key, a bound the wolf breaks, its measured value, a bound it keeps, a bound within its interval
NUMBERS = [
    ("class", "min_accuracy", 0.98, 0.9, 0.6, 0.95),
    ("class", "max_background_gap", 0.1, 0.8, 0.96, 0.5),
    ("class", "max_background_excess", 0.3, 0.6, 1.2, 0.65),
    ("class", "max_background_only_accuracy", 0.3, 0.7, 0.95, 0.8),
    ("class", "min_other_background_accuracy", 0.6, 0.2, 0.01, 0.3),
    ("image", "max_flagged_share", 0.2, 0.6, 0.9, 0.7),
    ("dataset", "min_accuracy", 0.98, 0.9, 0.6, 0.95),
    ("dataset", "max_unreadable_share", 0.1, 0.2, 0.3, None),
    ("dataset", "max_without_mask_share", 0.5, 0.75, 0.8, None),
    ("dataset", "max_unscorable_share", 0.1, 0.25, 0.3, None),
]
COUNTS = {"images": 50, "read": 40, "with_mask": 10, "attention_scored": 30}


def test_every_numeric_key_is_tested_here() -> None:
    assert {(key.table, key.name) for key in KEYS} == {(table, name) for table, name, *_ in NUMBERS}


def numeric(tmp_path: Path, table: str, name: str, bound: float, run: AuditResult) -> tuple[GateResult, GateRow]:
    off = "" if (table, name) == ("dataset", "max_unreadable_share") else "[dataset]\nmax_unreadable_share = 1.0\n"
    head = "" if off and table == "dataset" else f"[{table}]\n"
    gate = judge(run, read(tmp_path, f'{off}{head}judge = "estimate"\n{name} = {bound}'))
    return gate, row_of(gate, name)


@pytest.mark.parametrize(("table", "name", "red", "measured", "green", "near"), NUMBERS)
def test_number_red_green_equal_and_near(
    tmp_path: Path, table: str, name: str, red: float, measured: float, green: float, near: float | None
) -> None:
    run = run_of(counts=COUNTS)
    gate, row = numeric(tmp_path, table, name, red, run)
    assert (row.status, gate.exit_code) == (FAILED, 1)
    assert row.scope == table
    assert row.subject == ("" if table == "dataset" else "wolf")
    assert row.measured == pytest.approx(measured)
    assert row.threshold == red
    assert (f"{measured:.2f}" if name.endswith("excess") else f"{100 * measured:.0f}") in row.sentence
    assert "near" not in row.sentence
    gate, row = numeric(tmp_path, table, name, green, run)
    assert (row.status, gate.exit_code) == (PASSED, 0)
    assert "near" not in row.sentence
    gate, row = numeric(tmp_path, table, name, measured, run)
    assert row.status == PASSED, "the bound itself is allowed"
    if near is None:
        assert row.low is row.high is None
        return
    assert row.low is not None
    assert row.high is not None
    assert row.low <= measured <= row.high
    gate, row = numeric(tmp_path, table, name, near, run)
    assert "near the threshold" in row.sentence
    breach = measured > near if name.startswith("max_") else measured < near
    assert row.status == (FAILED if breach else PASSED)


REASONS = {
    "min_accuracy": "",
    "max_background_excess": "no mask",
    "max_unreadable_share": "no image was found",
    "max_without_mask_share": "no image was read",
    "max_unscorable_share": "no image was read",
}


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, name, *_ in NUMBERS])
def test_number_not_judged(tmp_path: Path, table: str, name: str) -> None:
    run = run_of(classes=(EMPTY,), counts=dict.fromkeys(COUNTS, 0) | {"with_mask": 1})
    gate, row = numeric(tmp_path, table, name, 0.5, run)
    assert (row.status, gate.passed) == (FAILED, False), "what could not be judged is not green"
    assert row.state in ("not enough images", "missing metric")
    assert row.measured is row.low is row.high is None
    assert REASONS.get(name, "object too small to paste") in row.sentence
    text = f'allow = ["{row.state}: {row.check}"]\n[{table}]\n{name} = 0.5\n'
    allowed = row_of(judge(run, read(tmp_path, text)), name)
    assert (allowed.status, allowed.state) == (NOT_JUDGED, row.state)


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, "0.9", True])
def test_what_is_no_number_is_not_judged(tmp_path: Path, missing: Any) -> None:
    _, row = numeric(
        tmp_path, "class", "max_background_gap", 0.5, run_of(classes=({**WOLF, "background_gap": missing},))
    )
    assert (row.status, row.state) == (FAILED, "missing metric")
    assert row.sentence == "Background gap of 'wolf' was not judged: the run holds no such number."


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    """A run that was not read back from its folder holds what pandas gave."""
    import numpy as np

    wolf = {
        **WOLF,
        "background_gap": np.float64(0.8),
        "n_rests_on_background": np.int64(6),
        "n_interventions": np.int64(10),
    }
    assert numeric(tmp_path, "class", "max_background_gap", 0.5, run_of(classes=(wolf,)))[1].measured == 0.8
    assert numeric(tmp_path, "image", "max_flagged_share", 0.5, run_of(classes=(wolf,)))[1].measured == 0.6


def test_rounding_is_no_breach(tmp_path: Path) -> None:
    assert 0.4 - 0.3 > 0.1
    wolf = {**WOLF, "background_gap": 0.4 - 0.3, "accuracy": 0.3 - 0.1}
    assert numeric(tmp_path, "class", "max_background_gap", 0.1, run_of(classes=(wolf,)))[1].status == PASSED
    assert numeric(tmp_path, "class", "min_accuracy", 0.2, run_of(classes=(wolf,)))[1].status == PASSED
    assert numeric(tmp_path, "class", "max_background_gap", 0.0999, run_of(classes=(wolf,)))[1].status == FAILED


def test_number_sentences(tmp_path: Path) -> None:
    _, row = numeric(tmp_path, "class", "max_background_gap", 0.1, run_of())
    assert row.sentence == "Background gap of 'wolf' is 80 pp [40 to 95]; at most 10 pp is allowed."
    _, row = numeric(tmp_path, "dataset", "max_unreadable_share", 0.001, run_of(counts={"images": 800, "read": 799}))
    assert row.sentence == "Share of images without prediction is 0.12%; at most 0.1% is allowed."
    _, row = numeric(tmp_path, "class", "min_accuracy", 0.92, run_of())
    assert row.sentence == (
        "Accuracy of 'wolf' is 90% [70 to 97]; at least 92% is required (near the threshold: the interval contains it, "
        "so the other verdict is possible)."
    )


def test_every_class_is_checked(tmp_path: Path) -> None:
    husky = {**WOLF, "class_name": "husky", "background_gap": 0.01}
    gate = judge(
        run_of(classes=(husky, WOLF, {**EMPTY, "class_name": "fox"})),
        read(tmp_path, '[class]\njudge = "estimate"\nmax_background_gap = 0.1'),
    )
    rows = {row.subject: (row.status, row.state) for row in gate.rows if row.check == "max_background_gap"}
    assert rows == {"wolf": (FAILED, ""), "fox": (FAILED, "not enough images"), "husky": (PASSED, "")}
    assert gate.summary == (
        "Gate failed: 2 of 7 checks failed (wolf: max_background_gap, fox: max_background_gap, not enough images)."
    )


def test_no_classes_is_not_judged(tmp_path: Path) -> None:
    gate = judge(run_of(classes=()), read(tmp_path, "[class]\nmax_background_gap = 0.1\n[dataset]\nmin_accuracy = 0.5"))
    assert (row_of(gate, "max_background_gap").status, row_of(gate, "max_background_gap").state) == (FAILED, "no rows")
    assert (row_of(gate, "min_accuracy").status, row_of(gate, "min_accuracy").state) == (FAILED, "not enough images")


def test_data_set_accuracy_weighs_classes_by_their_images(tmp_path: Path) -> None:
    """30 of 40 and 9 of 10 are 39 of 50; its interval is that of the classes, squared and added."""
    big = {**WOLF, "n_read": 40, "accuracy": 0.75, "accuracy_low": 0.6, "accuracy_high": 0.85}
    small = {**WOLF, "class_name": "husky", "n_read": 10, "accuracy": 0.9, "accuracy_low": 0.6, "accuracy_high": 0.98}
    _, row = numeric(tmp_path, "dataset", "min_accuracy", 0.5, run_of(classes=(big, small, EMPTY)))
    assert row.measured == pytest.approx(39 / 50)
    assert row.low == pytest.approx(0.78 - math.hypot(0.8 * 0.15, 0.2 * 0.3))
    assert row.high == pytest.approx(0.78 + math.hypot(0.8 * 0.1, 0.2 * 0.08))
    _, row = numeric(tmp_path, "dataset", "min_accuracy", 0.5, run_of(classes=({**big, "accuracy_low": None}, small)))
    assert (row.measured, row.low, row.high) == (pytest.approx(39 / 50), None, None)


def test_the_bound_judges_unless_the_estimate_is_asked_for(tmp_path: Path) -> None:
    row = row_of(judge(run_of(), read(tmp_path, "[class]\nmin_accuracy = 0.85\n")), "min_accuracy")
    assert (row.status, row.state) == (FAILED, "near the threshold")
    for judge_by, status, state in (("estimate", PASSED, ""), ("bound", FAILED, "near the threshold")):
        text = f'[class]\njudge = "{judge_by}"\nmin_accuracy = 0.85\n[dataset]\njudge = "{judge_by}"\n'
        gate = judge(run_of(), read(tmp_path, text))
        assert (row_of(gate, "min_accuracy").status, row_of(gate, "min_accuracy").state) == (status, state)
        assert row_of(gate, "max_unreadable_share").status == PASSED, "a count has no interval to judge"
