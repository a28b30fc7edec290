"""The check `drawn_regions`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Rule
from bias_audit.checks.drawn_regions.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Measured, Page
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome


class DrawnRegions(Check):
    """Does a region that a reviewer drew move the prediction?"""

    name = "drawn_regions"
    title = "Regions"
    anchor = "regions"
    rules = tuple(JUDGES)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What a rule says of each of its subjects."""
        return JUDGES[rule](rule, evidence)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """The latest first."""
        from bias_audit.checks.drawn_regions.section import hypotheses_section

        shown = hypotheses_section(page.result, page.pictures, page.budget)
        return shown if shown["regions"] else None
