"""Reads a gate.toml over the defaults into a `GateConfig`.

A threshold turns a number of a finished run into pass or fail; none reruns a model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bias_audit.checks.outcomes import LEVELS
from bias_audit.checks.thresholds import MEANINGS, Thresholds
from bias_audit.errors import ConfigError
from bias_audit.gate.former_names import with_present_names
from bias_audit.gate.keys import KEYS
from bias_audit.gate.metric_tables import metric_check
from bias_audit.gate.reading import TomlFile, Where, close_to, named, read_states, read_toml
from bias_audit.gate.settings import (
    FAIL_ON,
    JUDGES,
    KNOWN_AS,
    MAX_DAYS,
    NO_LEVEL,
    REQUIRED,
    SCOPES,
    WARN_ON,
    GateConfig,
    MetricCheck,
)
from bias_audit.gate.waiver_tables import waiver


def read_gate(path: str | Path | None, unknown: Collection[str] = ()) -> GateConfig:
    """Read a gate.toml over the defaults.

    Args:
        path: the file; None = the defaults alone.
        unknown: names of tables in the run that were made by checks which are not installed.

    Raises:
        ConfigError: unreadable file, invalid TOML, unknown table or key, wrong type, value out of range; each with its
            line.
    """
    if path is None:
        return GateConfig(metrics=tuple(_short_form({}, None)))
    file, former = with_present_names(read_toml(Path(path)))
    _known_top(file)
    content = {
        name: file.tables((name,), value) if name in ("metric", "waive") else
        value if name in _LISTS else file.table((name,), value)
        for name, value in file.content.items()
    }  # fmt: skip
    return replace(_config(file, content, unknown), former=former)


_CODE = re.compile(r"[A-Z]{2,4}\d+")

_LISTS = ("allow", "classes")
_TABLES: dict[str, tuple[str, ...]] = {
    "fail": (*SCOPES, "classes"),
    "warn": SCOPES,
    "dataset": ("fail_on", "judge", "require_judged", *(key.name for key in KEYS if key.table == "dataset")),
    "class": ("fail_on", "judge", *(key.name for key in KEYS if key.table == "class")),
    "image": ("fail_on", "judge", *(key.name for key in KEYS if key.table == "image")),
    "rules": ("require",),
    "require": ("thresholds",),
    "baseline": ("known", "required"),
    "provenance": ("content", "require_same_data"),
    "waivers": ("max_days", "decisions"),
    "output": ("at", "help_uri"),
}
"""Tables of gate.toml and their keys, without [[metric]] and [[waive]]."""


def _known_top(file: TomlFile) -> None:
    tables = (*_LISTS, *_TABLES, "metric", "waive")
    for name in file.content:
        if name not in tables:
            shown = ", ".join([*_LISTS, *(f"[{table}]" for table in _TABLES), "[[metric]]", "[[waive]]"])
            hint = _homes(name) or close_to(name, tables) or f"Known are: {shown}."
            raise file.error((name,), f"unknown table or key {name!r} at the top level", hint)


def _homes(name: str) -> str:
    """A hint that names the tables in which a misplaced key belongs; "" where no table has such a key."""
    homes = [
        f"[{table}]" for table, keys in _TABLES.items() if name in keys and name not in SCOPES and name != "classes"
    ]
    return f"{name} belongs under {' or '.join(homes)}." if homes else ""


def _config(file: TomlFile, content: Mapping[str, Any], unknown: Collection[str]) -> GateConfig:
    for table, keys in _TABLES.items():
        for name in content.get(table, {}):
            if name not in keys:
                hint = _homes(name) or close_to(name, keys) or f"Known keys: {', '.join(keys)}."
                raise file.error((table, name), f"unknown key {name!r} in [{table}]", hint)
    fail, class_levels = _levels(file, content)
    warn = dict(WARN_ON) | {
        scope: _level(file, ("warn", scope), value) for scope, value in content.get("warn", {}).items()
    }
    rules, baseline, provenance, waivers, required = (
        content.get(name, {}) for name in ("rules", "baseline", "provenance", "waivers", "require")
    )
    long = [metric_check(file, ("metric", i), table, unknown) for i, table in enumerate(content.get("metric", ()))]
    default = GateConfig()
    return replace(
        default,
        fail=fail,
        warn=warn,
        class_levels=class_levels,
        metrics=(*_short_form(content, file), *long),
        allow=read_states(file, ("allow",), content["allow"]) if "allow" in content else (),
        require=_rules(file, rules["require"]) if "require" in rules else REQUIRED,
        require_judged=_switch(file, content, "dataset", "require_judged", False),
        classes=file.texts(("classes",), content["classes"]) if "classes" in content else (),
        thresholds=_pinned(file, required.get("thresholds", {})),
        known=file.choice(("baseline", "known"), baseline.get("known", default.known), KNOWN_AS),
        baseline_required=_switch(file, content, "baseline", "required", False),
        require_same_data=_switch(file, content, "provenance", "require_same_data", True),
        content=file.text(("provenance", "content"), provenance["content"]) if "content" in provenance else "",
        waivers=tuple(waiver(file, ("waive", i), table) for i, table in enumerate(content.get("waive", ()))),
        max_days=file.count(("waivers", "max_days"), waivers.get("max_days", MAX_DAYS), 1),
        use_decisions=_switch(file, content, "waivers", "decisions", True),
        at=_at(file, content.get("output", {})),
        help_uri=_help_uri(file, content.get("output", {})),
        source=file.source,
        lines=file.places.lines,
    )


def _at(file: TomlFile, output: Mapping[str, Any]) -> str:
    where = ("output", "at")
    path = file.text(where, output["at"]).replace("\\", "/") if "at" in output else ""
    if path.startswith("/") or ".." in path.split("/"):
        hint = "CI shows results at a file of the repository."
        raise file.error(where, f"{named(where)} must be a path from the repository's root, got {path!r}", hint)
    return path.removeprefix("./")


def _help_uri(file: TomlFile, output: Mapping[str, Any]) -> str:
    where = ("output", "help_uri")
    address = file.text(where, output["help_uri"]) if "help_uri" in output else ""
    if address and not (address.startswith(("https://", "http://")) and "{code}" in address):
        hint = 'Write for instance "https://wiki.example.org/bias/{code}".'
        raise file.error(where, f"{named(where)} must be an address with {{code}} in it, got {address!r}", hint)
    return address


def _levels(file: TomlFile, content: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Levels from which findings fail, by scope and by class, from [fail] and from `fail_on` of the short form.

    `fail_on` of [dataset] holds for cues and slices as well.
    """
    fail, given = dict(FAIL_ON), dict(content.get("fail", {}))
    classes = file.table(("fail", "classes"), given.pop("classes", {}))
    for table, scopes in (("dataset", ("dataset", "cue", "slice")), ("class", ("class",)), ("image", ("image",))):
        if "fail_on" in content.get(table, {}):
            where: Where = (table, "fail_on")
            if table in given:
                message = f"{named(where)} and [fail] {table} say the same thing twice"
                raise file.error(where, message, "Keep the one in [fail].")
            fail |= dict.fromkeys(scopes, _level(file, where, content[table]["fail_on"]))
    fail |= {scope: _level(file, ("fail", scope), value) for scope, value in given.items()}
    return fail, {str(name): _level(file, ("fail", "classes", name), value) for name, value in classes.items()}


