"""The check `background`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.background.rules import JUDGES
from bias_audit.checks.base import Check, Rule

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome


class Background(Check):
    """Does the prediction follow the background? Paired composites of the same objects."""

    name = "background"
    title = "Background"
    rules = tuple(JUDGES)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What a rule says of each of its subjects."""
        return JUDGES[rule](rule, evidence)
