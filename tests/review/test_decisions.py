"""The store of decisions: what stands, what was, and that nothing acknowledged is ever lost."""

from __future__ import annotations

import dataclasses
import datetime
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bias_audit.errors import ConfigError, ResultError
from bias_audit.review.decisions import (
    FILE,
    Decision,
    add,
    changed_since,
    checked,
    history,
    read_decisions,
    take,
    undo,
)
from bias_audit.run.folder import Run

WOLF = Decision(
    "finding", "f00d", "bias", reviewer="Ada", subject="wolf", code="BA201", measured=0.5, low=0.2, high=0.8
)
FIELDS = {"target_kind": "finding", "target_key": "f00d", "verdict": "legitimate context", "reviewer": "Ada"}


def verdicts(folder: Path) -> list[tuple[str, str, str]]:
    return [(each.target_key, each.reviewer, each.verdict) for each in read_decisions(folder)]


def test_nobody_decided(tmp_path: Path):
    assert read_decisions(tmp_path) == []
    assert history(tmp_path) == []
    assert undo(tmp_path, "f00d", "Ada") is None
    assert read_decisions(tmp_path) == []


def test_a_decision_comes_back_as_it_was(tmp_path: Path):
    stored = add(tmp_path, WOLF, data="d")
    assert dataclasses.replace(stored, id="", time="") == WOLF
    assert stored.time.endswith("+00:00")
    assert read_decisions(tmp_path) == [stored]
    (event,) = history(tmp_path)
    assert (event.decision, event.data, event.withdrawn, event.standing) == (stored, "d", "", True)


def test_the_last_word_of_each_reviewer_stands(tmp_path: Path):
    add(tmp_path, WOLF)
    add(tmp_path, dataclasses.replace(WOLF, reviewer="Bob", verdict="wrong mask"))
    add(tmp_path, dataclasses.replace(WOLF, verdict="legitimate context", expires="2027-01-31"))
    add(tmp_path, dataclasses.replace(WOLF, target_key="beef", target_kind="image"))
    assert verdicts(tmp_path) == [
        ("f00d", "Bob", "wrong mask"),
        ("f00d", "Ada", "legitimate context"),
        ("beef", "Ada", "bias"),
    ]
    assert [event.standing for event in history(tmp_path, "f00d")] == [False, True, True]


def test_undo_goes_back_one_step_and_forgets_nothing(tmp_path: Path):
    first = add(tmp_path, WOLF)
    second = add(tmp_path, dataclasses.replace(WOLF, verdict="wrong label"))
    other = add(tmp_path, dataclasses.replace(WOLF, reviewer="Bob"))
    assert undo(tmp_path, "f00d", "Ada") == second
    assert read_decisions(tmp_path) == [first, other]
    assert undo(tmp_path, "f00d", "Ada") == first
    assert undo(tmp_path, "f00d", "Ada") is None
    assert read_decisions(tmp_path) == [other]
    assert [bool(event.withdrawn) for event in history(tmp_path)] == [True, True, False]
    again = add(tmp_path, WOLF)
    assert read_decisions(tmp_path) == [other, again]


def test_a_repeated_undo_goes_back_once(tmp_path: Path):
    first, second = add(tmp_path, WOLF), add(tmp_path, dataclasses.replace(WOLF, verdict="wrong label"))
    assert undo(tmp_path, "f00d", "Ada", decision_id=second.id) == second
    assert undo(tmp_path, "f00d", "Ada", decision_id=second.id) is None
    assert undo(tmp_path, "f00d", "Bob", decision_id=first.id) is None
    assert read_decisions(tmp_path) == [first]


def test_a_repeated_request_is_stored_once(tmp_path: Path):
    once = dataclasses.replace(WOLF, id="0123456789abcdef")
    add(tmp_path, once)
    add(tmp_path, once)
    assert len(history(tmp_path)) == 1


