"""The verdict of a gate on a terminal or in a log: the rows that did not simply pass, and the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.cli.console import LOG_WIDTH, open_console, text
from bias_audit.run.printable import printable

if TYPE_CHECKING:
    from rich.text import Text

    from bias_audit.gate import GateResult

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
    from rich.table import Table
    from rich.text import Text

    console = open_console(LOG_WIDTH)
    table = Table()
    for title, width in (("", 10), ("where", 18), ("check,\nasked for by", 14), ("measured", 14)):
        table.add_column(title, max_width=width, overflow="fold")
    table.add_column("what", overflow="fold", ratio=1)
    console.print(text(thresholds))
    left = []
    for status, style in _GATE_STYLES.items():
        rows = [row for row in gate.rows if row.status == status]
        for row in rows[:MOST_GATE_ROWS]:
            interval = "" if row.low is None or row.high is None else f"\n[{row.low:z.3g}, {row.high:z.3g}]"
            measured = "" if row.measured is None else f"{row.measured:z.3g}{interval}"
            bound = "" if row.threshold is None or row.level else f"\nbound {row.threshold:z.3g}"
            state = row.state if row.status in ("failed", "warning") else ""
            named = _lines(row.status, row.change, state, style=style)
            cue = row.cue if row.cue != row.subject else ""
            where, check = _lines(row.subject or row.scope, cue), _lines(row.check, row.origin)
            table.add_row(named, where, check, Text(f"{measured}{bound}".strip()), text(row.sentence))
        table.add_section()
        if len(rows) > MOST_GATE_ROWS:
            left.append(f"{len(rows) - MOST_GATE_ROWS} more {status}")
    if table.row_count:
        console.print(table)
    if left:
        console.print(f"... and {', '.join(left)}, see gate.json")
    for said in (*gate.resolved, *gate.notes):
        console.print(text(f"- {said}"))
    console.print(text(gate.summary, "bold green" if gate.passed else "bold red"))


def _lines(*parts: str, style: str = "") -> Text:
    """Lines of a cell, without those that are empty."""
    from rich.text import Text

    return Text("\n".join(printable(part) for part in parts if part), style=style)
