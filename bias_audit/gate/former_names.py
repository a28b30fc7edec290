"""Reads a gate.toml with former names, of scopes, tables and columns, as if it had today's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bias_audit.gate.metrics import FILES
from bias_audit.gate.reading import TomlFile, Where, named
from bias_audit.run.versions import COLUMNS, SCOPES, renamed

_SCOPED = ("fail", "warn")
"""Tables of gate.toml whose keys are scopes."""


def with_present_names(file: TomlFile) -> tuple[TomlFile, tuple[str, ...]]:
    """The file under today's names, and a sentence for each former name in it.

    Raises:
        ConfigError: a scope is there under both of its names.
    """
    content, lines, said = dict(file.content), dict(file.places.lines), []
    for table in _SCOPED:
        given = content.get(table)
        if not isinstance(given, dict):
            continue  # told by whoever reads it
        for old, new in SCOPES.items():
            if old not in given:
                continue
            where: Where = (table, old)
            if new in given:
                message = f"{named(where)} is the former name of {new}, which is there, too"
                raise file.error(where, message, f"Keep {new}.")
            said.append(_said(file, where, old, new))
            lines[table, new] = file.line(where)
        content[table] = renamed(given, SCOPES)
    if isinstance(metrics := content.get("metric"), list):
        content["metric"] = [_metric(file, i, one, said) for i, one in enumerate(metrics)]
    return replace(file, content=content, places=replace(file.places, lines=lines)), tuple(said)


def _metric(file: TomlFile, place: int, metric: Any, said: list[str]) -> Any:
    """An element of [[metric]] under today's names, as it is where it is no table; adds to `said`."""
    if not isinstance(metric, Mapping):
        return metric
    changed = dict(metric)
    for key, names in (("table", SCOPES), ("name", COLUMNS.get(_home(metric), {}))):
        value = metric.get(key)
        if isinstance(value, str) and value in names:
            changed[key] = names[value]
            said.append(_said(file, ("metric", place, key), value, names[value]))
    return changed


def _home(metric: Mapping[str, Any]) -> str:
    """Name of the table of a run in which a metric of gate.toml stands; "" where nothing says it."""
    table = metric.get("table")
    if not isinstance(table, str):
        return ""
    scope = SCOPES.get(table, table)
    return FILES.get(scope, scope)


def _said(file: TomlFile, where: Where, old: str, new: str) -> str:
    return f"{file.source}, line {file.line(where)}: {old!r} is called {new!r} now."
