"""Fitting text into a line of a terminal, by the cells that its characters take: a CJK character takes two.

Every function takes text that is safe to print already (`printable`).
"""

from __future__ import annotations

from collections.abc import Iterator

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def cells(text: str) -> int:
    """Number of cells that a text takes."""
    from rich.cells import cell_len

    return cell_len(text)


def cut_middle(text: str, width: int) -> str:
    """A name of at most `width` cells: begin and end stay, for names that begin alike often end differently.

    Args:
        text: the name.
        width: at least 1.
    """
    if cells(text) <= width:
        return text
    tail = _head(text[::-1], (width - 1) // 2)[::-1]
    return f"{_head(text, width - 1 - cells(tail))}{ELLIPSIS}{tail}"


def cut_end(text: str, width: int) -> str:
    """A sentence of at most `width` cells, cut behind a word where that leaves half of the line or more.

    Args:
        text: the sentence.
        width: at least 1.
    """
    if cells(text) <= width:
        return text
    kept = _head(text, width - 1)
    words = kept.rpartition(" ")[0]
    whole = kept if text[len(kept)] == " " or cells(words) < width // 2 else words
    return f"{whole.rstrip(' ,;:')}{ELLIPSIS}"


def padded(text: str, width: int, *, right: bool = False) -> str:
    """A text of exactly `width` cells if it is not longer, with blanks behind it, or before it."""
    blanks = " " * max(0, width - cells(text))
    return f"{blanks}{text}" if right else f"{text}{blanks}"


def folded(text: str, width: int) -> list[str]:
    """The lines of a sentence, broken between words, each of at most `width` cells; a longer word is broken too."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        joined = f"{line} {word}" if line else word
        if cells(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *full, line = chopped(word, width)
        lines += full
    return [*lines, line] if line else lines


def chopped(text: str, width: int) -> list[str]:
    """The parts of a word or a path, each of at most `width` cells; joined they are the text."""
    parts = []
    while cells(text) > width:
        part = _head(text, width) or text[:1]
        parts.append(part)
        text = text[len(part) :]
    return [*parts, text]


def paragraph(text: str, width: int, hanging: int = 0, most: int | None = None) -> list[str]:
    """The lines of a paragraph, with `hanging` blanks before all but the first.

    Args:
        text: a sentence or several.
        width: cells of a line.
        hanging: blanks.
        most: largest number of lines; what is left out is marked by an ellipsis. None = all.
    """
    lines = list(_hung(text, width, hanging))
    if most is not None and len(lines) > most:
        lines[most - 1] = cut_end(f"{lines[most - 1]} {ELLIPSIS}{ELLIPSIS}", width).rstrip(ELLIPSIS + " ") + ELLIPSIS
        lines = lines[:most]
    return lines


def _hung(text: str, width: int, hanging: int) -> Iterator[str]:
    first, *rest = folded(text, width - hanging) or [""]
    yield first
    for line in rest:
        yield " " * hanging + line


def _head(text: str, width: int) -> str:
    """The longest beginning of a text that takes at most `width` cells."""
    from rich.cells import get_character_cell_size

    taken = 0
    for place, character in enumerate(text):
        taken += get_character_cell_size(character)
        if taken > width:
            return text[:place]
    return text
