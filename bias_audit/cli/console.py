"""What commands share when they print: the width of a line, lines of safe text, tables, JSON and errors.

Each command prints what is its own beside its options. Rich is imported only when it is needed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.errors import BiasAuditError
from bias_audit.run.printable import printable, printable_json

if TYPE_CHECKING:
    from rich.console import Console, OverflowMethod
    from rich.text import Text

WIDTH = 80
"""Width of a line in cells where neither COLUMNS nor a terminal says another one."""

LOG_WIDTH = 140
"""The same of a table of sentences, which is hard to read in 80 cells."""

NARROWEST = 40
"""Smallest width of a line in cells: in less than that nothing can be read."""


def line_width(log: int = WIDTH) -> int:
    """Width of a line of stdout in cells: COLUMNS where it is set, else that of the terminal.

    Args:
        log: the width where there is no terminal.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        width = int(given)
    else:
        width = shutil.get_terminal_size((log, 24)).columns if sys.stdout.isatty() else log
    return max(width, NARROWEST)


def open_console(log: int = WIDTH) -> Console:
    """The terminal or log that stdout is, of the width that `line_width` says."""
    from rich.console import Console

    return Console(width=line_width(log))


def show_error(error: BiasAuditError) -> None:
    """Print the sentence and the hint of an error on stderr."""
    print(f"bias-audit: {_one_line(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"\n{_one_line(error.hint)}", file=sys.stderr)


def show_json(content: Mapping[str, Any]) -> None:
    """Print plain values as JSON."""
    import json

    print(printable_json(json.dumps(content, indent=1, ensure_ascii=not _takes_unicode())))


def show_tables(
    headline: str,
    sentences: Sequence[str],
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    most: int,
    closing: str = "",
) -> None:
    """Print a headline, remarks, and tables of text.

    Args:
        headline: first sentence.
        sentences: remarks below the headline.
        tables: title -> (heads, rows); tables without rows are left out.
        most: largest number of rows shown per table.
        closing: last sentence; "" = none.
    """
    from rich.table import Column, Table

    console = open_console(LOG_WIDTH)
    console.print(text(headline, "bold"))
    for sentence in sentences:
        console.print(text(f"- {sentence}", "dim"))
    for title, (heads, rows) in tables.items():
        if not rows:
            continue
        table = Table(*(Column(text(head)) for head in heads), title=text(title), title_style="dim")
        for row in rows[:most]:
            table.add_row(*(text(cell, overflow="fold") for cell in row))
        console.print(table)
        if len(rows) > most:
            console.print(text(f"... and {len(rows) - most} more {title}"))
    if closing:
        console.print(text(closing, "dim"))


def text(content: object, style: str = "", overflow: OverflowMethod | None = None) -> Text:
    """One line of a name, a sentence or a number for a table or a terminal, see `printable`."""
    from rich.text import Text

    return Text(printable(content), style=style, overflow=overflow)


def _one_line(content: str) -> str:
    return printable(" ".join(content.splitlines()))


def _takes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
