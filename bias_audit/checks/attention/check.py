"""The check `attention`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.attention.rule import JUDGES
from bias_audit.checks.base import Check, Rule

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome


class Attention(Check):
    """Do the heatmaps lie on the background? Triage only."""

    name = "attention"
    title = "Attention"
    rules = tuple(JUDGES)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What a rule says of each of its subjects."""
        return JUDGES[rule](rule, evidence)
