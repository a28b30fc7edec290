"""The life of a waiver over its dates, what it covers, and when a decision of a reviewer is one."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from gate_runs import WOLF, judged, outcome, row_of, run_of, stored

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.gate import FAILED, WAIVED, WARNED, GateResult, judge, read_gate
from bias_audit.gate.running import gate_run
from bias_audit.gate.waivers import from_decisions
from bias_audit.review.decisions import Decision, add
from bias_audit.run.identity import finding_id

DAY = datetime.date(2026, 11, 25)
FOUND = outcome("found", "SUSPICIOUS", measured=0.5, low=0.4, high=0.6)
SNOW = outcome(
    "found", "CONFIRMED", code="BA302", scope="cue", subject="wolf-1", measured=0.3, low=0.2, high=0.4,
    evidence={"class_name": "wolf", "name": "snow"},
)  # fmt: skip
BODY = 'reason = "wolves live in snow."\nowner = "Dr. Ada"\n'


def waiver(scope: str = 'rule = "BA201"\nclass = "wolf"\n', expires: str = "2027-01-31", more: str = "") -> str:
    return f"[[waive]]\n{scope}{BODY}expires = {expires}\n{more}"


def on(tmp_path: Path, day: datetime.date, text: str, *found: RuleOutcome, **more: Any) -> GateResult:
    return judged(tmp_path, run_of(*(found or (FOUND,))), text, today=day, **more)


@pytest.mark.parametrize(
    ("day", "status", "note"),
    [
        (DAY, WAIVED, ""),
        (datetime.date(2027, 1, 16), WAIVED, ""),
        (datetime.date(2027, 1, 17), WAIVED, "ends in 14 days, on 2027-01-31"),
        (datetime.date(2027, 1, 30), WAIVED, "ends in 1 day, on 2027-01-31"),
        (datetime.date(2027, 1, 31), WAIVED, "ends in 0 days"),
        (datetime.date(2027, 2, 1), FAILED, ""),
    ],
)
def test_life_of_a_waiver(tmp_path: Path, day: datetime.date, status: str, note: str) -> None:
    gate = on(tmp_path, day, f"\n{waiver()}")
    row = row_of(gate, "BA201")
    assert (row.status, gate.passed, row.line) == (status, status == WAIVED, 2)
    assert bool(gate.notes) is bool(note)
    assert all(note in one for one in gate.notes)
    if status == WAIVED:
        assert row.waiver == "Accepted by Dr. Ada (wolves live in snow) until 2027-01-31."
        assert "1 waived" in gate.summary
    else:
        assert row.waiver == "The waiver of Dr. Ada (wolves live in snow) expired on 2027-01-31."
    assert row.sentence == f"SUSPICIOUS: What happened. {row.waiver}"


def test_without_a_day_today_counts(tmp_path: Path) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    for days, passed in ((1, True), (-2, False)):
        text = waiver(expires=str(today + datetime.timedelta(days)))
        assert judged(tmp_path, run_of(FOUND), text).passed is passed


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ('rule = "BA302"\nclass = "wolf"\ncue = "snow"\n', True),
        ('rule = "BA302"\nclass = "wolf"\n', False),  # no cue is not every cue
        ('rule = "BA302"\nclass = "husky"\ncue = "snow"\n', False),
        ('rule = "BA302"\nclass = "wolf"\ncue = "grass"\n', False),
        ('rule = "BA301"\nclass = "wolf"\ncue = "snow"\n', False),
        (f'finding = "{finding_id(SNOW, run_of())}"\n', True),
        (f'finding = "{finding_id(SNOW, run_of(content="other"))}"\n', False),
    ],
)
def test_a_waiver_covers_exactly_one_finding(tmp_path: Path, scope: str, covered: bool) -> None:
    gate = on(tmp_path, DAY, waiver(scope), SNOW)
    assert gate.passed is covered
    assert bool(gate.notes) is not covered
    if not covered:
        assert gate.notes[0].endswith("(line 1) is unused: this run has no such finding.")


@pytest.mark.parametrize(
    ("accepted", "reopened"),
    [
        ("", False),
        ("measured = 0.5\nlow = 0.4\nhigh = 0.5\n", False),
        ("measured = 0.4\nlow = 0.3\nhigh = 0.49\n", True),
        ("measured = 0.41\n", False),  # its interval reaches down to .4
        ("measured = 0.39\n", True),
        ('level = "SUSPICIOUS"\n', False),
        ('level = "COLLATERAL"\n', True),
        ('level = "CONFIRMED"\nmeasured = 0.9\nlow = 0.8\nhigh = 1\n', False),
    ],
)
def test_a_finding_that_grew_is_open_again(tmp_path: Path, accepted: str, reopened: bool) -> None:
    gate = on(tmp_path, DAY, waiver(more=accepted))
    row = row_of(gate, "BA201")
    assert row.status == (FAILED if reopened else WAIVED)
    assert row.waiver.startswith("Open again: it is worse than what Dr. Ada" if reopened else "Accepted by")


@pytest.mark.parametrize(
    ("expires", "since", "most", "holds"),
    [
        ("2027-05-24", "", "", True),  # 180 days from today
        ("2027-05-25", "", "", False),
        ("2027-05-24", "2026-11-25", "", True),
        ("2026-12-01", "2026-06-03", "", False),
        ("2026-12-06", "", "10", False),
        ("2026-12-05", "", "10", True),
    ],
)
def test_longest_life(tmp_path: Path, expires: str, since: str, most: str, holds: bool) -> None:
    text = waiver(expires=expires, more=f"since = {since}\n" if since else "")
    gate = on(tmp_path, DAY, text + (f"[waivers]\nmax_days = {most}\n" if most else ""))
    row = row_of(gate, "BA201")
    assert row.status == (WAIVED if holds else FAILED)
    assert holds or f"at most {most or 180} days are allowed" in row.waiver


def test_of_several_waivers_the_one_that_holds_counts(tmp_path: Path) -> None:
    over = waiver(expires="2026-01-01")
    gate = on(tmp_path, DAY, over + waiver().replace("Ada", "Bob") + over)
    assert (row_of(gate, "BA201").status, row_of(gate, "BA201").line) == (WAIVED, 7)


def test_an_expired_waiver_fails_though_the_baseline_has_the_finding(tmp_path: Path) -> None:
    run, late = run_of(FOUND), datetime.date(2027, 2, 1)
    gate = judged(tmp_path, run, waiver(), baseline=run, today=late)
    assert (row_of(gate, "BA201").status, row_of(gate, "BA201").change) == (FAILED, "known")
    assert row_of(judged(tmp_path, run, waiver(), baseline=run, today=DAY), "BA201").status == WAIVED
    assert row_of(judged(tmp_path, run, "", baseline=run, today=late), "BA201").status == WARNED


def test_a_waiver_opens_no_named_state(tmp_path: Path) -> None:
    maps = outcome("found", "MODEL WARNING", code="BA908", scope="dataset", subject="stability")
    scope = 'rule = "BA908"\n'
    assert not on(tmp_path, DAY, waiver(scope), maps).passed


# -- decisions ------------------------------------------------------------------------------


def decision(**changed: Any) -> Decision:
    values: dict[str, Any] = {
        "target_kind": "finding", "target_key": finding_id(FOUND, run_of()), "verdict": "legitimate context",
        "note": "wolves live in snow", "reviewer": "Ada", "time": "2026-11-01T10:00:00+00:00", "subject": "wolf",
        "expires": "2027-01-31", "code": "BA201", "measured": 0.5, "low": 0.4, "high": 0.6,
    }  # fmt: skip
    return Decision(**{**values, **changed})


def test_legitimate_context_with_expiry_is_a_waiver() -> None:
    gate = judge(run_of(FOUND), read_gate(None), decisions=[decision()], today=DAY)
    row = row_of(gate, "BA201")
    assert (row.status, row.waiver, gate.passed) == (
        WAIVED, "Accepted by Ada (wolves live in snow) until 2027-01-31.", True,
    )  # fmt: skip
    late = judge(run_of(FOUND), read_gate(None), decisions=[decision()], today=datetime.date(2027, 2, 1))
    assert (row_of(late, "BA201").status, "expired on 2027-01-31" in row_of(late, "BA201").sentence) == (FAILED, True)
    grown = outcome("found", "SUSPICIOUS", measured=0.61, low=0.5, high=0.7)
    assert (
        "Open again" in row_of(judge(run_of(grown), read_gate(None), decisions=[decision()], today=DAY), "BA201").waiver
    )


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"expires": ""}, "it has no expiry"),
        ({"note": " "}, "it has no note"),
        ({"reviewer": "", "expires": "soon"}, "it has no reviewer and no expiry"),
        ({"note": "\u200b", "reviewer": "\u3164"}, "it has no note and no reviewer"),
        ({"time": "soon"}, "it has no day on which it was made"),
        ({"verdict": "bias"}, ""),
        ({"target_kind": "image"}, ""),
    ],
)
def test_other_decisions_are_no_waivers(changed: dict[str, str], why: str) -> None:
    gate = judge(run_of(FOUND), read_gate(None), decisions=[decision(**changed)], today=DAY)
    assert row_of(gate, "BA201").status == FAILED
    assert [why in note for note in gate.notes] == ([True] if why else [])


def test_reviewers_who_disagree_waive_nothing() -> None:
    waivers, said = from_decisions([decision(), decision(reviewer="Bob", verdict="bias")])
    assert waivers == []
    assert said == [
        "The decision of Ada on wolf is no waiver: reviewers disagree (Ada: legitimate context, Bob: bias)."
    ]
    assert len(from_decisions([decision(), decision(reviewer="Bob")])[0]) == 2


def test_the_life_of_a_decision_counts_from_its_day() -> None:
    long = decision(time="2026-06-01T10:00:00+00:00", expires="2026-12-31")
    gate = judge(run_of(FOUND), read_gate(None), decisions=[long], today=DAY)
    assert "lasts 213 days" in row_of(gate, "BA201").waiver


@pytest.mark.parametrize(("since", "holds"), [("2026-11-25", True), ("2026-11-26", False), ("2027-05-01", False)])
def test_a_waiver_dated_in_the_future_does_not_hold(tmp_path: Path, since: str, holds: bool) -> None:
    """With `since` ahead, `expires` could lie beyond `max_days` from today."""
    text = waiver(expires="2027-05-20" if not holds else "2027-01-31", more=f"since = {since}\n")
    gate = on(tmp_path, DAY, text)
    row = row_of(gate, "BA201")
    assert (row.status, gate.passed) == ((WAIVED, True) if holds else (FAILED, False))
    said = f"is dated {since}, which is in the future: it does not count yet."
    assert (said in row.sentence) is not holds
    assert any(said in note for note in gate.notes) is not holds
    day = datetime.date.fromisoformat(since)
    assert on(tmp_path, day, waiver(expires=str(day + datetime.timedelta(9)), more=f"since = {since}\n")).passed


def test_a_decision_dated_in_the_future_does_not_hold() -> None:
    ahead = decision(time="2027-01-20T10:00:00+00:00")
    gate = judge(run_of(FOUND), read_gate(None), decisions=[ahead], today=DAY)
    assert "is dated 2027-01-20, which is in the future" in row_of(gate, "BA201").waiver
    assert not gate.passed
    assert judge(run_of(FOUND), read_gate(None), decisions=[ahead], today=datetime.date(2027, 1, 20)).passed


def test_decisions_lie_in_the_run(tmp_path: Path) -> None:
    run = stored(tmp_path / "run", run_of(FOUND, classes=(WOLF,)))
    assert not gate_run(run, today=DAY).passed
    add(tmp_path / "run", decision(), data="c0ffee")
    day = datetime.date(2027, 1, 31)
    assert gate_run(run, today=day).passed
    assert not gate_run(run, today=day + datetime.timedelta(1)).passed
    file = tmp_path / "gate.toml"
    file.write_text("[waivers]\ndecisions = false\n")
    assert not gate_run(run, file, today=day).passed
