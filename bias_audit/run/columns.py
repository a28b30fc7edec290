"""One column of a table, as `schema` lists them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: column name.
        kind: "string", "float", "int" or "bool"; missing values are allowed in all of them.
        text: what it says, in one sentence, with its unit and range.
        worse: "high", "low" or "" where neither direction is worse.
        index: its values name the rows; at most one column of a table.
    """

    name: str
    kind: str
    text: str
    worse: str = ""
    index: bool = False
