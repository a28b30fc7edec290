"""Every check, one line each. Everything that has to do with checks iterates over this tuple."""

from __future__ import annotations

from collections.abc import Iterator

from bias_audit.checks.base import Check, Rule
from bias_audit.checks.data_leaks.check import DataLeaks
from bias_audit.checks.whole_photo.check import WholePhoto

CHECKS: tuple[Check, ...] = (
    WholePhoto(),
    DataLeaks(),
)


def rules() -> Iterator[tuple[Check, Rule]]:
    """Every rule with its check."""
    yield from ((check, rule) for check in CHECKS for rule in check.rules)


def find_rule(code: str) -> Rule | None:
    """The rule of a check with this code, None where no check has it."""
    return next((rule for _, rule in rules() if rule.code == code), None)
