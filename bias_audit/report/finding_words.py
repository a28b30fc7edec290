"""Words about a rule that the page adds to a finding: what the rule measures, and where more of it is shown."""

from __future__ import annotations

from bias_audit.checks.base import Check
from bias_audit.checks.registry import find_rule, rules


def measures(code: str) -> tuple[str, str]:
    """Name and unit of the number that a rule measures; ("measured", "number") for an unknown code."""
    declared = find_rule(code)
    return declared.measures if declared else ("measured", "number")


def place(code: str) -> tuple[str, str] | None:
    """Id of the section that shows more of a rule's findings, and text of the link to it; None where there is none."""
    found = ((rule.place or anchor(check), rule.more) for check, rule in rules() if rule.code == code and rule.more)
    return next(found, None)


def anchor(check: Check) -> str:
    """Id of a check's section in the page."""
    return check.anchor or check.name.replace("_", "-")
