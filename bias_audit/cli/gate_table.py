"""The verdict of a gate on a terminal or in a log: the rows that did not simply pass, and the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bias_audit.cli.console import LOG_WIDTH, open_console, text
from bias_audit.cli.fitting import folded, paragraph
from bias_audit.gate.formats.told import subject_of
from bias_audit.run.printable import printable
from bias_audit.run.quantities import bound, quantity, span

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from bias_audit.gate import GateResult
    from bias_audit.gate.values import GateRow

MOST_GATE_ROWS = 50
"""Largest number of rows of each status that are shown; gate.json holds all."""

_GATE_STYLES = {"failed": "bold red", "warning": "yellow", "not judged": "cyan", "waived": "magenta"}


WIDE = 110
"""Cells from which the rows are a table; in less its column of sentences would be a word wide."""


def show_gate(gate: GateResult, thresholds: str) -> None:
    """Print the verdict of a gate: source of the thresholds, rows that did not simply pass, notes, and the summary.

    Rows are sorted worst first, at most MOST_GATE_ROWS per status: a log of a thousand classes is not read, and
    gate.json holds all.

    Args:
        gate: the verdict.
        thresholds: the first line, "Thresholds: ...".
    """
    console = open_console(LOG_WIDTH)
    console.print(text(thresholds))
    shown: list[GateRow] = []
    left = []
    for status in _GATE_STYLES:
        rows = [row for row in gate.rows if row.status == status]
        shown += rows[:MOST_GATE_ROWS]
        if len(rows) > MOST_GATE_ROWS:
            left.append(f"{len(rows) - MOST_GATE_ROWS} more {status}")
    if shown and console.width >= WIDE:
        console.print(_table(shown))
    elif shown:
        for line in _blocks(shown, console.width):
            console.print(line, soft_wrap=True)
    if left:
        console.print(f"... and {', '.join(left)}, see gate.json")
    for said in (*gate.resolved, *gate.notes):
        console.print(text(f"- {said}"))
    console.print(text(gate.summary, "bold green" if gate.passed else "bold red"))


def _table(rows: Sequence[GateRow]) -> Table:
    """A row for each check, in a section for each status."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for title, width in (("", 10), ("where", 18), ("check,\nasked for by", 14), ("measured", 14)):
        table.add_column(title, max_width=width, overflow="fold")
    table.add_column("what", overflow="fold", ratio=1)
    for place, row in enumerate(rows):
        if place and row.status != rows[place - 1].status:
            table.add_section()
        number, ends, bound = _measured(row)
        named = _lines(row.status, row.change, _state(row), style=_GATE_STYLES[row.status])
        where, check = _lines(subject_of(row)), _lines(row.check, row.origin)
        table.add_row(named, where, check, Text("\n".join(filter(None, (number, ends, bound)))), text(row.sentence))
    return table


def _blocks(rows: Sequence[GateRow], width: int) -> Iterator[Text]:
    """The same for a narrow terminal: a few lines for each check."""
    for row in rows:
        after = "".join(
            f", {each}" for each in (row.change, _state(row), " ".join(filter(None, _measured(row)))) if each
        )
        head = printable(f"{row.status}: {subject_of(row)}: {row.check} ({row.origin}){after}")
        for line in paragraph(head, width, hanging=2):
            yield text(line, _GATE_STYLES[row.status])
        for line in folded(printable(row.sentence), width - 2):
            yield text(f"  {line}")


def _measured(row: GateRow) -> tuple[str, str, str]:
    """The number of a row, its interval and its bound, each "" where there is none."""
    most = "" if row.threshold is None or row.level else f"bound {bound(row.threshold, row.unit)}"
    if row.measured is None:
        return "", "", most
    ends = span(row.low, row.high, row.unit)
    return quantity(row.measured, row.unit), f"[{ends}]" if ends else "", most


def _state(row: GateRow) -> str:
    return row.state if row.status in ("failed", "warning") else ""


def _lines(*parts: str, style: str = "") -> Text:
    """Lines of a cell, without those that are empty."""
    from rich.text import Text

    return Text("\n".join(printable(part) for part in parts if part), style=style)
