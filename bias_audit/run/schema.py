"""The schema: the columns of every table with type, unit, range, meaning, and which values are worse.

Validation on load, the data dictionary of the report and the gate all use it. Columns are declared by the checks that
fill them, and in `core_columns` those that every run has.
"""

from __future__ import annotations

from bias_audit.checks.base import Part
from bias_audit.checks.installed import imported
from bias_audit.checks.registry import CHECKS
from bias_audit.run.columns import Column as Column
from bias_audit.run.core_columns import SHARED

__all__ = ["TABLES", "Column", "columns_of", "every_table", "index_of"]


def _added(part: Part) -> tuple[Column, ...]:
    return tuple(column for check in CHECKS for column in check.columns.get(part, ()))


TABLES: dict[str, tuple[Column, ...]] = {
    **SHARED,
    "images": (*SHARED["images"], *_added("images"), *_added("compared")),
    "classes": (*SHARED["classes"], *_added("classes")),
    **{name: tuple(columns) for check in CHECKS for name, columns in check.tables.items()},
}
"""Name -> columns of every table of the built-in checks."""


def every_table() -> dict[str, tuple[Column, ...]]:
    """Name -> columns of every table: TABLES and the tables of imported checks of other packages."""
    return TABLES | {name: tuple(columns) for check in imported() for name, columns in check.tables.items()}


def columns_of(table: str) -> tuple[Column, ...]:
    """The columns of the table of this name.

    Raises:
        KeyError: no known check has such a table.
    """
    return every_table()[table]


def index_of(table: str) -> str | None:
    """Name of the column whose values name the rows of a table; None where the table has none.

    Raises:
        KeyError: no known check has such a table.
    """
    return next((column.name for column in columns_of(table) if column.index), None)
