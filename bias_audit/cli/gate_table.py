"""The verdict of a gate on a terminal or in a log: the rows that did not simply pass, and the summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bias_audit.cli.console import WIDEST, line_width, show_lines, show_sentence
from bias_audit.cli.fitting import folded, paragraph
from bias_audit.gate.formats.told import subject_of
from bias_audit.run.printable import printable
from bias_audit.run.quantities import bound, interval

if TYPE_CHECKING:
    from bias_audit.gate import GateResult
    from bias_audit.gate.values import GateRow

MOST_GATE_ROWS = 50
"""Largest number of rows of each status that are shown; gate.json holds all."""

_GATE_STYLES = {"failed": "bold red", "warning": "yellow", "not judged": "cyan", "waived": "magenta"}


def show_gate(gate: GateResult, thresholds: str) -> None:
    """Print the verdict of a gate: source of the thresholds, rows that did not simply pass, notes, and the summary.

    Rows are sorted worst first, at most MOST_GATE_ROWS per status: a log of a thousand classes is not read, and
    gate.json holds all.

    Args:
        gate: the verdict.
        thresholds: the first line, "Thresholds: ...".
    """
    width = min(line_width(), WIDEST)
    show_sentence(thresholds)
    left = []
    for status, style in _GATE_STYLES.items():
        rows = [row for row in gate.rows if row.status == status]
        for row in rows[:MOST_GATE_ROWS]:
            show_lines(_head(row, width), style)
            show_lines(_sentence(row, width))
        if len(rows) > MOST_GATE_ROWS:
            left.append(f"{len(rows) - MOST_GATE_ROWS:,} more {status}")
    if left:
        show_sentence(f"... and {', '.join(left)}, see gate.json")
    for said in (*gate.resolved, *gate.notes):
        show_sentence(f"- {said}", hanging=2)
    show_sentence(gate.summary, "bold green" if gate.passed else "bold red")


def _head(row: GateRow, width: int) -> list[str]:
    """What was judged, who asked for it, and what was measured."""
    state = row.state if row.status in ("failed", "warning") else ""
    measured = "" if row.measured is None else interval(row.measured, row.low, row.high, row.unit)
    most = "" if row.threshold is None or row.level else f"bound {bound(row.threshold, row.unit)}"
    after = "".join(f", {each}" for each in (row.change, state, measured, most) if each)
    return paragraph(printable(f"{row.status}: {subject_of(row)}: {row.check} ({row.origin}){after}"), width, hanging=2)


def _sentence(row: GateRow, width: int) -> Iterator[str]:
    yield from (f"  {line}" for line in folded(printable(row.sentence), width - 2))
