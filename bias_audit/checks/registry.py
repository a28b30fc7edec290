"""Every check, one line each. Everything that has to do with checks iterates over this tuple."""

from __future__ import annotations

from collections.abc import Iterator

from bias_audit.checks.attention.check import Attention
from bias_audit.checks.background.check import Background
from bias_audit.checks.base import Check, Need, Rule
from bias_audit.checks.data_leaks.check import DataLeaks
from bias_audit.checks.drawn_regions.check import DrawnRegions
from bias_audit.checks.health.check import Health
from bias_audit.checks.inputs.check import Inputs
from bias_audit.checks.map_reliability.check import MapReliability
from bias_audit.checks.mask_quality.check import MaskQuality
from bias_audit.checks.recurring_cues.check import RecurringCues
from bias_audit.checks.slices.check import Slices
from bias_audit.checks.strangers.check import Strangers
from bias_audit.checks.whole_photo.check import WholePhoto

CHECKS: tuple[Check, ...] = (
    Attention(),
    Background(),
    MapReliability(),
    RecurringCues(),
    DrawnRegions(),
    Slices(),
    WholePhoto(),
    DataLeaks(),
    Strangers(),
    Inputs(),
    MaskQuality(),
    Health(),
)
"""In the order of their sections in the page."""


def rules() -> Iterator[tuple[Check, Rule]]:
    """Every rule with its check."""
    yield from ((check, rule) for check in CHECKS for rule in check.rules)


def rules_that_need(need: Need) -> frozenset[str]:
    """Codes of the rules that cannot answer without it."""
    return frozenset(rule.code for _, rule in rules() if need in rule.needs)


def find_rule(code: str) -> Rule | None:
    """The rule of a check with this code, None where no check has it."""
    return next((rule for _, rule in rules() if rule.code == code), None)
