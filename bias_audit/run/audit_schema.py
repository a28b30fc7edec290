"""The JSON Schema of audit.json, made from the columns and the sets of words that the code itself uses.

`docs/audit.schema.json` is this schema; `python -m bias_audit.run.audit_schema` prints it.
"""

from __future__ import annotations

import functools
import json
from typing import Any, get_args

from bias_audit.checks.base import RULE_CODE, Scope
from bias_audit.checks.outcomes import LEVELS, MOST_IDS, NO_LEVELS, STATUSES
from bias_audit.run import versions
from bias_audit.run.schema import TABLES
from bias_audit.run.versions import FORMAT_VERSION as FORMAT_VERSION

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NONE: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": ["number", "null"]}
_ANY: Schema = {"type": ["string", "number", "boolean", "null"]}
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

_KINDS: dict[str, Schema] = {
    "string": _TEXT_OR_NONE,
    "float": _NUMBER,
    "int": {"type": ["integer", "null"]},
    "bool": {"type": ["boolean", "null"]},
}
"""Kind of a column -> schema of its values."""


def _object(properties: dict[str, Schema], *optional: str, others: bool | Schema = False) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": others}


def _mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _list(items: Schema, **limits: int) -> Schema:
    return {"type": "array", "items": items, **limits}


def _info() -> Schema:
    return _object(
        {
            "name": _TEXT,
            "model": _TEXT,
            "data": _TEXT,
            "masks": _TEXT_OR_NONE,
            "model_sha256": _TEXT,
            "fingerprint": _TEXT,
            "version": _TEXT,
            "created": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}"},
            "seconds": _mapping({"type": "number", "minimum": 0}),
            "config": {"type": "object"},
            "thresholds": _mapping({"type": "number"}),
            "class_names": _list(_TEXT),
            "layer": _TEXT,
            "grid": _list(_COUNT, minItems=2, maxItems=2),
            "method": _TEXT,
            "head": _TEXT,
            "input_size": _list(_COUNT, minItems=3, maxItems=3),
            "counts": _mapping(_COUNT),
            "statuses": _mapping(_mapping(_COUNT)),
            "mask_kind": {"enum": ["mask", "box", "estimated", "mixed", "none"]},
            "notes": _list(_TEXT),
            "strangers": _TEXT_OR_NONE,
            "backgrounds": _TEXT_OR_NONE,
            "preprocess": _TEXT,
            "content": _TEXT,
            "data_options": _mapping({"type": ["string", "number", "boolean"]}),
        },
        "notes",
        "strangers",
        "backgrounds",
        "preprocess",
        "content",
        "data_options",
    )


def _rule(version: int) -> Schema:
    counts = dict.fromkeys(("judged", "passed", "found", "not_judged"), _COUNT)
    return _object({"code": _code(), "title": _TEXT, "scope": _scope(version), **counts})


def _outcome(version: int) -> Schema:
    numbers = dict.fromkeys(("measured", "threshold", "low", "high"), _NUMBER)
    return _object(
        {
            "code": _code(),
            "title": _TEXT,
            "scope": _scope(version),
            "subject": _TEXT,
            "status": {"enum": list(STATUSES)},
            "sentence": {"type": "string", "minLength": 1},
            "level": {"enum": [*LEVELS, None]},
            **numbers,
            "n": {"type": ["integer", "null"], "minimum": 0},
            "p_value": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "image_ids": _list(_TEXT, maxItems=MOST_IDS),
            "evidence": _mapping(_ANY),
            "reason_code": _TEXT,
        },
        "reason_code",
    )


def _class(version: int) -> Schema:
    columns = {versions.column("classes", column.name, version): _KINDS[column.kind] for column in TABLES["classes"]}
    columns |= {"class_name": _TEXT, "n": _COUNT}
    return _object(columns, *(name for name in columns if name not in ("class_name", "n")), others=_ANY)


def _code() -> Schema:
    return {"type": "string", "pattern": f"^{RULE_CODE}$"}


def _scope(version: int) -> Schema:
    return {"enum": [versions.scope(name, version) for name in get_args(Scope)]}


@functools.cache
def audit_schema(version: int = FORMAT_VERSION) -> Schema:
    """The JSON Schema (draft 2020-12) of audit.json.

    Args:
        version: format version, 1..FORMAT_VERSION.
    """
    properties: dict[str, Schema] = {
        "format_version": {"enum": [version]},
        "level": {"enum": [*LEVELS, *NO_LEVELS]},
        "verdict": {"type": "string", "minLength": 1},
        "info": _info(),
        "rules": _list(_rule(version)),
        "outcomes": _list(_outcome(version)),
        "classes": _list(_class(version)),
    }
    if version > 1:
        tables = {**_mapping(_list(_SHA256, minItems=1)), "propertyNames": {"pattern": r"^\w{1,100}\.(csv|parquet)$"}}
        shards = {**_mapping(_list(_SHA256, minItems=1)), "propertyNames": {"pattern": r"^\w[\w.-]{0,99}$"}}
        properties |= {"tables": tables, "shards": shards, "digest": _SHA256}
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "audit.json of bias-audit"}
    return {**about, **_object(properties)}


if __name__ == "__main__":
    print(json.dumps(audit_schema(), indent=1))
