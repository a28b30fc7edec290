"""The check `health`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Check, Rule
from bias_audit.checks.health.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome


class Health(Check):
    """Can this audit be trusted at all?"""

    name = "health"
    title = "Health"
    rules = tuple(JUDGES)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What a rule says of each of its subjects."""
        return JUDGES[rule](rule, evidence)
