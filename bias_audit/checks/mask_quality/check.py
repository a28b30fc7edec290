"""The check `mask_quality`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Check, Rule
from bias_audit.checks.mask_quality.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome


class MaskQuality(Check):
    """How good are estimated masks?"""

    name = "mask_quality"
    title = "Masks"
    rules = tuple(JUDGES)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What a rule says of each of its subjects."""
        return JUDGES[rule](rule, evidence)
