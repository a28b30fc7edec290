"""Lays out parts of the benchmark's report in Markdown: headings, tables, numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def heading(text: str) -> list[str]:
    """A heading and the empty line below it."""
    return [f"## {text}", ""]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown, its columns as wide as their widest cell."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    texts = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
             for line in lines]  # fmt: skip
    return [texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]]


def number(value: float) -> str:
    """Two decimals; "-" for NaN."""
    return "-" if math.isnan(value) else f"{value:z.2f}"
