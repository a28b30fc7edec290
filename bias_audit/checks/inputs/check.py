"""Declaration of the check `inputs`; `checks.base` explains what a check declares."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import Check, Measured
from bias_audit.checks.inputs.rule import JUDGES

if TYPE_CHECKING:
    from bias_audit.checks.base import Context
    from bias_audit.run.result import AuditResult


class Inputs(Check):
    """Was the model shown what it saw in training, and are its outputs called what they were then?"""

    name = "inputs"
    title = "Inputs"
    stage = "input"
    rules = tuple(JUDGES)
    judges = JUDGES

    def measure(self, context: Context) -> Measured:
        """The accuracy of every preprocessing on a sample, and the one that was chosen where none was given."""
        from bias_audit.checks.inputs.measure import measure

        return measure(context)

    def recall(self, result: AuditResult) -> Measured:
        """The same comparison."""
        return Measured(own=partial(_recalled, result))


def _recalled(result: AuditResult) -> Any:
    from bias_audit.checks.inputs.measure import recall

    return recall(result)
