"""Declaration of the check `health`; `checks.base` explains what a check declares."""

from __future__ import annotations

from bias_audit.checks.base import Check
from bias_audit.checks.health.rule import JUDGES


class Health(Check):
    """The check `health`: can this audit be trusted at all?"""

    name = "health"
    title = "Health"
    rules = tuple(JUDGES)
    judges = JUDGES
