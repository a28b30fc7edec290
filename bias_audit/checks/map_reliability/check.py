"""Declaration of the check `map_reliability`; `checks.base` explains what a check declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured
from bias_audit.checks.map_reliability.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Page
    from bias_audit.run.result import AuditResult


class MapReliability(Check):
    """The check `map_reliability`: do the heatmaps say anything about this model?"""

    name = "map_reliability"
    title = "Maps"
    anchor = "maps"
    stage = "maps"
    rules = tuple(JUDGES)
    judges = JUDGES

    def measure(self, context: Context) -> Measured:
        """Test the heatmaps on a sample of the photos, or read the tests of an interrupted audit."""
        from bias_audit.checks.map_reliability.measure import measure

        return measure(context)

    def recall_own(self, result: AuditResult) -> Any:
        """The tests of a finished run."""
        from bias_audit.checks.map_reliability.measure import recall

        return recall(result)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values of the section: the tests and which of them the maps failed; None where none were judged."""
        from bias_audit.checks.map_reliability.section import maps_section

        shown = maps_section(page.result)
        return shown if shown["tests"] else None
