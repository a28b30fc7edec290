"""Decided, undecided or in disagreement: one definition, which a page that holds only a part must not break."""

from __future__ import annotations

from pathlib import Path

import pytest

from bias_audit.report import decide_section
from bias_audit.review.agreement import DECIDED, DISAGREEMENT, UNDECIDED, state_of, who_said_what
from bias_audit.review.decisions import Decision, add, read_decisions, undo


def say(run: Path, verdict: str, reviewer: str, key: str = "k") -> None:
    add(run, Decision("finding", key, verdict, reviewer=reviewer))


def test_the_latest_of_each_reviewer_counts(tmp_path: Path) -> None:
    assert state_of(read_decisions(tmp_path)) == UNDECIDED
    say(tmp_path, "bias", "Ada")
    say(tmp_path, "wrong mask", "Ada")
    assert state_of(read_decisions(tmp_path)) == DECIDED, "who corrects herself does not disagree"
    say(tmp_path, "bias", "Bob")
    assert state_of(read_decisions(tmp_path)) == DISAGREEMENT
    assert who_said_what(read_decisions(tmp_path)) == "Ada: wrong mask, Bob: bias"
    undo(tmp_path, "k", "Ada")
    assert state_of(read_decisions(tmp_path)) == DECIDED, "what was taken back does not count"


def test_a_page_holds_all_about_a_target_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for verdict, who, key in (
        ("bias", "Ada", "old"),
        ("bias", "Ada", "k"),
        ("bias", "Bob", "old"),
        ("bias", "Ada", "n"),
    ):
        say(tmp_path, verdict, who, key)
    made = read_decisions(tmp_path)
    for most, kept in ((4, ["old", "k", "old", "n"]), (3, ["old", "old", "n"]), (2, ["n"]), (0, [])):
        monkeypatch.setattr(decide_section, "MOST_DECISIONS", most)
        assert [each.target_key for each in decide_section._newest(made)] == kept
