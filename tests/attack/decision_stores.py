"""Damaged decisions.sqlite, decisions that must waive nothing, hostile imports, and writers that are killed."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

from .changing import ODD_NUMBERS, ODD_TEXTS, changed_bytes, changed_text, changed_value, deep
from .gate_files import BLANK
from .runs import write_runs
from .trying import HARMLESS, LOST, WRONG, Attempt, Kind, command, killed, red, sentence, told


def bytes_of_the_store(attempt: Attempt) -> str:
    """Changed bytes of decisions.sqlite: the gate stays red, and the commands that read it have a sentence."""
    rng = attempt.rng
    run = _run(attempt)
    file = run / "decisions.sqlite"
    data, done = changed_bytes(file.read_bytes(), rng)
    if rng.random() < 0.1:
        data, done = rng.choice(((b"", "empty"), (b"SQLite format 3\0", "a head alone"), (b"x" * 5000, "no database")))
    file.write_bytes(data)
    if rng.random() < 0.1:
        (run / "decisions.sqlite-journal").write_bytes(rng.randbytes(600))
        done += ", beside a journal of noise"
    attempt.what = f"decisions.sqlite: {done}"
    if rng.random() < 0.8:
        return red(command("gate", run, "--format", "json"))
    return told(command("review", run, "--export", attempt.folder / f"out.{rng.choice(('csv', 'json'))}"))


def rows_of_the_store(attempt: Attempt) -> str:
    """Rows that no reviewer could have stored: other types, odd texts, other tables and triggers."""
    rng = attempt.rng
    run = _run(attempt)
    column = rng.choice(("id", "withdraws", "data", "target_kind", "target_key", "verdict", "note", "reviewer", "time",
                         "subject", "expires", "code", "measured", "low", "high"))  # fmt: skip
    value = rng.choice((*ODD_TEXTS[:10], *(float(n) if abs(n) < 1e300 else 1e308 for n in ODD_NUMBERS), b"\xff\x00"))
    with contextlib.closing(sqlite3.connect(run / "decisions.sqlite")) as store:
        changes = (
            (f"UPDATE events SET {column} = ?", (value,)),
            (f"ALTER TABLE events DROP COLUMN {column}", ()),
            ("DROP TABLE events", ()),
            ("CREATE TABLE other (a)", ()),
            ("DROP TABLE events; CREATE VIEW events AS SELECT 1 AS id", ()),
            ("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END", ()),
            (f"PRAGMA user_version = {rng.choice((0, 2, 99, -1))}", ()),
            (f"PRAGMA application_id = {rng.randrange(2**31)}", ()),
        )
        statement, values = changes[0] if rng.random() < 0.6 else rng.choice(changes)
        attempt.what = f"decisions.sqlite: {statement} {values!r:.60}"
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError):
            if values:
                store.execute(statement, values)
            else:
                store.executescript(statement)
            store.commit()
    if rng.random() < 0.7:
        return red(command("gate", run, "--format", "json"))
    return told(command("review", run, "--export", attempt.folder / "out.csv"))


def decisions_that_waive_nothing(attempt: Attempt) -> str:
    """Decisions "legitimate context" that are blank, from the future, over, or live too long."""
    rng = attempt.rng
    run = _run(attempt)
    today = datetime.datetime.now(datetime.UTC)
    row = {
        "id": "f" * 16, "withdraws": "", "data": "", "target_kind": "finding", "target_key": _finding(run),
        "verdict": "legitimate context", "note": "context", "reviewer": "Ada", "time": today.isoformat(),
        "subject": "husky", "expires": str(today.date() + datetime.timedelta(30)), "code": "BA201",
        "measured": 0.75, "low": 0.25, "high": 0.9,
    }  # fmt: skip
    ahead = today + datetime.timedelta(rng.choice((2, 30, 3_000)))
    match rng.randrange(6):
        case 0:
            row["reviewer"] = rng.choice(BLANK)
        case 1:
            row["note"] = rng.choice(BLANK)
        case 2:
            row |= {"time": ahead.isoformat(), "expires": str(ahead.date() + datetime.timedelta(30))}
        case 3:
            row |= {"expires": str((today - datetime.timedelta(2)).date())}
        case 4:
            row |= {"expires": str((today + datetime.timedelta(rng.choice((400, 4_000, 1_000_000)))).date())}
        case _:
            row |= {"expires": ""}
    attempt.what = f"decision {row}"
    with contextlib.closing(sqlite3.connect(run / "decisions.sqlite")) as store:
        store.execute("DELETE FROM events")
        marks = ", ".join(f":{name}" for name in row)
        store.execute(f"INSERT INTO events ({', '.join(row)}) VALUES ({marks})", row)
        store.commit()
    return red(command("gate", run, "--format", "json"))


def imports(attempt: Attempt) -> str:
    """Files of decisions from elsewhere, damaged or dressed up: all or nothing is taken, with a sentence."""
    rng = attempt.rng
    run = _run(attempt)
    kind = rng.choice(("json", "csv"))
    data = (attempt.world / f"decisions.{kind}").read_bytes()
    if kind == "json" and rng.random() < 0.5:
        content = json.loads(data)
        done = changed_value(content, rng)
        data = json.dumps(content).encode()
    elif kind == "json" and rng.random() < 0.1:
        text, done = deep(rng)
        data = text.encode()
    elif rng.random() < 0.6:
        text, done = changed_text(data.decode(), rng)
        data = text.encode()
    else:
        data, done = changed_bytes(data, rng)
    attempt.what = f"--import of a {kind} file: {done}"
    file = attempt.folder / f"in.{kind}"
    file.write_bytes(data)
    from bias_audit.review.decisions import history

    before = {event.decision.id for event in history(run)}
    answer = told(command("review", run, "--import", file))
    if before - {event.decision.id for event in history(run)}:
        attempt.bad(LOST, "decisions that were stored before")
    return answer


def killed_writers(attempt: Attempt) -> str:
    """A process that stores decisions is killed: every decision that it acknowledged is there, and the store whole."""
    from bias_audit.review.decisions import Decision, add, history

    rng = attempt.rng
    run = attempt.folder / "run"
    run.mkdir()
    reading, writing = os.pipe()
    after = rng.uniform(0.001, 0.08)
    attempt.what = f"killed after {after:.3f} s"
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            for number in range(10_000):
                stored = add(run, Decision("finding", f"k{number % 7}", "bias", "n" * (number % 900), "Ada"))
                os.write(writing, f"{stored.id}\n".encode())
        finally:
            os._exit(1)
    os.close(writing)
    time.sleep(after)
    killed(child)
    with os.fdopen(reading) as acknowledged:
        ids = acknowledged.read().split()
    there = {event.decision.id for event in history(run)}
    if missing := set(ids) - there:
        attempt.bad(LOST, f"{len(missing)} of {len(ids)} acknowledged decisions")
    if len(there) > len(ids) + 1:
        attempt.bad(WRONG, f"{len(there)} decisions stored, {len(ids)} acknowledged")
    return sentence(lambda: add(run, Decision("finding", "after", "bias", "", "Ada"))) and HARMLESS


def _run(attempt: Attempt) -> Path:
    run = attempt.folder / "finding"
    shutil.copytree(attempt.world / "finding", run)
    shutil.copy(attempt.world / "decisions.sqlite", run)
    return run


def _finding(run: Path) -> str:
    from bias_audit.run.identity import finding_id
    from bias_audit.run.result import load

    result = load(run)
    return finding_id(next(one for one in result.outcomes if one.found), result)


def prepare(folder: Path) -> None:
    """The runs, a store with decisions of two reviewers that waive nothing, and its exports."""
    from bias_audit.review.decisions import Decision, add, undo

    write_runs(folder)
    run = folder / "finding"
    key = _finding(run)
    for reviewer in ("Ada", "Bob"):
        for number in range(5):
            add(run, Decision("finding", key if number else "other", "bias", f"note {number}", reviewer, code="BA201"))
    undo(run, "other", "Bob")
    for kind in ("json", "csv"):
        if (ended := command("review", run, "--export", folder / f"decisions.{kind}")).code:
            raise AssertionError(ended.err)
    shutil.move(run / "decisions.sqlite", folder / "decisions.sqlite")


KINDS = {
    "decisions.sqlite: bytes": Kind(bytes_of_the_store, prepare, 25, 25),
    "decisions.sqlite: rows": Kind(rows_of_the_store, prepare, 15, 20),
    "decisions that waive nothing": Kind(decisions_that_waive_nothing, prepare, 10, 18),
    "imports of decisions": Kind(imports, prepare, 10, 15),
    "decisions under SIGKILL": Kind(killed_writers, lambda folder: None, 10, 6),
}
