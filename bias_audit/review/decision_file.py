"""Opens RUN/decisions.sqlite, the file of reviewers' decisions: transactions, locks, versions and damage."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from bias_audit.errors import ResultError

FILE = "decisions.sqlite"

LOCK_SECONDS = 30.0
"""Seconds that one process waits for another to finish writing."""

_VERSION = 1
_APPLICATION = 0x62617564  # "baud": tells a damaged or foreign database from ours
_TEXT = dict.fromkeys(
    (
        "withdraws",
        "data",
        "target_kind",
        "target_key",
        "verdict",
        "note",
        "reviewer",
        "time",
        "subject",
        "expires",
        "code",
    ),
    "TEXT NOT NULL",
)
_COLUMNS = {"id": "TEXT PRIMARY KEY", **_TEXT, **dict.fromkeys(("measured", "low", "high"), "REAL")}
_TABLE = f"CREATE TABLE IF NOT EXISTS events ({', '.join(f'{name} {kind}' for name, kind in _COLUMNS.items())})"

_REPAIR = "Put back a copy of it, or move it away and import decisions that were exported before."


@contextlib.contextmanager
def reading(run_folder: str | Path) -> Iterator[sqlite3.Connection | None]:
    """The store, opened for reading; None where there are no decisions yet.

    Raises:
        ResultError: the file is damaged, locked, or of a newer version.
    """
    file = Path(run_folder) / FILE
    if not file.is_file():
        yield None
        return
    with _opened(file, "rw") as store:  # not read-only: what a killed writer left half-done is rolled back first
        empty = store.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not empty:
            _check_version(store, file)
        yield None if empty else store


@contextlib.contextmanager
def writing(run_folder: str | Path) -> Iterator[sqlite3.Connection]:
    """The store, opened for one transaction: written to the disk when the block ends, undone if the block raises.

    Raises:
        ResultError: there is no run folder, or the file is damaged, locked, or of a newer version.
    """
    file = Path(run_folder) / FILE
    if not file.parent.is_dir():
        raise ResultError(f"no run folder at {str(run_folder)!r}")
    with _opened(file, "rwc") as store:
        store.execute("BEGIN IMMEDIATE")
        if store.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            store.execute(_TABLE)
            store.execute(f"PRAGMA user_version = {_VERSION}")
            store.execute(f"PRAGMA application_id = {_APPLICATION}")
        _check_version(store, file)
        yield store
        store.execute("COMMIT")


@contextlib.contextmanager
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        uri = f"{file.absolute().as_uri()}?mode={mode}"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=LOCK_SECONDS, isolation_level=None)) as store:
            store.row_factory = sqlite3.Row
            # A rollback journal needs one file only, on any file system; EXTRA syncs the folder as well.
            store.execute("PRAGMA synchronous = EXTRA")
            yield store
    except sqlite3.OperationalError as error:
        raise ResultError(
            f"cannot use {str(file)!r}: {error}", "Free space, make the folder writable, or end who holds the file."
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: a damaged schema is no text
        raise ResultError(f"{str(file)!r} is damaged: {error}", _REPAIR) from error


def _check_version(store: sqlite3.Connection, file: Path) -> None:
    if store.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise ResultError(f"{str(file)!r} is no store of decisions", "Move it away; it was not changed.")
    version = store.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise ResultError(
            f"{str(file)!r} has format version {version}, this bias-audit reads up to {_VERSION}", "Upgrade bias-audit."
        )
    there = {row["name"] for row in store.execute("PRAGMA table_info(events)")}
    if missing := _COLUMNS.keys() - there:
        raise ResultError(f"{str(file)!r} is damaged: it lacks the column {min(missing)!r}", _REPAIR)
