"""Writes every CSV file of the package: text that a spreadsheet would compute is quoted, and comes back when read.

A spreadsheet runs what a cell begins with `=`, `+`, `-` or `@`, also behind blanks and in full width. Such text gets a
`'` in front, as does text that begins with a `'` by itself, so that `unquoted` gives every text back exactly. Numbers
stay numbers. Parquet files hold the text as it is.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

QUOTE, LINE_END = "'", "\r\n"

_BLANK = r"[\s\x00-\x20\x7f-\xa0\xad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
"""White space, and what is not seen: spreadsheets drop some of it before they look at a cell."""

_STARTS = re.compile(rf"{QUOTE}|[\t\r\n]|{_BLANK}*[=+@\-\u2212\uff1d\uff0b\uff20\uff0d]")
_WORDS = {"True": 1.0, "False": 0.0}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def quoted(value: Any) -> Any:
    """A value as it stands in a CSV file: text that a spreadsheet might compute, or that begins with ', gets a '."""
    if isinstance(value, str) and _STARTS.match(value) and not _NUMBER.fullmatch(value):
        return QUOTE + value
    return value


def unquoted(cell: str) -> str:
    """The text that `quoted` wrote as this cell.

    Files of versions that quoted nothing are read as they are, unless a text begins with ' and a sign of `quoted`.
    """
    return cell[1:] if cell.startswith(QUOTE) and _STARTS.match(cell, 1) else cell


def parsed(text: str | None) -> float | None:
    """A CSV cell as a finite number, 1 and 0 for True and False; None for an empty cell and for anything else."""
    try:
        value = float(text or "nan")
    except ValueError:
        value = _WORDS.get(text or "", math.nan)
    return value if math.isfinite(value) else None


def all_parsed(cells: Sequence[str]) -> list[float | None]:
    """Every cell as `parsed` gives it, without a function call per cell in the usual case of a column of floats."""
    try:
        values = [float(cell or "nan") for cell in cells]
    except ValueError:
        known = {cell: parsed(cell) for cell in set(cells)}
        return [known[cell] for cell in cells]
    return [value if math.isfinite(value) else None for value in values]


class Lines(io.StringIO):
    """A buffer for a writer of CSV whose lines end with LINE_END; what it holds has the ends of lines asked for.

    A writer that ends lines with "\\n" alone leaves a "\\r" within a cell bare, and no reader gets past it.

    Args:
        end: end of a line.
    """

    def __init__(self, end: str) -> None:
        super().__init__(newline="")
        self._end = end

    def write(self, line: str) -> int:
        return super().write(line.removesuffix(LINE_END) + self._end if line.endswith(LINE_END) else line)


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]], end: str = "\r\n") -> str:
    """A CSV file as text: a line of heads, and a line per row.

    Args:
        columns: the heads.
        rows: cells in the order of the columns; None = an empty cell.
        end: end of a line; "\\r\\n" for a file that people open in a spreadsheet.
    """
    lines = Lines(end)
    writer = csv.writer(lines, lineterminator=LINE_END)
    writer.writerow([quoted(column) for column in columns])
    writer.writerows([quoted(cell) for cell in row] for row in rows)
    return lines.getvalue()


def csv_of_records(columns: Sequence[str], records: Iterable[Mapping[str, Any]], end: str = "\r\n") -> str:
    """`csv_text` of rows that are mappings from a column to its cell; every column must be there."""
    return csv_text(columns, ([record[column] for column in columns] for record in records), end)
