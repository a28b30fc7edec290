"""What rests on estimated masks that no drawn mask has checked does not pass: rules, numbers, weak findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gate_runs import HUSKY, WOLF, judged, outcome, row_of, run_of

from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, WARNED

ESTIMATED: dict[str, Any] = {
    "classes": ({**WOLF, "estimated_masks": 1.0}, {**HUSKY, "estimated_masks": 0.0}), "mask_kind": "mixed",
}  # fmt: skip
GAP = '[[metric]]\ntable = "class"\nname = "background_gap"\nmax = 0.99\n'


def checked(status: str, level: str | None = None) -> Any:
    return outcome(status, level, code="BA909", scope="dataset", subject="")


def test_a_rule_passes_on_drawn_masks_and_on_estimates_that_drawn_masks_have_checked(tmp_path: Path) -> None:
    gate = judged(tmp_path, run_of(**ESTIMATED))
    assert [(row_of(gate, "BA201", name).status) for name in ("wolf", "husky")] == [FAILED, PASSED]
    assert "--masks DIR --segmenter auto" in row_of(gate, "BA201", "wolf").sentence
    each = [outcome(subject=name) for name in ("wolf", "husky")]
    good = judged(tmp_path, run_of(*each, checked("passed"), **ESTIMATED))
    assert (row_of(good, "BA201", "wolf").status, good.passed) == (PASSED, True)
    for poor in (checked("found", "MODEL WARNING"), checked("ignored")):
        assert row_of(judged(tmp_path, run_of(*each, poor, **ESTIMATED)), "BA201", "wolf").state == "estimated masks"


def test_scored_again_with_drawn_masks_the_outcome_still_says_so(tmp_path: Path) -> None:
    pasted = outcome(evidence={"estimated_masks": 1.0})
    run = run_of(pasted, classes=({**WOLF, "estimated_masks": 0.0},), mask_kind="mask")
    gate = judged(tmp_path, run, GAP)
    assert {row.state for row in gate.rows if row.status == FAILED} == {"estimated masks"}
    assert len([row for row in gate.rows if row.status == FAILED]) == 2


def test_a_finding_below_the_level_is_no_pass(tmp_path: Path) -> None:
    run = run_of(outcome("found", "WATCH"), outcome(subject="husky"), **ESTIMATED)
    assert row_of(judged(tmp_path, run), "BA201", "wolf").state == "estimated masks"
    allowed = judged(tmp_path, run, 'allow = ["estimated masks: wolf"]\n')
    assert (row_of(allowed, "BA201", "wolf").status, allowed.passed) == (WARNED, True)


def test_rules_that_paste_nothing_are_left_alone(tmp_path: Path) -> None:
    others = [outcome("passed", code=code) for code in ("BA101", "BA301", "BA302")]
    each = [outcome(subject=name) for name in ("wolf", "husky")]
    gate = judged(tmp_path, run_of(*others, *each, **ESTIMATED))
    assert {row.check for row in gate.rows if row.state} == {"BA201"}


@pytest.mark.parametrize("severity", ["fail", "warn"])
def test_numbers_of_composites(tmp_path: Path, severity: str) -> None:
    text = (
        f'allow = ["estimated masks: BA201"]\n{GAP}severity = "{severity}"\n{GAP.replace("background_gap", "accuracy")}'
    )
    rows = judged(tmp_path, run_of(**ESTIMATED), text).rows
    gap = {row.subject: row for row in rows if row.check == "max_background_gap"}
    assert gap["wolf"].status == (FAILED if severity == "fail" else WARNED)
    assert gap["wolf"].state == "estimated masks"
    assert (gap["husky"].status, gap["husky"].state) == (PASSED, "")
    assert {row.status for row in rows if row.check == "max_accuracy"} == {PASSED}
    allowed = judged(tmp_path, run_of(**ESTIMATED), f'allow = ["estimated masks"]\n{GAP}').rows
    assert [row.status for row in allowed if row.check == "max_background_gap"] == [NOT_JUDGED, PASSED]


def test_a_rule_on_heatmaps_had_no_masks(tmp_path: Path) -> None:
    given = outcome("not applicable", code="BA101", reason_code="no mask")
    counts = {"images": 9, "read": 9, "with_mask": 9, "estimated_masks": 9, "attention_scored": 0}
    run = run_of(given, mask_kind="estimated", counts=counts)
    assert row_of(judged(tmp_path, run, '[rules]\nrequire = ["BA101"]\n'), "BA101").state == "no masks"
