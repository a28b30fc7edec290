"""The check `inputs`, declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Check, Rule
from bias_audit.checks.inputs.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome


class Inputs(Check):
    """Was the model shown what it saw in training, and are its outputs called what they were then?"""

    name = "inputs"
    title = "Inputs"
    rules = tuple(JUDGES)

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What a rule says of each of its subjects."""
        return JUDGES[rule](rule, evidence)
