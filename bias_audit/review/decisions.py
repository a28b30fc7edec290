"""Stores the decisions of reviewers about findings, cues and images in RUN/decisions.sqlite.

Nothing is ever changed or deleted: an undo is a row of its own. The key of a target depends on the data only, so a
decision holds in every run on the same data. Only the standard library is used, because the gate reads decisions. Every
function that opens the file raises ResultError where it is damaged, locked, or of a newer version.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError
from bias_audit.review.decision_file import FILE as FILE
from bias_audit.review.decision_file import reading, writing
from bias_audit.review.written import past, visible
from bias_audit.run.versions import SCOPES

KINDS = ("finding", "cue", "image")
BIAS, LEGITIMATE, WRONG_MASK, WRONG_LABEL = VERDICTS = ("bias", "legitimate context", "wrong mask", "wrong label")

LONGEST_NAME, LONGEST_NOTE = 200, 4000
"""Most characters of a note, and of every other text of a decision."""


@dataclass(frozen=True)
class Decision:
    """The verdict of one reviewer about one target.

    Attributes:
        target_kind: one of KINDS.
        target_key: `identity.finding_id` of a finding or of a cue's finding, `identity.cue_key` of a cue
            without one, `content` of an image.
        verdict: one of VERDICTS.
        note: reason, in the reviewer's words.
        reviewer: name of the reviewer.
        time: ISO time in UTC; "" until the decision is stored.
        subject: class, cue or file, for people to read.
        expires: ISO date of the last day on which the decision holds; "" = no end. Only with LEGITIMATE.
        code: rule code of a finding, else "".
        measured, low, high: the finding's number and the ends of its interval that the reviewer saw.
        id: id of this decision, equal in every store that it is copied to; "" until the decision is stored.
    """

    target_kind: str
    target_key: str
    verdict: str
    note: str = ""
    reviewer: str = ""
    time: str = ""
    subject: str = ""
    expires: str = ""
    code: str = ""
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    id: str = ""


@dataclass(frozen=True)
class Event:
    """A decision in the history of a run, and whether it still counts.

    Attributes:
        decision: the decision as it was made.
        data: content hash of the data set that the reviewer looked at, "" if unknown.
        withdrawn: ISO time at which the decision was taken back, "" where it was not.
        standing: whether this is the reviewer's present decision on the target.
    """

    decision: Decision
    data: str
    withdrawn: str
    standing: bool


FIELDS = tuple(field.name for field in dataclasses.fields(Decision))
_NUMBERS = ("measured", "low", "high")


def read_decisions(run_folder: str | Path) -> list[Decision]:
    """The latest decision per target and reviewer that was not taken back, oldest first; [] without decisions."""
    return [event.decision for event in history(run_folder) if event.standing]


def history(run_folder: str | Path, target_key: str | None = None) -> list[Event]:
    """Every decision ever made, also those that were taken back or followed by another one, oldest first.

    Args:
        run_folder: folder of the run.
        target_key: only decisions on this target; None = on all targets.
    """
    with reading(run_folder) as store:
        if store is None:
            return []
        return _events(store, *(("1", ()) if target_key is None else ("target_key = ?", (target_key,))))


def changed_since(run_folder: str | Path, version: int) -> tuple[int, dict[str, list[Decision]]]:
    """Standing decisions on the targets for which a decision was made or undone since a version of the store.

    Args:
        run_folder: folder of the run.
        version: version that an earlier call returned; 0 = since the beginning.

    Returns:
        the present version, and target key -> standing decisions, oldest first; [] where all were taken back.
    """
    with reading(run_folder) as store:
        if store is None:
            return 0, {}
        present = store.execute("SELECT coalesce(max(rowid), 0) FROM events").fetchone()[0]
        changed = "target_key IN (SELECT target_key FROM events WHERE rowid > ?)"
        events = _events(store, changed, (version,)) if present > version else []
    standing: dict[str, list[Decision]] = {event.decision.target_key: [] for event in events}
    for event in events:
        if event.standing:
            standing[event.decision.target_key].append(event.decision)
    return present, standing


def add(run_folder: str | Path, decision: Decision, *, data: str = "") -> Decision:
    """Store a decision; when this returns, it is on the disk.

    Args:
        run_folder: folder of the run.
        decision: the decision, with "" as `id` and `time` where it is new. A known id is stored once, so that a request
            may be repeated.
        data: content hash of the data set.

    Returns:
        the decision as stored, with id and time.

    Raises:
        ConfigError: a field is wrong.
        ResultError: the file is damaged, locked, or cannot be written.
    """
    stored = checked({**dataclasses.asdict(decision), "id": decision.id or new_id()})
    with writing(run_folder) as store:
        if not stored.time:
            stored = dataclasses.replace(stored, time=_next_time(store, stored))
        _insert(store, stored, data)
    return stored


def undo(
    run_folder: str | Path, target_key: str, reviewer: str, *, decision_id: str = "", data: str = ""
) -> Decision | None:
    """Take back a reviewer's present decision on a target; an earlier one of the same reviewer stands again.

    Args:
        run_folder: folder of the run.
        target_key, reviewer: key of the target and name of the reviewer.
        decision_id: id of the decision to take back; "" = the present one. With an id a repeated request does no harm.
        data: content hash of the data set.

    Returns:
        the decision that was taken back, None where there was none.
    """
    with writing(run_folder) as store:
        row = store.execute(
            "SELECT * FROM events WHERE target_key = ? AND reviewer = ? AND ? IN ('', id) AND withdraws = '' "
            "AND id NOT IN (SELECT withdraws FROM events) ORDER BY time DESC, id DESC LIMIT 1",
            (target_key, reviewer, decision_id),
        ).fetchone()
        if row is None:
            return None
        decision = _decision(row)
        _withdraw(store, decision, new_id(), now(), data)
    return decision


def take(
    run_folder: str | Path, decisions: Mapping[str, tuple[Decision, str]], withdrawn: Mapping[str, str]
) -> tuple[int, int]:
    """Store decisions of another run or file, all or none; those that are stored already stay as they are.

    Args:
        run_folder: folder of the run.
        decisions: id -> decision and content hash of its data.
        withdrawn: id of a decision -> time at which it was taken back.

    Returns:
        number of decisions that were not stored here before, and number of decisions that `withdrawn` took back.

    Raises:
        ConfigError: a field of a decision is wrong; nothing was stored.
    """
    with writing(run_folder) as store:
        before = store.total_changes
        for decision, data in decisions.values():
            _insert(store, checked(dataclasses.asdict(decision)), data)
        added = store.total_changes - before
        known = {row["id"]: row for row in store.execute("SELECT * FROM events WHERE withdraws = ''")}
        gone = {row["withdraws"] for row in store.execute("SELECT withdraws FROM events")}
        back = [(known[each], time) for each, time in withdrawn.items() if each in known and each not in gone]
        for row, time in back:
            _withdraw(store, _decision(row), new_id(), time, row["data"])
    return added, len(back)


def checked(fields: Mapping[str, Any]) -> Decision:
    """A decision made of fields of unknown origin, such as a request or a file.

    Raises:
        ConfigError: a field is missing, unknown, of another type, too long or not allowed.
    """
    if unknown := sorted(set(fields) - set(FIELDS)):
        raise ConfigError(f"a decision has no field {unknown[0]!r}; it has {', '.join(FIELDS)}")
    texts = {name: fields.get(name, "") for name in FIELDS if name not in _NUMBERS}
    for name, text in texts.items():
        limit = LONGEST_NOTE if name == "note" else LONGEST_NAME
        if not isinstance(text, str):
            raise ConfigError(f"{name!r} of a decision must be text, got {type(text).__name__}")
        if name == "subject":
            texts[name] = text[:limit]
        elif len(text) > limit:
            raise ConfigError(f"{name!r} of a decision has {len(text):,} characters, at most {limit:,} are kept")
        # A lone surrogate is no text that SQLite or JSON could hold.
        texts[name] = texts[name].encode("utf-8", "replace").decode()
    texts["target_kind"] = SCOPES.get(texts["target_kind"], texts["target_kind"])  # of an older version
    texts["reviewer"], texts["note"] = visible(texts["reviewer"]), visible(texts["note"])
    for name, allowed in (("target_kind", KINDS), ("verdict", VERDICTS)):
        if texts[name] not in allowed:
            raise ConfigError(f"{name!r} of a decision must be one of {', '.join(allowed)}, got {texts[name]!r}")
    for name, what in (("target_key", "what it is about"), ("reviewer", "who decided")):
        if not texts[name]:
            raise ConfigError(f"a decision must say {what}: {name!r} is missing or empty")
    if texts["expires"]:
        if texts["verdict"] != LEGITIMATE:
            raise ConfigError(f"only {LEGITIMATE!r} can expire, not {texts['verdict']!r}")
        texts["expires"] = str(_iso("expires", texts["expires"], datetime.date.fromisoformat))
    if texts["time"]:
        texts["time"] = past(utc(texts["time"]))
    measured, low, high = (_number(name, fields.get(name)) for name in _NUMBERS)
    return dataclasses.replace(Decision(**texts), measured=measured, low=low, high=high)


def now() -> str:
    """The present time in UTC as decisions store it, with microseconds: the later of two times is the later text."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def utc(time: str) -> str:
    """An ISO time in the form in which decisions store it: in UTC, with microseconds.

    Raises:
        ConfigError: no ISO time, one without its offset from UTC, or a year before 1970 or after 9998.
    """
    moment = _iso("time", time, datetime.datetime.fromisoformat)
    if moment.tzinfo is None:
        raise ConfigError(f"'time' of a decision must say its offset from UTC, got {time!r}")
    if not 1970 <= moment.year < 9999:  # moved to UTC, a time at its ends could leave the calendar
        raise ConfigError(f"'time' of a decision must lie in this era, got {time!r}")
    return str(moment.astimezone(datetime.UTC).isoformat(timespec="microseconds"))


