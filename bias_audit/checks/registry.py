"""Every check, one line each. Everything that has to do with checks iterates over them.

Checks of other packages stand behind ours: all of them in an audit, in `--help` and in `bias-audit rule`; for a
finished run those whose table it holds.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from bias_audit.checks.attention.check import Attention
from bias_audit.checks.background.check import Background
from bias_audit.checks.base import Check, Role, Rule
from bias_audit.checks.data_leaks.check import DataLeaks
from bias_audit.checks.drawn_regions.check import DrawnRegions
from bias_audit.checks.health.check import Health
from bias_audit.checks.inputs.check import Inputs
from bias_audit.checks.installed import SHARED, found, import_checks, imported, tables_in
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


def known() -> tuple[Check, ...]:
    """Our checks, and those of other packages that this process has imported."""
    return (*CHECKS, *imported())


def every() -> tuple[Check, ...]:
    """Our checks, and all that other packages have installed.

    Raises:
        ConfigError: one of them cannot be imported.
    """
    return (*CHECKS, *import_checks(found(), CHECKS))


def settings_of_others() -> tuple[str, ...]:
    """Names of the settings of all checks that other packages have installed.

    Raises:
        ConfigError: one of them cannot be imported.
    """
    return tuple(option.setting for check in every()[len(CHECKS) :] for option in check.options)


def of_run(folder: Path) -> tuple[Check, ...]:
    """Our checks, and those of other packages whose table lies in a run folder.

    Raises:
        ConfigError: one of them cannot be imported.
    """
    others = _tables_of_others(folder)
    return (*CHECKS, *import_checks([name for name in others if name in found()], CHECKS)) if others else CHECKS


def not_installed(folder: Path) -> list[str]:
    """Names of the checks of other packages whose table lies in a run folder, and that are not installed here."""
    others = _tables_of_others(folder)
    return [name for name in others if name not in found()] if others else []


def _tables_of_others(folder: Path) -> list[str]:
    return sorted(tables_in(folder).difference(SHARED, *(check.tables for check in CHECKS)))


def rules() -> Iterator[tuple[Check, Rule]]:
    """Every rule of the known checks, with its check."""
    yield from ((check, rule) for check in known() for rule in check.rules)


def with_role(*roles: Role) -> frozenset[str]:
    """Codes of the rules of known checks that have one of these roles."""
    return _with_role(known(), roles)


@functools.cache
def _with_role(checks: tuple[Check, ...], roles: tuple[Role, ...]) -> frozenset[str]:
    return frozenset(rule.code for check in checks for rule in check.rules if rule.role in roles)


def find_rule(code: str) -> Rule | None:
    """The rule of a known check with this code, None where no check has it."""
    return next((rule for _, rule in rules() if rule.code == code), None)
