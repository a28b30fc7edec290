"""The check `strangers`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Rule

if TYPE_CHECKING:
    from bias_audit.checks.base import Measured, Page
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome


class Strangers(Check):
    """What does the model take pictures for that belong to no class it knows?"""

    name = "strangers"
    title = "Strangers"

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """Nothing: it has no rule yet."""
        return []

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """One group per kind of picture."""
        from bias_audit.checks.strangers.section import strangers_section

        shown = strangers_section(page.result, page.pictures, page.budget)
        return shown if shown["groups"] else None
