"""Writes annotations of GitHub Actions: lines that the runner shows as marks at a file of the pull request."""

from __future__ import annotations

from collections.abc import Sequence

from bias_audit.gate.formats.place import Place
from bias_audit.gate.formats.told import checks_of, cut, name_of, one_line, subject_of
from bias_audit.gate.values import FAILED, WARNED, GateResult, GateRow

MOST = 10
"""Most annotations of one kind that GitHub shows per step."""

MESSAGE = 4000
"""Most characters of a message: GitHub cuts messages at 4 KB."""


def workflow_commands(gate: GateResult, place: Place) -> str:
    """A line per failed check and per warning, at most MOST of a kind; a last line counts those that did not fit."""
    lines = []
    for kind, status in (("error", FAILED), ("warning", WARNED)):
        rows = [row for row in checks_of(gate) if row.status == status]
        shown = rows if len(rows) <= MOST else rows[: MOST - 1]
        lines += [_line(kind, place, row) for row in shown]
        if len(rows) > len(shown):
            lines.append(_more(kind, place, rows[len(shown) :]))
    return "".join(f"{line}\n" for line in lines)


def _line(kind: str, place: Place, row: GateRow) -> str:
    return _command(kind, place.file, place.line(row), name_of(row), row.sentence)


def _more(kind: str, place: Place, rows: Sequence[GateRow]) -> str:
    named = ", ".join(f"{row.check} {subject_of(row)}" for row in rows)
    return _command(kind, place.file, place.line(rows[0]), f"{len(rows)} more", f"See gate.json: {named}")


def _command(kind: str, file: str, line: int, title: str, message: str) -> str:
    properties = f"file={_property(file)},line={line},title={_property(cut(one_line(title), 200))}"
    return f"::{kind} {properties}::{_data(cut(one_line(message), MESSAGE))}"


def _data(text: str) -> str:
    """Text of a message, escaped as `@actions/core` does it: the percent sign first."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
