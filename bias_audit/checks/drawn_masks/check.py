"""Declaration of the check `drawn_masks`; `checks.base` explains what a check declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured
from bias_audit.checks.drawn_masks.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Context
    from bias_audit.run.result import AuditResult


class DrawnMasks(Check):
    """The check `drawn_masks`: do drawn masks leave parts of the objects out?"""

    name = "drawn_masks"
    title = "Drawn masks"
    stage = "maps"
    rules = tuple(JUDGES)
    judges = JUDGES

    def measure(self, context: Context) -> Measured:
        """Look for more of the object around the drawn masks of a few photos."""
        from bias_audit.checks.drawn_masks.measure import measure

        return measure(context)

    def recall_own(self, result: AuditResult) -> Any:
        """What a finished run saw around its drawn masks; None where it looked at none."""
        from bias_audit.checks.drawn_masks.measure import recall

        return recall(result)
