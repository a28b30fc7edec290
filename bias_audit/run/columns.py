"""One column of a table, as `schema` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
"""One row of a table: value by name of the column. Which names there are, and their types, say the table's columns."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: column name.
        kind: "string", "float", "int" or "bool"; missing values are allowed in all of them.
        text: what it says, in one sentence, with its unit and range.
        worse: "high", "low" or "" where neither direction is worse.
        index: its values name the rows; at most one column of a table.
        added: came later: a table of an older run is read without it, and has no value there.
    """

    name: str
    kind: str
    text: str
    worse: str = ""
    index: bool = False
    added: bool = False


def reason(name: str, text: str) -> tuple[Column, Column]:
    """A reason in words, and beside it its code."""
    code = Column(f"{name}_code", "string", f"{name} as a code, see `checks.reasons`", added=True)
    return Column(name, "string", text), code
