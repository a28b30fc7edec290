"""Declaration of the check `mask_quality`; `checks.base` explains what a check declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured
from bias_audit.checks.mask_quality.rule import JUDGES, marked

if TYPE_CHECKING:
    from bias_audit.checks.base import Context
    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome
    from bias_audit.run.result import AuditResult


class MaskQuality(Check):
    """The check `mask_quality`: how good are estimated masks?"""

    name = "mask_quality"
    title = "Masks"
    stage = "maps"
    rules = tuple(JUDGES)
    judges = JUDGES

    def measure(self, context: Context) -> Measured:
        """Compare estimated masks with drawn ones; an empty result where no masks are estimated."""
        from bias_audit.checks.mask_quality.measure import measure

        return measure(context)

    def recall_own(self, result: AuditResult) -> Any:
        """The comparison of a finished run; None where no masks were estimated."""
        from bias_audit.checks.mask_quality.measure import recall

        return recall(result)

    def mark(self, outcomes: Sequence[RuleOutcome], evidence: Evidence) -> Sequence[RuleOutcome]:
        """Add a caveat to outcomes that depend on estimated masks, and lower their level where most masks are."""
        return marked(outcomes, evidence)