def _level(file: TomlFile, where: Where, value: Any) -> str:
    return file.choice(where, value, (*LEVELS, NO_LEVEL))


def _switch(file: TomlFile, content: Mapping[str, Any], table: str, name: str, default: bool) -> bool:
    return file.switch((table, name), content.get(table, {}).get(name, default))


def _rules(file: TomlFile, value: Any) -> tuple[str, ...]:
    where: Where = ("rules", "require")
    codes = file.texts(where, value)
    for i, code in enumerate(codes):
        if not _CODE.fullmatch(code):
            message = f"{named(where)} holds {code!r}, which is no rule code"
            raise file.error((*where, i), message, "A code reads BA201; `bias-audit rule` lists them.")
    return codes


def _pinned(file: TomlFile, value: Any) -> dict[str, float]:
    """Name -> value of the thresholds in [require]; a value that no run can have is refused here."""
    table = file.table(("require", "thresholds"), value)
    pinned = {}
    for name, number in table.items():
        where: Where = ("require", "thresholds", name)
        if name not in MEANINGS:
            hint = close_to(name, tuple(MEANINGS)) or f"Thresholds: {', '.join(MEANINGS)}."
            raise file.error(where, f"[require] thresholds has {name!r}, which is no threshold", hint)
        try:
            pinned[name] = getattr(Thresholds(**{name: number}), name)
        except ConfigError as error:
            raise file.error(where, f"[require] thresholds: {error.message}", "Write it without quotes.") from error
    return pinned


def _short_form(content: Mapping[str, Any], file: TomlFile | None) -> Iterator[MetricCheck]:
    """Thresholds of the keys in [dataset], [class] and [image], given or by default."""
    for key in KEYS:
        told = content.get(key.table, {})
        given, judge = told.get(key.name), told.get("judge", "bound")
        bound, line = key.default, 0
        if file is not None:
            judge = file.choice((key.table, "judge"), judge, JUDGES)
        if given is not None and file is not None:
            where: Where = (key.table, key.name)
            share = key.kind == "share"
            bound = file.number(where, given, 0, 1 if share else math.inf, share=share)
            line = file.line(where)
        if bound is not None:
            kind = key.name.partition("_")[0]
            table, name = key.metric
            yield MetricCheck(table, name, {kind: bound}, judge=judge, line=line, scope=key.table, label=key.name)
