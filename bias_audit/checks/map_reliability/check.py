"""Declaration of the check `map_reliability`; `checks.base` explains what a check declares."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured
from bias_audit.checks.map_reliability.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Context, Page
    from bias_audit.run.result import AuditResult


class MapReliability(Check):
    """Do the heatmaps say anything of this model?"""

    name = "map_reliability"
    title = "Maps"
    anchor = "maps"
    stage = "maps"
    rules = tuple(JUDGES)
    judges = JUDGES

    def measure(self, context: Context) -> Measured:
        """Tests of the heatmaps on a sample of the photos."""
        from bias_audit.checks.map_reliability.measure import measure

        return measure(context)

    def recall(self, result: AuditResult) -> Measured:
        """The same tests."""
        return Measured(own=partial(_recalled, result))

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """The tests, and which of them the maps failed."""
        from bias_audit.checks.map_reliability.section import maps_section

        shown = maps_section(page.result)
        return shown if shown["tests"] else None


def _recalled(result: AuditResult) -> Any:
    from bias_audit.checks.map_reliability.measure import recall

    return recall(result)
