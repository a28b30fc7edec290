"""Levels, required rules, named states of rules, and the order of rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from gate_runs import EMPTY, HUSKY, WOLF, judged, outcome, read, row_of, run_of

from bias_audit.checks import reasons
from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, WARNED, judge, read_gate
from bias_audit.gate.values import GateRow
from bias_audit.run.identity import finding_id

LEVELS = (
    None, "CONTEXT", "TOO FEW IMAGES", "MODEL WARNING", "WATCH", "COLLATERAL", "SUSPICIOUS", "HIDDEN", "CONFIRMED",
)  # fmt: skip
BOUNDS = (*LEVELS[1:], "none")
SCOPES = ("dataset", "class", "cue", "slice", "image")


def reaches(level: str | None, bound: str) -> bool:
    return level is not None and bound != "none" and LEVELS.index(level) >= 1 + BOUNDS.index(bound)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("fail_on", BOUNDS)
@pytest.mark.parametrize("level", LEVELS)
def test_levels_fail_and_warn_in_their_own_scope(tmp_path: Path, scope: str, fail_on: str, level: str | None) -> None:
    others = "".join(f'{other} = "none"\n' for other in SCOPES if other != scope)
    config = read(tmp_path, f'[fail]\n{others}{scope} = "{fail_on}"\n[warn]\n{others}{scope} = "WATCH"')
    given = outcome("found" if level else "passed", level, scope=scope, code="BA101")
    gate = judge(run_of(given), config)
    red = reaches(level, fail_on)
    assert gate.passed is not red
    assert gate.exit_code == int(red)
    rows = [row for row in gate.rows if row.check == "BA101"]
    if fail_on == "none" and level is None:
        assert rows == []
        return
    (row,) = rows
    assert row.status == (FAILED if red else WARNED if reaches(level, "WATCH") else PASSED)
    assert row.scope == scope
    assert row.level == (level or "")
    if row.status != FAILED and level:
        assert row.severity == "warn"
    if row.status == PASSED and level:
        assert row.sentence == f"{level}, below {fail_on}: What happened."


@pytest.mark.parametrize("table", ["dataset", "class", "image"])
def test_fail_on_of_the_short_form_is_fail(tmp_path: Path, table: str) -> None:
    config = read(tmp_path, f'[{table}]\nfail_on = "WATCH"\n')
    scopes = {"dataset", "cue", "slice"} if table == "dataset" else {table}
    assert {scope for scope, level in config.fail.items() if level == "WATCH"} == scopes
    assert config.line("class", "fail_on") == (2 if table == "class" else 0)


def test_a_class_may_have_its_own_level(tmp_path: Path) -> None:
    found = [outcome("found", "SUSPICIOUS", subject=name) for name in ("husky", "wolf")]
    text = '[fail.classes]\nwolf = "CONFIRMED"\n'
    gate = judged(tmp_path, run_of(*found, classes=(WOLF, HUSKY)), text)
    assert [(row.subject, row.status) for row in gate.rows if row.check == "BA201"] == [
        ("husky", FAILED), ("wolf", WARNED),
    ]  # fmt: skip
    confirmed = outcome("found", "CONFIRMED", code="BA302", scope="cue", subject="c", evidence={"class_name": "wolf"})
    gate = judged(tmp_path, run_of(confirmed), text)
    assert (row_of(gate, "BA302").status, row_of(gate, "BA302").line) == (FAILED, 2)


def test_defaults_fail_on_suspicion_but_not_on_attention_or_single_images() -> None:
    config = read_gate(None)
    for scope in ("class", "dataset", "cue", "slice"):
        assert judge(run_of(outcome("found", "SUSPICIOUS", code="BA300", scope=scope)), config).exit_code == 1
    assert judge(run_of(outcome("found", "WATCH", code="BA101")), config).exit_code == 0
    image = judge(run_of(outcome("found", "SUSPICIOUS", code="BA202", scope="image")), config)
    assert (image.exit_code, [row.check for row in image.rows if row.check == "BA202"]) == (0, [])


def test_any_other_scope_counts_as_the_data_set() -> None:
    gate = judge(
        run_of(outcome("found", "SUSPICIOUS", scope="artefact", subject="snow", code="BA300")), read_gate(None)
    )
    assert row_of(gate, "BA300").scope == "dataset"
    assert gate.exit_code == 1


def test_a_level_of_the_future_is_not_let_through() -> None:
    assert judge(run_of(outcome("found", "CATASTROPHIC")), read_gate(None)).exit_code == 1


def test_a_finding_without_level_is_the_weakest(tmp_path: Path) -> None:
    assert judge(run_of(outcome("found", None)), read_gate(None)).exit_code == 0
    assert judged(tmp_path, run_of(outcome("found", None)), '[class]\nfail_on = "CONTEXT"').exit_code == 1


def test_rule_rows_carry_the_rules_numbers_and_identity(tmp_path: Path) -> None:
    given = outcome("found", "SUSPICIOUS", measured=0.8, low=0.4, high=0.95, threshold=0.05, n=10)
    run = run_of(given)
    row = row_of(judged(tmp_path, run, '\n[fail]\nclass = "WATCH"\n'), "BA201")
    assert row == GateRow(
        "class", "wolf", "BA201", 0.8, 0.4, 0.95, 0.05, FAILED, "SUSPICIOUS: What happened.", level="SUSPICIOUS",
        finding_id=finding_id(given, run), n=10, line=3, origin="gate.toml:3", unit="points",
    )  # fmt: skip
    cue = outcome("found", "CONFIRMED", code="BA302", scope="cue", subject="c1", evidence={"name": "snow"})
    row = row_of(judge(run_of(cue), read_gate(None)), "BA302")
    assert (row.subject, row.cue, row.title, row.unit) == ("c1", "snow", "snow", "points")


# -- never green by absence -----------------------------------------------------------------


def few(**row: Any) -> tuple[dict[str, Any], ...]:
    return ({**WOLF, "p_fdr": None, "n_interventions": 3, **row},)


NA = "not applicable"
MODEL_WARNING = outcome("found", "MODEL WARNING", code="BA908", scope="dataset", subject="stability")
ABSENT: dict[str, dict[str, Any]] = {
    "rule could not run": {"outcomes": [outcome(NA, sentence="The second fill does not show it.")]},
    "rule ignored": {"outcomes": [outcome("ignored")]},
    "no masks": {"outcomes": [outcome(NA)], "mask_kind": "none", "classes": few()},
    "no interventions": {
        "outcomes": [outcome(NA)], "classes": few(),
        "counts": {"images": 9, "read": 9, "with_mask": 9, "interventions_done": 0},
    },
    "not enough images": {"outcomes": [outcome(NA)], "classes": few()},
    "the object fills the picture": {
        "outcomes": [outcome(NA, reason_code=reasons.FILLS_FRAME)], "classes": few(),
        "counts": {"images": 9, "read": 9, "with_mask": 9, "interventions_done": 0},
    },
    "maps failed": {"outcomes": [MODEL_WARNING]},
    "masks in doubt": {"outcomes": [outcome("found", "WATCH", reason_code=reasons.MASKS_IN_DOUBT)]},
    "estimated masks": {
        "outcomes": [outcome()], "classes": ({**WOLF, "estimated_masks": 1.0},), "mask_kind": "estimated",
    },
    "doubtful input": {"outcomes": [outcome("found", "MODEL WARNING", code="BA906", scope="dataset", subject="")]},
    "no rows": {"outcomes": [], "classes": ()},
    "missing class": {"outcomes": [], "text": 'classes = ["wolf", "fox"]\n'},
}  # fmt: skip


@pytest.mark.parametrize("state", ABSENT)
def test_what_is_absent_fails_unless_it_is_allowed(tmp_path: Path, state: str) -> None:
    given = dict(ABSENT[state])
    outcomes, text = given.pop("outcomes"), given.pop("text", "")
    run = run_of(*outcomes, **given)
    gate = judged(tmp_path, run, text)
    (row,) = [row for row in gate.rows if row.status == FAILED]
    assert (row.state, gate.exit_code) == (state, 1)
    assert state in gate.summary
    assert judged(tmp_path, run, f'{text}allow = ["{state}"]\n').passed
    for name in ("zebra", row.check, row.subject or row.check):
        allowed = judged(tmp_path, run, f'{text}allow = ["{state}: {name}"]\n')
        assert allowed.passed is (name != "zebra")
        (same,) = [one for one in allowed.rows if one.state]
        assert same.status == (FAILED if name == "zebra" else WARNED if row.level else NOT_JUDGED)
    others = [name for name in ABSENT if name != state]
    assert not judged(tmp_path, run, f"{text}allow = {others}\n").passed, "another state is not this one"
    strict = judged(tmp_path, run, f'{text}allow = ["{state}"]\n[dataset]\nrequire_judged = true')
    assert not strict.passed, "require_judged allows nothing"


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (reasons.TOO_FEW, "not enough images"),
        (reasons.TOO_FEW_GROUPS, "not enough images"),
        (reasons.MAPS_FAILED, "maps failed"),
        (reasons.NOT_MEASURED, "rule could not run"),
        ("", "rule could not run"),
    ],
)
def test_the_state_comes_from_the_code_and_not_from_the_words(tmp_path: Path, code: str, state: str) -> None:
    said = "Not enough photos: only 3, 10 needed (BA908)."
    given = outcome(NA, code="BA301", scope="dataset", subject="", sentence=said, reason_code=code)
    gate = judged(tmp_path, run_of(given), '[rules]\nrequire = ["BA301"]\n')
    assert row_of(gate, "BA301").state == state


def test_a_class_that_no_gap_could_have_convicted_is_not_enough_images(tmp_path: Path) -> None:
    """It was tested, and has a p: but its photos are too few for the correction over the classes."""
    said = "Not enough photos: only 10 photos, 11 needed for a test that is corrected over 26 classes."
    few = {**WOLF, "p_fdr": 0.051, "reliance_reason_code": reasons.TOO_FEW, "n_needed": 11}
    gate = judged(tmp_path, run_of(outcome(NA, sentence=said, reason_code=reasons.TOO_FEW), classes=(few,)))
    row = row_of(gate, "BA201", "wolf")
    assert (row.status, row.state, gate.passed) == (FAILED, "not enough images", False)
    assert judged(tmp_path, run_of(outcome(NA, reason_code=reasons.TOO_FEW)), 'allow = ["not enough images"]\n').passed


def test_a_required_rule_that_the_run_does_not_know(tmp_path: Path) -> None:
    gate = judged(tmp_path, run_of(), '[rules]\nrequire = ["BA201", "BA302"]\n')
    row = row_of(gate, "BA302")
    assert (row.status, row.state, row.line, gate.passed) == (FAILED, "rule could not run", 2, False)
    assert judged(tmp_path, run_of(), "[rules]\nrequire = []\n").passed
    off = '[fail]\nclass = "none"\n[rules]\nrequire = ["BA201"]\n'
    without = run_of(outcome(code="BA101", scope="dataset"))
    without = type(without)(**{**vars(without), "outcomes": without.outcomes[:1]})
    assert judged(tmp_path, without, off).passed, "a rule that is not gated need not be judged"
    assert not judged(tmp_path, without).passed


def test_a_required_rule_must_speak_of_every_class(tmp_path: Path) -> None:
    silent = run_of(outcome(subject="wolf"), classes=(WOLF, HUSKY))
    row = row_of(judged(tmp_path, silent), "BA201", "husky")
    assert (row.status, row.state) == (FAILED, "rule could not run")
    assert judged(tmp_path, silent, 'allow = ["rule could not run: husky"]\n').passed
    whole = outcome("not applicable", code="BA301", scope="dataset", subject="")
    gate = judged(tmp_path, run_of(whole), '[rules]\nrequire = ["BA301"]\n')
    assert [row.subject for row in gate.rows if row.check == "BA301"] == [""], "it speaks for all classes"


def test_maps_that_failed_do_not_matter_where_the_data_set_is_not_judged(tmp_path: Path) -> None:
    gate = judged(tmp_path, run_of(MODEL_WARNING), '[fail]\ndataset = "none"\n')
    assert (row_of(gate, "BA908").status, gate.passed) == (WARNED, True)


def test_other_rules_may_have_nothing_to_look_at() -> None:
    gate = judge(run_of(outcome("not applicable", code="BA203", sentence="No user column.")), read_gate(None))
    row = row_of(gate, "BA203")
    assert (row.status, row.state, row.sentence) == (NOT_JUDGED, "rule could not run", "No user column.")
    assert (gate.count(PASSED), gate.count(NOT_JUDGED), gate.exit_code) == (2, 1, 0)
    assert gate.summary == "Gate passed: 2 checks passed; 1 could not be judged."


def test_require_judged(tmp_path: Path) -> None:
    strict = read(tmp_path, "[dataset]\nrequire_judged = true")
    gate = judge(run_of(outcome("not applicable", code="BA203")), strict)
    assert (gate.passed, row_of(gate, "BA203").status) == (False, FAILED)
    assert judge(run_of(), strict).passed
    number = read(tmp_path, "[dataset]\nrequire_judged = true\n[class]\nmax_background_gap = 0.96")
    assert judge(run_of(), number).passed
    assert not judge(run_of(classes=({**WOLF, "background_gap": None},)), number).passed


def test_ignored_outcomes_of_other_rules_are_no_checks() -> None:
    gate = judge(run_of(outcome("ignored", code="BA101")), read_gate(None))
    assert {row.check for row in gate.rows} == {"BA201", "max_unreadable_share"}
    assert (gate.ignored, gate.passed) == (1, True)


def test_nothing_judged_is_no_pass(tmp_path: Path) -> None:
    run = run_of(outcome("not applicable"), counts={}, classes=(EMPTY,))
    gate = judged(tmp_path, run, 'allow = ["not enough images", "missing metric", "rule could not run"]\n')
    assert (gate.passed, gate.exit_code) == (False, 1)
    assert gate.summary == "Gate failed: nothing could be judged (2 checks tried)."


def test_a_class_without_images_is_missing(tmp_path: Path) -> None:
    run = run_of(classes=(WOLF, {**EMPTY, "class_name": "fox", "n": 0}))
    gate = judged(tmp_path, run, 'classes = ["wolf", "fox"]\n')
    row = row_of(gate, "classes")
    assert (row.subject, row.state, row.line) == ("fox", "missing class", 1)


def test_data_must_be_those_that_are_asked_for(tmp_path: Path) -> None:
    text = '\n[provenance]\ncontent = "c0ffee"\n'
    assert judged(tmp_path, run_of(), text).passed
    for content in ("0ddba11", ""):
        row = row_of(judged(tmp_path, run_of(content=content), text), "content")
        assert (row.status, row.state, row.line, row.scope) == (FAILED, "different data", 3, "run")


def test_rows_show_the_worst_first_and_the_summary_names_it() -> None:
    subjects = [f"class {i}" for i in range(7)]
    given = [outcome("found", "SUSPICIOUS", subject=name) for name in subjects]
    given += [outcome("found", "CONFIRMED", subject="wolf"), outcome("found", "WATCH", code="BA401", scope="dataset")]
    gate = judge(run_of(outcome(code="BA101"), outcome("not applicable", code="BA102"), *given), read_gate(None))
    assert [row.status for row in gate.rows] == [FAILED] * 8 + [WARNED, NOT_JUDGED] + [PASSED] * 2
    assert gate.summary == (
        "Gate failed: 8 of 11 checks failed (wolf: BA201, class 0: BA201, class 1: BA201, class 2: BA201, "
        "class 3: BA201 and 3 more); 1 to be watched, 1 could not be judged."
    )


@pytest.mark.parametrize("count", ["changed", "strangers_changed"])
def test_data_that_changed_during_the_audit_fail_by_that_name(tmp_path: Path, count: str) -> None:
    run = run_of(outcome(), classes=(WOLF,))
    changed = dataclasses.replace(run, info=dataclasses.replace(run.info, counts={**run.info.counts, count: 3}))
    assert judged(tmp_path, run).passed
    gate = judged(tmp_path, changed)
    assert (gate.passed, row_of(gate, "data").state) == (False, "changed during the audit")
    assert judged(tmp_path, changed, 'allow = ["changed during the audit"]\n').passed
