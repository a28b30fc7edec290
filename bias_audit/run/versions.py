"""The format version of runs, and what older ones called things; nothing else knows the old names. Imports nothing.

Until format version 3, "cluster" was a recurring cue, a scope, and the column of patients, and "probe" was a property
of the whole photo. Such a run is read under today's names. A command that changes it writes it back under its
own: its version and the names of its files stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FORMAT_VERSION = 3
"""Version of audit.json and of the tables; a reader refuses newer ones.

Version 1 had no digests: `AuditResult.digests` of such a run is None. Versions 1 and 2 had the old names.
"""

RENAMED_IN = 3
"""First version with today's names."""

TABLES = {"clusters": "cues", "cluster_spots": "cue_spots", "probes": "whole_photo"}
COLUMNS: dict[str, dict[str, str]] = {
    "classes": {"n_clusters": "n_units", "n_clusters_grown_holes": "n_units_grown_holes"},
    "cues": {"cluster_id": "cue_id"},
    "cue_spots": {"cluster_id": "cue_id"},
    "whole_photo": {"probe": "property"},
}
"""Table, by its name of today -> old name of a column -> its name."""

SCOPES = {"cluster": "cue"}
"""Scopes of rules and outcomes, tables of gate.toml, and kinds of a decision's target."""

SETTINGS = {"cluster": "group_by"}
COUNTS = {"invalid_probes": "invalid_exchanges"}
EVIDENCE = {"BA301": {"probe": "property", "probes": "properties"}}
"""Code of a rule -> old name of a piece of evidence -> its name."""

PICTURES = {"clusters": "cues"}
"""Entries of pictures.json, and of the shard of the cues; neither has a version."""

SHARDS = {"clusters.json": "cues.json", "probes.npz": "whole_photo.npz"}
"""Files in the folder `shards`."""


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The values by name, in their order, under other names; what has no other name keeps its own."""
    return {names.get(name, name): value for name, value in values.items()}


def current(content: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The content of audit.json under today's names.

    Args:
        content: content that fits the schema of its version.
        version: its format version.
    """
    return dict(content) if version >= RENAMED_IN else _changed(content, _same)


def as_written(content: Mapping[str, Any], version: int) -> dict[str, Any]:
    """The content of audit.json, given under today's names, under those of a format version."""
    return dict(content) if version >= RENAMED_IN else _changed(content, _turned)


def table_name(table: str, version: int) -> str:
    """Name of a table's files in a run of a format version.

    Args:
        table: name of the table today.
        version: format version of the run.
    """
    return table if version >= RENAMED_IN else _turned(TABLES).get(table, table)


def columns(table: str, version: int) -> dict[str, str]:
    """Old names of the columns of a table in a run of a format version -> their names; {} where all are today's."""
    return {} if version >= RENAMED_IN else COLUMNS.get(table, {})


def shard_name(name: str, version: int) -> str:
    """Path of a shard in a run of a format version.

    Args:
        name: its path in a run of today, "shards/cues.json".
        version: format version of the run.
    """
    folder, _, file = name.rpartition("/")
    return name if version >= RENAMED_IN else f"{folder}/{_turned(SHARDS).get(file, file)}"


def scope(name: str, version: int) -> str:
    """A scope of today as a format version calls it."""
    return name if version >= RENAMED_IN else _turned(SCOPES).get(name, name)


def column(table: str, name: str, version: int) -> str:
    """A column of today as a format version calls it."""
    return _turned(columns(table, version)).get(name, name)


def tables_among(names: set[str]) -> set[str]:
    """Old names of tables among the names of the tables in a folder, without the new ones.

    A check of another package may have such a name today.
    """
    return {old for old, new in TABLES.items() if old in names and new not in names}


def _same(names: Mapping[str, str]) -> dict[str, str]:
    return dict(names)


def _turned(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}


def _changed(content: Mapping[str, Any], way: Callable[[Mapping[str, str]], dict[str, str]]) -> dict[str, Any]:
    """The content of audit.json with other names, from old to new (`_same`) or from new to old (`_turned`).

    The names of files in `tables` and `shards` stay: they are those of the files.
    """
    info, scopes = dict(content["info"]), way(SCOPES)
    info |= {"config": _moved(info["config"], way(SETTINGS)), "counts": _moved(info["counts"], way(COUNTS))}
    return {
        **content,
        "info": info,
        "rules": [{**row, "scope": scopes.get(row["scope"], row["scope"])} for row in content["rules"]],
        "outcomes": [
            {
                **row,
                "scope": scopes.get(row["scope"], row["scope"]),
                "evidence": _moved(row["evidence"], way(EVIDENCE.get(row["code"], {}))),
            }
            for row in content["outcomes"]
        ],
        "classes": [_moved(row, way(COLUMNS["classes"])) for row in content["classes"]],
    }


def _moved(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """As `renamed`; what stands under one of the other names already is no value of that version and left out."""
    return renamed({name: value for name, value in values.items() if name not in names.values()}, names)
