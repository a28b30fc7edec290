"""Reads [[metric]] of gate.toml, and refuses columns that do not exist or have no interval to judge."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from typing import Any

from bias_audit.checks.installed import found, import_checks
from bias_audit.checks.registry import CHECKS
from bias_audit.gate.metrics import METRICS, metric_of, names_of
from bias_audit.gate.reading import TomlFile, Where, named, read_states
from bias_audit.gate.settings import BOUNDS, JUDGES, SEVERITIES, MetricCheck

_KEYS = ("table", "name", *BOUNDS, "min_n", "judge", "severity", "allow", "classes", "max_share")
_OWN = (*BOUNDS, "min_n", "severity", "allow")
"""Settings that a class may have of its own."""


def metric_check(file: TomlFile, where: Where, table: Mapping[str, Any], unknown: Collection[str] = ()) -> MetricCheck:
    """Read one [[metric]] table into a threshold.

    Args:
        file: the gate file.
        where: path of the table in the file.
        table: content of the table.
        unknown: names of tables made by checks that are not installed; settings for their columns cannot be verified.

    Raises:
        ConfigError: no such table or column, no bound, or a setting that the metric cannot have.
    """
    file.known(where, table, _KEYS)
    for name in ("table", "name"):
        if name not in table:
            message = f"[[metric]] has no {name}"
            raise file.error(where, message, 'For instance table = "class", name = "background_gap", max = 0.1.')
    # To look for packages takes as long as the gate. A file may have a list here, which no mapping can be asked for.
    others = {} if table["table"] in tuple(METRICS) else found()
    home = file.choice((*where, "table"), table["table"], (*METRICS, *others, *unknown))
    import_checks([home] if home in others else [], CHECKS)
    name = file.text((*where, "name"), table["name"])
    if home in unknown:
        return _with(file, where, table, MetricCheck(home, name, {}, line=file.line(where), scope="dataset"))
    if name not in names_of(home):
        raise file.error((*where, "name"), f"there is no metric {name!r} in table {home!r}", _hint(home, name))
    judge = file.choice((*where, "judge"), table.get("judge", "bound"), JUDGES)
    column = metric_of(home, name)
    if judge == "bound" and not (column.exact or column.low):
        message = f"{name!r} of table {home!r} has no interval, so its bound cannot be judged"
        raise file.error((*where, "name"), message, 'Write judge = "estimate" beside it.')
    if "min_n" in table and home != "image" and not column.n:
        raise file.error((*where, "min_n"), f"{name!r} of table {home!r} does not say how many images it has", "")
    if "max_share" in table and home != "image":
        raise file.error((*where, "max_share"), "max_share is for metrics of images", "Use max or min.")
    if "classes" in table and home not in ("class", "image"):
        raise file.error((*where, "classes"), f"table {home!r} has no classes of its own", "")
    if home == "image" and (changes := [kind for kind in ("max_increase", "max_decrease") if kind in table]):
        hint = "Compare a class metric, or slices; `bias-audit compare` shows single images."
        raise file.error((*where, changes[0]), f"{changes[0]} is not for metrics of images", hint)
    check = MetricCheck(
        home, name, {}, judge=judge, line=file.line(where), scope=home if home in METRICS else "dataset"
    )
    general = _with(file, where, table, check)
    classes = {
        str(class_name): _with(
            file,
            (*where, "classes", class_name),
            _own(file, (*where, "classes", class_name), own),
            general,
        )
        for class_name, own in file.table((*where, "classes"), table.get("classes", {})).items()
    }
    if not general.bounds and not all(own.bounds for own in classes.values() or [general]):
        raise file.error(where, f"[[metric]] {name} has no bound", f"Give it one of {', '.join(BOUNDS)}.")
    return MetricCheck(**{**vars(general), "classes": classes})


def _own(file: TomlFile, where: Where, value: Any) -> Mapping[str, Any]:
    own = file.table(where, value)
    file.known(where, own, _OWN)
    return own


def _with(file: TomlFile, where: Where, table: Mapping[str, Any], base: MetricCheck) -> MetricCheck:
    """The threshold `base` with the bounds, size, severity and states that `table` sets."""
    bounds = dict(base.bounds)
    for kind in BOUNDS:
        if kind in table:
            low = -math.inf if kind in ("min", "max") else 0.0
            bounds[kind] = file.number((*where, kind), table[kind], low, math.inf)
    if bounds.get("min", -math.inf) > bounds.get("max", math.inf):
        raise file.error((*where, "min"), f"{named((*where, 'min'))} lies above max", "")
    given: dict[str, Any] = {"bounds": bounds, "line": file.line(where) or base.line}
    if "min_n" in table:
        given["min_n"] = file.count((*where, "min_n"), table["min_n"])
    if "severity" in table:
        given["severity"] = file.choice((*where, "severity"), table["severity"], SEVERITIES)
    if "max_share" in table:
        given["max_share"] = file.number((*where, "max_share"), table["max_share"], 0, 1, share=True)
    if "allow" in table:
        given["allow"] = (*base.allow, *read_states(file, (*where, "allow"), table["allow"]))
    return MetricCheck(**{**vars(base), **given})


def _hint(home: str, name: str) -> str:
    homes = [f'table = "{table}"' for table in METRICS if table != home and name in names_of(table)]
    if homes:
        return f"{name} is a metric of {' or '.join(homes)}."
    close = difflib.get_close_matches(name, names_of(home), 3)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    return (
        f"The columns of {home} are explained at the end of the report; for instance {', '.join(names_of(home)[:5])}."
    )
