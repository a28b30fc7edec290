"""The table of the classes on a terminal: recognised as they are, on own and on other backgrounds, and the gap."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bias_audit.checks.outcomes import LEVELS, number
from bias_audit.cli.fitting import cells, cut_end, cut_middle, padded
from bias_audit.run.printable import printable
from bias_audit.run.quantities import interval, quantity

MOST_CLASSES = 10
"""Largest number of classes that are shown, the worst first; classes.csv holds all."""

NAME = 10
"""Cells that a class name gets at least, if it needs them: columns that can be spared give way."""

NOT_JUDGED = "not judged"
"""In the place of a level: reliance of the class on its background was not tested."""

Line = tuple[str, str, bool]
"""A line of text, the level at its end ("" = none), and whether the line is an aside."""


@dataclass(frozen=True)
class _Column:
    """A column: its head, its cells from the top, and whether it is left out where a name has no room."""

    head: str
    texts: tuple[str, ...]
    spare: bool = False
    left: bool = False

    @property
    def width(self) -> int:
        return max(map(cells, (self.head, *self.texts)))


def class_lines(
    rows: Sequence[Mapping[str, Any]],
    levels: Mapping[str, str],
    untested: Collection[str],
    width: int,
    *,
    estimated: bool = False,
) -> list[Line]:
    """The lines of the table; [] where no class has a photo that could be read.

    Args:
        rows: rows of the class table, column name -> value.
        levels: class name -> level of its highest finding; a class without a finding is not there.
        untested: names of classes whose reliance on the background was not tested.
        width: cells of a line.
        estimated: whether masks were estimated.
    """
    read = [row for row in rows if row.get("n_read")]
    if not read:
        return []
    shown = sorted(read, key=lambda row: _order(row, levels))[:MOST_CLASSES]
    tested = any(number(row.get("background_gap")) is not None for row in read)
    names = [printable(row["class_name"]) for row in shown]
    said = tuple(levels.get(row["class_name"], NOT_JUDGED if row["class_name"] in untested else "") for row in shown)
    columns = [*(_with_gaps if tested else _without_gaps)(shown), _Column("", said, left=True)]
    room = _room(columns, width)
    while room < min(NAME, max(map(cells, names))) and (spare := [each for each in columns if each.spare]):
        columns.remove(spare[-1])
        room = _room(columns, width)
    room = min(max(room, 3), max(map(cells, ("recognised", *names))))
    lines: list[Line] = [(_line(cut_end("recognised", room), [each.head for each in columns], columns, room), "", True)]
    for place, name in enumerate(names):
        texts = [each.texts[place] for each in columns]
        lines.append((_line(cut_middle(name, room), texts, columns, room), said[place], False))
    lines = [(cut_end(line, width), level, aside) for line, level, aside in lines]
    if more := len(read) - len(shown):
        flagged = sum(row["class_name"] in levels for row in read) - sum(row["class_name"] in levels for row in shown)
        with_findings = f", {flagged:,} of them with findings" if flagged else ""
        lines.append((cut_end(f"  and {more:,} more{with_findings}: classes.csv", width), "", True))
    asides = []
    if any(each.head == "other bg" for each in columns):
        asides.append("bg = object pasted on backgrounds of its own class / of other classes")
    if estimated:
        asides.append("estimated masks")
    if asides:
        lines += [(line, "", True) for line in _asides(asides, width)]
    return lines


def _order(row: Mapping[str, Any], levels: Mapping[str, str]) -> tuple[float, ...]:
    """Sort key: the highest level first, then the largest gap, then the lowest accuracy."""
    level = levels.get(row["class_name"], "")
    place = LEVELS.index(level) if level in LEVELS else -1
    gap, accuracy = number(row.get("background_gap")), number(row.get("accuracy"))
    return -place, 2.0 if gap is None else -gap, 1.0 if accuracy is None else accuracy


def _with_gaps(rows: Sequence[Mapping[str, Any]]) -> list[_Column]:
    columns = [
        _Column("as is", _shares(rows, "accuracy")),
        _Column("own bg", _shares(rows, "same_background_accuracy"), spare=True),
        _Column("other bg", _shares(rows, "other_background_accuracy")),
    ]
    if any(number(row.get("scene_background_accuracy")) is not None for row in rows):
        columns.append(_Column("no class", _shares(rows, "scene_background_accuracy"), spare=True))
    gaps = _intervals(rows, "background_gap", "gap_low", "gap_high", "points")
    photos = tuple(f"{int(number(row.get('n_interventions')) or 0):,}" for row in rows)
    return [*columns, _Column("gap [95%]", gaps), _Column("n", photos, spare=True)]


def _without_gaps(rows: Sequence[Mapping[str, Any]]) -> list[_Column]:
    rates = _intervals(rows, "accuracy", "accuracy_low", "accuracy_high", "share")
    return [_Column("as is [95%]", rates), _Column("n", tuple(f"{int(row['n_read']):,}" for row in rows), spare=True)]


def _shares(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    return tuple(quantity(number(row.get(name)), "share") for row in rows)


def _intervals(rows: Sequence[Mapping[str, Any]], value: str, low: str, high: str, unit: str) -> tuple[str, ...]:
    return tuple(interval(number(row.get(value)), number(row.get(low)), number(row.get(high)), unit) for row in rows)


def _room(columns: Sequence[_Column], width: int) -> int:
    """Cells that are left for the names: every column stands two blanks apart from the one before it."""
    return width - 2 - sum(2 + each.width for each in columns)


def _line(name: str, texts: Sequence[str], columns: Sequence[_Column], room: int) -> str:
    parts = [padded(name, room)]
    parts += [padded(text, each.width, right=not each.left) for text, each in zip(texts, columns, strict=True)]
    return f"  {'  '.join(parts)}".rstrip()


def _asides(asides: Sequence[str], width: int) -> list[str]:
    """The asides on one line, or each on its own."""
    joined = f"  {'; '.join(asides)}"
    return [joined] if cells(joined) <= width else [cut_end(f"  {aside}", width) for aside in asides]