def test_a_word_after_one_dated_ahead_still_is_the_last_word(tmp_path: Path):
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=12)
    ahead = dataclasses.replace(WOLF, id="ahead", time=soon.isoformat())
    take(tmp_path, {"ahead": (ahead, "d")}, {})
    add(tmp_path, dataclasses.replace(WOLF, verdict="wrong mask"))
    assert verdicts(tmp_path) == [("f00d", "Ada", "wrong mask")]


def test_a_decision_dated_in_the_future_is_not_taken(tmp_path: Path):
    """It would outlast every later word of its reviewer, and a life counted from its day."""
    ahead = dataclasses.replace(WOLF, id="ahead", time="2099-01-01T00:00:00+00:00")
    with pytest.raises(ConfigError, match="lies in the future: 2099-01-01"):
        take(tmp_path, {"ahead": (ahead, "d")}, {})
    assert history(tmp_path) == []


@pytest.mark.parametrize("nobody", ["\u200b", "\u3164\u2060 "])
def test_a_reviewer_of_whom_nothing_can_be_seen_is_refused(tmp_path: Path, nobody: str):
    with pytest.raises(ConfigError, match="who decided"):
        add(tmp_path, dataclasses.replace(WOLF, reviewer=nobody))
    assert add(tmp_path, dataclasses.replace(WOLF, note=nobody)).note == ""


def test_changes_since_a_version(tmp_path: Path):
    assert changed_since(tmp_path, 0) == (0, {})
    first = add(tmp_path, WOLF)
    version, everything = changed_since(tmp_path, 0)
    assert everything == {"f00d": [first]}
    assert changed_since(tmp_path, version) == (version, {})
    image = add(tmp_path, dataclasses.replace(WOLF, target_kind="image", target_key="beef"))
    later, changed = changed_since(tmp_path, version)
    assert (later > version, changed) == (True, {"beef": [image]})
    undo(tmp_path, "f00d", "Ada")
    assert changed_since(tmp_path, later)[1] == {"f00d": []}


def test_taking_is_all_or_nothing(tmp_path: Path):
    good = dataclasses.replace(WOLF, id="good", time="2026-01-01T00:00:00+00:00")
    bad = dataclasses.replace(good, id="bad", verdict="maybe")
    with pytest.raises(ConfigError, match="verdict"):
        take(tmp_path, {"good": (good, "d"), "bad": (bad, "d")}, {})
    assert history(tmp_path) == []
    assert take(tmp_path, {"good": (good, "d")}, {}) == (1, 0)
    withdrawn = {"good": "2026-01-02T00:00:00.000000+00:00", "unknown": "2026-01-02T00:00:00.000000+00:00"}
    assert take(tmp_path, {"good": (good, "d")}, withdrawn) == (0, 1)
    assert take(tmp_path, {"good": (good, "d")}, withdrawn) == (0, 0)
    assert read_decisions(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verdict": "guilty"}, "verdict"),
        ({"target_kind": "class"}, "target_kind"),
        ({"target_key": ""}, "what it is about"),
        ({"reviewer": " \t "}, "who decided"),
        ({"reviewer": 7}, "must be text"),
        ({"note": "x" * 4001}, "at most 4,000"),
        ({"target_key": "x" * 201}, "at most 200"),
        ({"expires": "31.12.2026"}, "2026-12-31"),
        ({"expires": "2026-12-31", "verdict": "bias"}, "only 'legitimate context'"),
        ({"time": "2026-12-31T12:00:00"}, "offset"),
        ({"time": "yesterday"}, "2026-12-31T12"),
        ({"time": "9999-12-31T23:59:59+00:00"}, "era"),
        ({"measured": "0.5"}, "must be a number"),
        ({"measured": True}, "must be a number"),
        ({"low": 10**400}, "must be a number"),
        ({"colour": "red"}, "no field 'colour'"),
    ],
)
def test_what_no_decision_can_be(change: dict[str, object], said: str):
    checked(FIELDS)
    with pytest.raises(ConfigError, match=said):
        checked({**FIELDS, **change})


