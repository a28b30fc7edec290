"""What the page says of a finding beside its own sentence: what was measured, and where more of it is shown."""

from __future__ import annotations

from bias_audit.checks.base import Check
from bias_audit.checks.registry import find_rule, rules


def measures(code: str) -> tuple[str, str]:
    """What `measured` is in the outcomes of a rule, and its unit; a code that nobody knows is printed as a number."""
    declared = find_rule(code)
    return declared.measures if declared else ("measured", "number")


def place(code: str) -> tuple[str, str] | None:
    """The section of the page that shows more of what a rule found, and the words of the link; None = there is none."""
    found = ((rule.place or anchor(check), rule.more) for check, rule in rules() if rule.code == code and rule.more)
    return next(found, None)


def anchor(check: Check) -> str:
    """Id of a check's section in the page."""
    return check.anchor or check.name.replace("_", "-")
