"""The description of a table's column, from which `schema` makes the columns of every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
"""One row of a table: name of a column -> value. Names and types are those of the table's columns."""


@dataclass(frozen=True)
class Column:
    """Description of one column of a table.

    Attributes:
        name: column name.
        kind: "string", "float", "int" or "bool"; missing values are allowed in all of them.
        text: what the values mean, in one sentence, with unit and range.
        worse: which values are worse: "high", "low", or "" for neither.
        index: True where the values name the rows; at most one column of a table.
        added: True for a column that older runs do not have; it is then read as missing values.
    """

    name: str
    kind: str
    text: str
    worse: str = ""
    index: bool = False
    added: bool = False


def reason(name: str, text: str) -> tuple[Column, Column]:
    """A pair of columns: a reason in words, and the same reason as a code of `checks.reasons`.

    Args:
        name: name of the first column; the second is NAME_code.
        text: what the first column means.
    """
    code = Column(f"{name}_code", "string", f"{name} as a code, see `checks.reasons`", added=True)
    return Column(name, "string", text), code
