"""Findings beside a baseline: new, known, worse, resolved, and those that were only not looked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gate_runs import HUSKY, WOLF, judged, outcome, row_of, run_of, stored

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.errors import ResultError
from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, WARNED, GateResult
from bias_audit.gate.running import gate_run
from bias_audit.run.result import AuditResult

BOTH = (WOLF, HUSKY)


def finding(level: str = "SUSPICIOUS", measured: float = 0.5, half: float = 0.1, **changed: object) -> RuleOutcome:
    numbers = {"measured": measured, "low": measured - half, "high": measured + half}
    return outcome("found", level, **{**numbers, **changed})


def beside(tmp_path: Path, new: AuditResult, old: AuditResult, text: str = "") -> GateResult:
    return judged(tmp_path, new, text, baseline=old)


@pytest.mark.parametrize(("known", "status"), [("pass", PASSED), ("warn", WARNED), ("fail", FAILED)])
def test_known_findings_do_what_the_file_says(tmp_path: Path, known: str, status: str) -> None:
    gate = beside(tmp_path, run_of(finding()), run_of(finding()), f'[baseline]\nknown = "{known}"\n')
    row = row_of(gate, "BA201")
    assert (row.status, row.change, row.baseline, gate.passed) == (status, "known", 0.5, status != FAILED)
    assert "Known: the baseline has it with 50 pp." in row.sentence


def test_new_findings_fail_and_come_first(tmp_path: Path) -> None:
    gate = beside(tmp_path, run_of(finding(), finding(subject="husky"), classes=BOTH), run_of(finding(), classes=BOTH))
    rows = [(row.subject, row.status, row.change) for row in gate.rows if row.check == "BA201"]
    assert rows == [("husky", FAILED, "new"), ("wolf", WARNED, "known")]
    assert "husky: BA201" in gate.summary
    assert "New: the baseline does not have it." in gate.rows[0].sentence


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (finding(measured=0.6), "known"),  # at the upper end of the earlier interval
        (finding(measured=0.61), "worse"),
        (finding(measured=0.1), "known"),
        (finding("CONFIRMED"), "worse"),
        (finding("COLLATERAL"), ""),
    ],
)
def test_worse_is_beyond_the_earlier_interval_or_of_a_higher_level(
    tmp_path: Path, now: RuleOutcome, change: str
) -> None:
    row = row_of(beside(tmp_path, run_of(now), run_of(finding())), "BA201")
    assert row.change == change
    assert row.status == (FAILED if change == "worse" else WARNED)
    if change == "worse":
        assert "Worse than in the baseline: " in row.sentence


def test_what_was_only_watched_is_not_known_when_it_is_suspicious(tmp_path: Path) -> None:
    row = row_of(beside(tmp_path, run_of(finding()), run_of(finding("WATCH"))), "BA201")
    assert (row.status, row.change) == (FAILED, "worse")


def test_lower_is_worse_for_rates_of_what_goes_well(tmp_path: Path) -> None:
    def slice_of(measured: float) -> RuleOutcome:
        return finding("SUSPICIOUS", measured, code="BA203", scope="slice", subject="site")

    assert row_of(beside(tmp_path, run_of(slice_of(0.3)), run_of(slice_of(0.5))), "BA203").change == "worse"
    assert row_of(beside(tmp_path, run_of(slice_of(0.7)), run_of(slice_of(0.5))), "BA203").change == "known"


def test_findings_are_matched_one_to_one(tmp_path: Path) -> None:
    def cue(subject: str, *images: str) -> RuleOutcome:
        evidence = {"class_name": "wolf"}
        return finding(
            "CONFIRMED", code="BA302", scope="cue", subject=subject, evidence=evidence, image_ids=images
        )  # fmt: skip

    old = run_of(cue("wolf-1", "a", "b", "c", "d"))
    new = run_of(cue("wolf-2", "a", "b", "c"), cue("wolf-3", "b", "c", "d"))
    changes = {row.subject: row.change for row in beside(tmp_path, new, old).rows if row.check == "BA302"}
    assert sorted(changes.values()) == ["known", "new"]


def test_resolved_findings_are_listed(tmp_path: Path) -> None:
    gate = beside(tmp_path, run_of(outcome("passed")), run_of(finding()))
    assert (gate.passed, gate.resolved) == (True, ("Resolved: BA201 SUSPICIOUS of wolf. Before: What happened.",))


@pytest.mark.parametrize("gone", [[outcome("not applicable", code="BA302", scope="dataset", subject="")], []])
def test_a_finding_that_was_not_looked_for_is_not_resolved(tmp_path: Path, gone: list[RuleOutcome]) -> None:
    old = run_of(finding("CONFIRMED", code="BA302", scope="cue", subject="w-1", evidence={"name": "snow"}))
    gate = beside(tmp_path, run_of(*gone), old)
    (row,) = [row for row in gate.rows if row.status == FAILED]
    assert (row.check, row.state, row.cue, gate.resolved) == ("BA302", "rule could not run", "snow", ())
    assert "did not test it" in row.sentence
    allowed = beside(tmp_path, run_of(*gone), old, 'allow = ["rule could not run: BA302"]\n')
    assert (allowed.passed, allowed.resolved) == (True, ())
    looked = beside(tmp_path, run_of(outcome("passed", code="BA302", scope="dataset", subject="")), old)
    assert (looked.passed, len(looked.resolved)) == (True, 1)


def test_a_class_that_could_not_be_tested_is_not_resolved(tmp_path: Path) -> None:
    new = run_of(outcome("not applicable"), outcome("passed", subject="husky"), classes=BOTH)
    gate = beside(tmp_path, new, run_of(finding(), classes=BOTH), 'allow = ["not enough images"]\n')
    assert gate.resolved == ()
    assert not gate.passed


def test_classes_in_one_of_them_are_named(tmp_path: Path) -> None:
    gate = beside(tmp_path, run_of(classes=(WOLF,)), run_of(classes=BOTH))
    row = row_of(gate, "classes")
    assert (row.subject, row.state, row.status) == ("husky", "missing class", FAILED)
    assert "Class 'husky' is in the baseline" in row.sentence
    gate = beside(tmp_path, run_of(classes=BOTH), run_of(classes=(WOLF,)))
    assert (gate.passed, gate.notes) == (True, ("Not in the baseline: class husky.",))


def test_other_data_fail_unless_allowed(tmp_path: Path) -> None:
    new, old = run_of(finding()), run_of(finding(), content="other")
    row = row_of(beside(tmp_path, new, old), "baseline")
    assert (row.status, row.state) == (FAILED, "different data")
    assert row_of(beside(tmp_path, new, old, 'allow = ["different data"]\n'), "baseline").status == NOT_JUDGED
    assert beside(tmp_path, new, old, "[provenance]\nrequire_same_data = false\n").passed
    older = run_of(finding(), content="")  # a run of before contents were hashed: its listing is compared
    assert row_of(beside(tmp_path, new, older), "baseline").status == PASSED
    moved = run_of(finding(), content="", fingerprint="1")
    assert row_of(beside(tmp_path, new, moved), "baseline").state == "different data"


def test_a_baseline_that_is_not_there(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", run_of())
    assert gate_run(run).passed
    gate = gate_run(run, baseline=tmp_path / "nowhere")
    (row,) = [row for row in gate.rows if row.status == FAILED]
    assert (row.state, gate.baseline) == ("missing baseline", str(tmp_path / "nowhere"))
    file = tmp_path / "gate.toml"
    file.write_text("[baseline]\nrequired = true\n")
    required = gate_run(run, file)
    assert [(row.state, row.line) for row in required.rows if row.status == FAILED] == [("missing baseline", 2)]
    file.write_text('allow = ["missing baseline"]\n[baseline]\nrequired = true\n')
    assert gate_run(run, file).passed
    assert gate_run(run, file, baseline=tmp_path / "nowhere").passed


def test_baselines_are_folders_or_runs(tmp_path: Path) -> None:
    old = stored(tmp_path / "old", run_of(finding()))
    new = stored(tmp_path / "new", run_of(finding(), finding(subject="husky"), classes=BOTH))
    for baseline in (tmp_path / "old", str(tmp_path / "old"), old):
        gate = new.gate(baseline=baseline)
        assert (gate.baseline, [row.subject for row in gate.rows if row.change == "new"]) == (
            str(tmp_path / "old"), ["husky"],
        )  # fmt: skip
    shutil.copy(__file__, tmp_path / "old" / "audit.json")
    with pytest.raises(ResultError, match="damaged"):
        new.gate(baseline=tmp_path / "old")