def test_text_that_no_file_could_hold_is_made_one(tmp_path: Path):
    stored = add(tmp_path, dataclasses.replace(WOLF, note="lone \ud800 half", subject="y" * 500, measured=float("nan")))
    assert (stored.note, len(stored.subject), stored.measured) == ("lone ? half", 200, None)
    assert read_decisions(tmp_path) == [stored]


def test_times_of_other_zones_sort_as_what_they_are():
    times = ["2026-01-01T01:00:00+02:00", "2025-12-31T23:30:00Z", "2026-01-01T00:00:00.5+00:00"]
    utc = [checked({**FIELDS, "time": time}).time for time in times]
    assert utc == [
        "2025-12-31T23:00:00.000000+00:00",
        "2025-12-31T23:30:00.000000+00:00",
        "2026-01-01T00:00:00.500000+00:00",
    ]


def test_a_damaged_file_is_one_sentence(tmp_path: Path):
    file = tmp_path / FILE
    file.write_bytes(b"this is no database, but long enough to look at" * 100)
    for use in (lambda: read_decisions(tmp_path), lambda: add(tmp_path, WOLF), lambda: undo(tmp_path, "k", "Ada")):
        with pytest.raises(ResultError, match="is damaged"):
            use()
    assert file.read_bytes().startswith(b"this is no database")


def test_a_cut_file_is_one_sentence(tmp_path: Path):
    for _ in range(40):
        add(tmp_path, dataclasses.replace(WOLF, note="x" * 4000))
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(ResultError, match="is damaged"):
        read_decisions(tmp_path)


def test_another_database_and_a_newer_one_are_left_alone(tmp_path: Path):
    with sqlite3.connect(tmp_path / FILE) as foreign:
        foreign.execute("CREATE TABLE events (x)")
    foreign.close()
    with pytest.raises(ResultError, match="no store of decisions"):
        add(tmp_path, WOLF)
    (tmp_path / FILE).unlink()
    add(tmp_path, WOLF)
    with sqlite3.connect(tmp_path / FILE) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(ResultError, match="format version 99"):
        read_decisions(tmp_path)


def test_no_folder_no_decision(tmp_path: Path):
    with pytest.raises(ResultError, match="no run folder"):
        add(tmp_path / "gone", WOLF)


def test_decisions_outlive_an_overwritten_and_a_refused_run(tmp_path: Path):
    folder = tmp_path / "run"
    run = Run(folder)
    run.start({"model": "m"}, resume=False, overwrite=False)
    run.finish({})
    stored = add(folder, WOLF)
    Run(folder).start({"model": "n"}, resume=False, overwrite=True)
    assert read_decisions(folder) == [stored]
    with pytest.raises(ConfigError, match="no photos"), Run(folder).refusal_leaves_nothing():
        raise ConfigError("no photos")
    assert read_decisions(folder) == [stored]
    Run(folder).check(resume=False, overwrite=False)


WRITER = """
import sys
from bias_audit.review.decisions import Decision, add
folder, reviewer, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for i in range(count):
    stored = add(folder, Decision("image", f"{i}", "bias", reviewer=reviewer))
    print(stored.id, flush=True)
"""


def writer(folder: Path, reviewer: str, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(folder), reviewer, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_at_once(tmp_path: Path):
    both = [writer(tmp_path, name, 40) for name in ("Ada", "Bob")]
    told = {line.strip() for process in both for line in process.communicate(timeout=120)[0].splitlines()}
    assert [process.returncode for process in both] == [0, 0]
    assert len(told) == 80
    assert {event.decision.id for event in history(tmp_path)} == told


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path):
    told: set[str] = set()
    for round_ in range(4):
        process = writer(tmp_path, f"Ada {round_}", 100_000)
        assert process.stdout is not None
        for _ in range(5 + round_):
            told.add(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()  # with what readline has read ahead, which communicate would leave out
        process.wait(timeout=60)
        told |= {line for line in rest.split("\n")[:-1] if line}  # a line without its end was never acknowledged
    kept = {event.decision.id for event in history(tmp_path)}
    assert len(told) >= 5 + 6 + 7 + 8
    assert told <= kept
    assert len(kept - told) <= 4  # at most one each was stored and not told any more
