"""The check `drawn_regions`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check
from bias_audit.checks.drawn_regions.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Measured, Page


class DrawnRegions(Check):
    """Does a region that a reviewer drew move the prediction?"""

    name = "drawn_regions"
    title = "Regions"
    anchor = "regions"
    rules = tuple(JUDGES)
    judges = JUDGES

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """The latest first."""
        from bias_audit.checks.drawn_regions.section import hypotheses_section

        shown = hypotheses_section(page.result, page.pictures, page.budget)
        return shown if shown["regions"] else None