def new_id() -> str:
    """A random id of 16 hex digits for a decision."""
    return secrets.token_hex(8)


def _iso(name: str, text: str, parse: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        example = "2026-12-31" if name == "expires" else "2026-12-31T12:00:00+00:00"
        raise ConfigError(f"{name!r} of a decision must look like {example}, got {text!r}") from error


def _number(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name!r} of a decision must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError as error:
        raise ConfigError(f"{name!r} of a decision must be a number, got one of {len(str(value))} digits") from error
    return number if math.isfinite(number) else None


def _events(store: sqlite3.Connection, which: str, values: tuple[object, ...]) -> list[Event]:
    """Decisions in the rows that fulfil the SQL condition `which`; it must select all rows of a target or none."""
    rows = store.execute(f"SELECT * FROM events WHERE {which} ORDER BY time, id", values).fetchall()
    withdrawn = {row["withdraws"]: row["time"] for row in rows if row["withdraws"]}
    made = [row for row in rows if not row["withdraws"]]
    latest = {(row["target_key"], row["reviewer"]): row["id"] for row in made if row["id"] not in withdrawn}
    standing = set(latest.values())
    return [Event(_decision(row), row["data"], withdrawn.get(row["id"], ""), row["id"] in standing) for row in made]


def _decision(row: sqlite3.Row) -> Decision:
    values = {name: row[name] for name in FIELDS}
    return Decision(**{**values, "target_kind": SCOPES.get(row["target_kind"], row["target_kind"])})


def _next_time(store: sqlite3.Connection, decision: Decision) -> str:
    """The present time, or just after the reviewer's last row on the target: another machine's clock may run ahead."""
    last = store.execute(
        "SELECT max(time) FROM events WHERE target_key = ? AND reviewer = ?", (decision.target_key, decision.reviewer)
    ).fetchone()[0]
    present = now()
    if last is None or last < present:
        return present
    return utc((datetime.datetime.fromisoformat(last) + datetime.timedelta(microseconds=1)).isoformat())


def _insert(store: sqlite3.Connection, decision: Decision, data: str) -> None:
    row = {**dataclasses.asdict(decision), "data": data, "withdraws": ""}
    _write_row(store, row)


def _withdraw(store: sqlite3.Connection, decision: Decision, name: str, time: str, data: str) -> None:
    row = {**dataclasses.asdict(decision), "id": name, "time": time, "data": data, "withdraws": decision.id}
    _write_row(store, row)


def _write_row(store: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    columns = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    store.execute(f"INSERT OR IGNORE INTO events ({columns}) VALUES ({marks})", dict(row))
