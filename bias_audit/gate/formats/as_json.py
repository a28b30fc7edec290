"""Writes gate.json: the whole result for programs. Its JSON schema is `gate.schema.json` beside this file."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from bias_audit.gate.formats.place import Place
from bias_audit.gate.values import STATUSES, GateResult
from bias_audit.run.printable import printable_json

FORMAT_VERSION = 1
"""Version of gate.json; adding a field does not change the version."""


def as_json(gate: GateResult, place: Place) -> str:
    """The whole result of the gate as JSON."""
    content = {
        "format_version": FORMAT_VERSION,
        "run": place.run,
        "passed": gate.passed,
        "exit_code": gate.exit_code,
        "summary": gate.summary,
        "counts": {status: gate.count(status) for status in STATUSES} | {"ignored": gate.ignored},
        "source": gate.config.source,
        "thresholds": dict(gate.config.values),
        "baseline": gate.baseline,
        "resolved": list(gate.resolved),
        "notes": list(gate.notes),
    }
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).removesuffix("\n}")
    # A row on a line of its own: with line breaks within, Python takes ten times as long.
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    rows = ",".join(f"\n  {encode(vars(row))}" for row in gate.rows)
    return printable_json(f'{text},\n "rows": [{rows}\n ]\n}}') + "\n"


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of gate.json."""
    text = resources.files(__package__ or "").joinpath("gate.schema.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
