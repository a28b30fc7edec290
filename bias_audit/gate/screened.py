"""Numbers that a run does not hold because the first composites of a class cleared it (docs/science.md#stages)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from bias_audit.checks.base import Part
from bias_audit.checks.reasons import OK, SHORT
from bias_audit.checks.registry import CHECKS

NOT_MADE = "screened: name the column in the gate file when auditing, or use --thorough"
"""Why a class has no number that needs more composites than its background gap."""


@functools.cache
def of_composites(table: str) -> frozenset[str]:
    """Columns of the table "class" or "image" that composites make."""
    parts: tuple[Part, ...] = ("classes",) if table == "class" else ("images", "compared")
    own = (check for check in CHECKS if any(rule.role == "tests reliance" for rule in check.rules))
    return frozenset(column.name for check in own for part in parts for column in check.columns.get(part, ()))


def is_screened(row: Mapping[str, Any]) -> bool:
    """Whether the first composites of a class cleared it, so that there are no others.

    Args:
        row: the class's row of the class table.
    """
    return row.get("screening") in SHORT and row.get("reliance_reason") == OK
