"""Tables of text in the lines of a terminal or a log: none is wider than the line, and no cell is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bias_audit.cli.fitting import cells, folded, padded, paragraph
from bias_audit.run.printable import printable

BETWEEN = 2
"""Blanks between two columns, and before the first."""

NARROWEST = 8
"""Cells to which a column of text is narrowed; where that is not enough every row becomes a paragraph."""

_NUMBER = re.compile(r"[-+<>]? ?[\d,.]+(?: ?(?:%|pp))?|[-\N{EN DASH}]?")


@dataclass
class _Column:
    """A column: its head and its cells, the cells that it takes, and whether it holds numbers alone."""

    head: str
    texts: list[str]
    width: int
    least: int
    numbers: bool


def table_lines(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[str], list[tuple[int, str]]]:
    """The lines of a table.

    Columns are as wide as they have to be. Where that is wider than the line, heads and cells are folded between words,
    the widest columns first; where even that does not help, every row is a paragraph.

    Args:
        heads: names of the columns.
        rows: texts, as many in each row as there are heads.
        width: cells of a line.

    Returns:
        the lines of the heads, none where rows are paragraphs, and the lines of the rows, each with the place of its
        row.
    """
    if not rows:
        return [], []
    columns = [
        _column(printable(head), [printable(text) for text in texts])
        for head, texts in zip(heads, zip(*rows, strict=True), strict=True)
    ]
    if _total(columns) > width:
        _narrow(columns, width)
    if _total(columns) > width:
        return [], [(place, line) for place in range(len(rows)) for line in _paragraph(columns, place, width)]
    lines = [
        (place, line)
        for place in range(len(rows))
        for line in _lines([column.texts[place] for column in columns], columns)
    ]
    return list(_lines([column.head for column in columns], columns)), lines


def _column(head: str, texts: list[str]) -> _Column:
    content = max(map(cells, texts))
    least = max(min(content, NARROWEST), 1, *map(cells, head.split()))
    return _Column(head, texts, max(content, cells(head)), least, all(map(_number, texts)))


def _number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _total(columns: Sequence[_Column]) -> int:
    return sum(BETWEEN + column.width for column in columns)


def _narrow(columns: Sequence[_Column], width: int) -> None:
    """Narrow columns until they fit, or cannot be narrowed: first long heads, then the widest."""
    for column in columns:
        column.width = max(column.least, *map(cells, column.texts))
    while _total(columns) > width and (wide := [column for column in columns if column.width > column.least]):
        max(wide, key=lambda column: column.width).width -= 1


def _lines(texts: Sequence[str], columns: Sequence[_Column]) -> Iterator[str]:
    parts = [folded(text, column.width) or [""] for text, column in zip(texts, columns, strict=True)]
    for place in range(max(map(len, parts))):
        line = "".join(
            " " * BETWEEN + padded(part[place] if place < len(part) else "", column.width, right=column.numbers)
            for part, column in zip(parts, columns, strict=True)
        )
        yield line.rstrip()


def _paragraph(columns: Sequence[_Column], place: int, width: int) -> list[str]:
    told = [column for column in columns if column.texts[place] not in ("", "-")]
    said = [f"{column.head}: {column.texts[place]}".removeprefix(": ") for column in told]
    return paragraph("; ".join(said), width, hanging=BETWEEN)
