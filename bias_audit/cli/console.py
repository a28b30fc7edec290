"""What commands share when they print: the width of a line, lines of safe text, tables, JSON and errors.

Each command prints what is its own beside its options. Rich is imported only when it is needed.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.errors import BiasAuditError
from bias_audit.run.printable import printable, printable_json

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 80
"""Width of a line in cells where neither COLUMNS nor a terminal says another one."""

WIDEST = 100
"""Largest width of a line of sentences, however wide the terminal is: longer ones are hard to read."""

NARROWEST = 40
"""Smallest width of a line in cells: in less than that nothing can be read."""


def line_width() -> int:
    """Width of a line of stdout in cells: COLUMNS where it is set, else that of the terminal, else WIDTH."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        width = int(given)
    else:
        width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    return max(width, NARROWEST)


def open_console() -> Console:
    """The terminal or log that stdout is, of the width that `line_width` says."""
    from rich.console import Console

    return Console(width=line_width())


def show_lines(lines: Iterable[str], style: str = "") -> None:
    """Print lines that fit already (`fitting`, `tables`), in a style of Rich.

    Args:
        lines: text; what a terminal would obey is shown as escapes.
        style: "" = plain.
    """
    from rich.text import Text

    console = open_console()
    for line in lines:
        console.print(Text(printable(line), style=style), soft_wrap=True)


def show_sentence(said: str, style: str = "", hanging: int = 0) -> None:
    """Print a sentence, folded into lines that are read easily.

    Args:
        said: the sentence.
        style: see `show_lines`.
        hanging: blanks before all lines but the first.
    """
    from bias_audit.cli.fitting import paragraph

    show_lines(paragraph(printable(said), min(line_width(), WIDEST), hanging), style)


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
    from bias_audit.cli.tables import table_lines

    show_sentence(headline, "bold")
    for sentence in sentences:
        show_sentence(f"- {sentence}", "dim", hanging=2)
    for title, (heads, rows) in tables.items():
        if not rows:
            continue
        show_lines(["", printable(title)], "bold")
        above, lines = table_lines(heads, rows[:most], line_width())
        show_lines(above, "dim")
        show_lines(line for _, line in lines)
        if len(rows) > most:
            show_lines([f"  and {len(rows) - most:,} more"])
    if closing:
        show_lines([""])
        show_sentence(closing, "dim")


def _one_line(content: str) -> str:
    return printable(" ".join(content.splitlines()))


def _takes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
