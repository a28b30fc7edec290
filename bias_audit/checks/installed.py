"""Checks of other packages: found by the entry-point group `bias_audit.checks`, imported only when they are needed.

Entry point, check and the check's one table have the same name. So the tables in a run folder say which checks made
it, without importing any.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.checks.base import RULE_CODE, Check
from bias_audit.errors import ConfigError
from bias_audit.run.core_columns import SHARED
from bias_audit.users_code import running

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "bias_audit.checks"

_NAME = re.compile(r"[a-z][a-z0-9_]*")

_CALLED = ("fingerprints", "measure", "recall", "recall_own", "sum_up", "judge", "mark", "pictures", "section")
"""Methods of a check that the audit calls."""

_IMPORTED: dict[str, Check] = {}
"""Name -> check of another package, for those that this process has imported."""


@functools.cache
def found() -> dict[str, EntryPoint]:
    """Name -> entry point of every check that another package has installed; imports none of them."""
    from importlib import metadata  # a tenth of what the gate takes

    return {point.name: point for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name)}


def imported() -> tuple[Check, ...]:
    """The checks of other packages that this process has imported so far."""
    return tuple(_IMPORTED[name] for name in sorted(_IMPORTED))


def import_checks(names: Iterable[str], ours: Collection[Check]) -> tuple[Check, ...]:
    """Import checks of other packages.

    Args:
        names: keys of `found`.
        ours: checks of this package; their names, tables, rule codes and flags may not be used again.

    Returns:
        the checks, in the order of `names`.

    Raises:
        ConfigError: a check cannot be imported, or breaks the rules of `docs/how-to/write-a-check.md`.
    """
    for name in names:
        if name not in _IMPORTED:
            point = found()[name]
            package = point.dist.name if point.dist else point.module
            remove = f"Update the package, or remove it: pip uninstall {package}."
            with running(f"the check {name!r} of the package {package!r} cannot be imported", remove):
                check = point.load()()
            if fault := _fault(name, check, (*ours, *imported())):
                raise ConfigError(f"the check {name!r} of the package {package!r} {fault}", "Tell its authors.")
            for method in _CALLED:
                setattr(check, method, _guarded(getattr(check, method), name, package))
            _IMPORTED[name] = check
    return tuple(_IMPORTED[name] for name in names)


def _guarded(method: Callable[..., Any], check: str, package: str) -> Callable[..., Any]:
    """A method of a check of another package, of which whatever it raises becomes one sentence."""

    @functools.wraps(method)
    def called(*arguments: Any) -> Any:
        with running(f"the check {check!r} of the package {package!r} failed ({method.__name__})", "Tell its authors."):
            return method(*arguments)

    return called


def beside(check: Check, file: str) -> Traversable:
    """A file that lies in the folder of a check.

    Args:
        check: built-in, or of another package.
        file: its name, for example "section.html".
    """
    return resources.files(type(check).__module__.rpartition(".")[0]).joinpath(file)


def versions(checks: Iterable[Check]) -> dict[str, str]:
    """Package and version of each check of another package, as "check NAME" -> "package version".

    A run can only be resumed with the same ones. Built-in checks are left out.
    """
    points = {check.name: found().get(check.name) for check in checks}
    return {
        f"check {name}": f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        for name, point in points.items()
        if point is not None
    }


def tables_in(folder: Path) -> set[str]:
    """Names of the tables in a run folder; a table counts where it lies there both as Parquet and as CSV."""
    names = {path.stem for path in folder.glob("*.parquet")}
    return {name for name in names if (folder / f"{name}.csv").is_file()}


def _fault(name: str, check: Check, others: Collection[Check]) -> str:
    """The fault of a check of another package, worded to follow the check's name; "" where it has none."""
    if not _NAME.fullmatch(name) or check.name != name:
        return f"calls itself {getattr(check, 'name', None)!r}: name and entry point must be the same, in lower case"
    if list(check.tables) != [name]:
        return f"must have one table, {name!r}, and has {', '.join(map(repr, check.tables)) or 'none'}"
    if sum(column.index for column in check.tables[name]) != 1:
        return "has a table without an index: one column that names its rows, Column(..., index=True)"
    if check.columns:
        return "adds columns to the shared tables, which only checks of bias-audit may"
    taken = {each.name for each in others} | {table for each in others for table in each.tables}
    if name in taken.union(SHARED):
        return "has a name that is taken"
    codes = {rule.code for each in others for rule in each.rules}
    for rule in check.rules:
        if not re.fullmatch(RULE_CODE, rule.code) or rule.code.startswith("BA") or rule.code in codes:
            return (
                f"has a rule {rule.code!r}: wanted two to four capitals, not BA, and three digits, used by nobody else"
            )
    flags = {option.flag for each in others for option in each.options}
    if clash := [option.flag for option in check.options if option.flag in flags]:
        return f"has an option {clash[0]} that is taken"
    return ""
