"""The registry: a list of all checks, over which pipeline, rules, tables and report iterate.

Checks that other packages install come after the built-in ones. An audit, `--help` and `bias-audit rule` use all of
them; work on a finished run uses those whose table lies in the run folder.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from bias_audit.checks.attention.check import Attention
from bias_audit.checks.background.check import Background
from bias_audit.checks.base import Check, Role, Rule
from bias_audit.checks.data_leaks.check import DataLeaks
from bias_audit.checks.drawn_masks.check import DrawnMasks
from bias_audit.checks.drawn_regions.check import DrawnRegions
from bias_audit.checks.health.check import Health
from bias_audit.checks.inputs.check import Inputs
from bias_audit.checks.installed import found, import_checks, imported, tables_in
from bias_audit.checks.map_reliability.check import MapReliability
from bias_audit.checks.mask_quality.check import MaskQuality
from bias_audit.checks.recurring_cues.check import RecurringCues
from bias_audit.checks.slices.check import Slices
from bias_audit.checks.strangers.check import Strangers
from bias_audit.checks.whole_photo.check import WholePhoto
from bias_audit.run.core_columns import SHARED
from bias_audit.run.versions import tables_among

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
    DrawnMasks(),
    Health(),
)
"""The built-in checks, in the order of their sections in the page."""


def known() -> tuple[Check, ...]:
    """The built-in checks and the checks of other packages that this process has imported so far."""
    return (*CHECKS, *imported())


def every() -> tuple[Check, ...]:
    """The built-in checks and all checks that other packages have installed; imports the latter.

    Raises:
        ConfigError: a check cannot be imported, or breaks the rules for checks.
    """
    return (*CHECKS, *import_checks(found(), CHECKS))


def settings_of_others() -> tuple[str, ...]:
    """Names of the settings of all checks that other packages have installed.

    Raises:
        ConfigError: a check cannot be imported, or breaks the rules for checks.
    """
    return tuple(option.setting for check in every()[len(CHECKS) :] for option in check.options)


def of_run(folder: Path) -> tuple[Check, ...]:
    """The built-in checks and the installed checks of other packages whose table lies in a run folder.

    Raises:
        ConfigError: a check cannot be imported, or breaks the rules for checks.
    """
    others = _tables_of_others(folder)
    return (*CHECKS, *import_checks([name for name in others if name in found()], CHECKS)) if others else CHECKS


def not_installed(folder: Path) -> list[str]:
    """Names of checks that wrote a table into a run folder, but are not installed here."""
    others = _tables_of_others(folder)
    return [name for name in others if name not in found()] if others else []


def _tables_of_others(folder: Path) -> list[str]:
    names = tables_in(folder)
    return sorted(names.difference(SHARED, tables_among(names), *(check.tables for check in CHECKS)))


def rules() -> Iterator[tuple[Check, Rule]]:
    """Pairs of a check and one of its rules, for every rule of the known checks."""
    yield from ((check, rule) for check in known() for rule in check.rules)


def with_role(*roles: Role) -> frozenset[str]:
    """Codes of the rules of known checks that have one of these roles."""
    return _with_role(known(), roles)


@functools.cache
def _with_role(checks: tuple[Check, ...], roles: tuple[Role, ...]) -> frozenset[str]:
    return frozenset(rule.code for check in checks for rule in check.rules if rule.role in roles)


def find_rule(code: str) -> Rule | None:
    """The rule with this code among the rules of the known checks; None where there is none."""
    return _by_code(known()).get(code)


@functools.cache
def _by_code(checks: tuple[Check, ...]) -> dict[str, Rule]:
    return {rule.code: rule for check in reversed(checks) for rule in reversed(check.rules)}  # the first counts
