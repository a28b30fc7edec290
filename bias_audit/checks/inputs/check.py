"""Declaration of the check `inputs`; `checks.base` explains what a check declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured
from bias_audit.checks.inputs.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Context
    from bias_audit.run.result import AuditResult


class Inputs(Check):
    """The check `inputs`: do preprocessing and class order agree with those of training?"""

    name = "inputs"
    title = "Inputs"
    stage = "input"
    rules = tuple(JUDGES)
    judges = JUDGES

    def measure(self, context: Context) -> Measured:
        """Measure the accuracy under every preprocessing on a sample; choose one where the setting is "auto"."""
        from bias_audit.checks.inputs.measure import measure

        return measure(context)

    def recall_own(self, result: AuditResult) -> Any:
        """The comparison of preprocessings of a finished run."""
        from bias_audit.checks.inputs.measure import recall

        return recall(result)
