"""Declaration of the check `drawn_regions`; `checks.base` explains what a check declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured
from bias_audit.checks.drawn_regions.columns import HYPOTHESES
from bias_audit.checks.drawn_regions.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Page
    from bias_audit.run.result import AuditResult


class DrawnRegions(Check):
    """The check `drawn_regions`: does a region that a reviewer drew move the prediction?"""

    name = "drawn_regions"
    title = "Regions"
    anchor = "regions"
    tables = {"hypotheses": HYPOTHESES}  # noqa: RUF012 - a literal that nothing changes
    rules = tuple(JUDGES)
    judges = JUDGES

    def measure(self, context: Context) -> Measured:
        """An empty table: regions are drawn in the report of a finished run, see `pipeline.live_test`."""
        from bias_audit.checks.drawn_regions.summary import regions_table

        return Measured({"hypotheses": regions_table([])})

    def recall(self, result: AuditResult) -> Measured:
        """The table of drawn regions; empty for a run of an older version, which has no such table."""
        return Measured({"hypotheses": result.hypotheses})

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values of the section: the drawn regions, the latest first; None where there are none."""
        from bias_audit.checks.drawn_regions.section import regions_section

        shown = regions_section(page.result, page.pictures, page.budget)
        return shown if shown["regions"] else None
