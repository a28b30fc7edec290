"""The check `slices`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check
from bias_audit.checks.slices.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Measured, Page


class Slices(Check):
    """Who pays: do accuracy, attention and background gap differ between values of the user's columns?"""

    name = "slices"
    title = "Slices"
    rules = tuple(JUDGES)
    judges = JUDGES

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """One table per user column; none where the user gave no columns."""
        from bias_audit.checks.slices.section import slices_section

        shown = slices_section(page.result)
        return shown if shown["tables"] else None
