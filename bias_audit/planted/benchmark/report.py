"""Writes the files of the scored benchmark: benchmark.json, benchmark.md, benchmark.png.

The picture is of the worlds of `grid.cases`; without these there is none.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

import bias_audit
from bias_audit.planted.benchmark import figure, table
from bias_audit.planted.benchmark.by_unit import UnitResult, UnitsScored
from bias_audit.planted.benchmark.grid import FROZEN_THRESHOLDS, SETTINGS
from bias_audit.planted.benchmark.rates import Rate
from bias_audit.planted.benchmark.score import Scored
from bias_audit.planted.benchmark.unit import HINT, audit_key
from bias_audit.run.atomic import write_atomically
from bias_audit.run.json_values import plain


def write_report(
    scored: Scored | None,
    by_unit: UnitsScored | None,
    units: pd.DataFrame,
    made: table.Made,
    failed: Mapping[str, str],
    out: Path,
) -> str:
    """Write the files of the report and return its Markdown.

    Args:
        scored: the scores of the worlds of `grid.cases`; None = none of them was run.
        by_unit: the scores of all units; None = they are left out.
        units: table of `units.read_units`.
        made: the code by which the models were audited and judged.
        failed: name of a case -> reason, for cases that failed.
        out: folder of the files.

    Raises:
        ResultError: seeds that are no report seeds are among the units, or the folder cannot be written.
    """
    text = table.report_text(scored, made, failed, by_unit)
    content = plain(as_json(scored, made, failed, by_unit))
    pictures = {"benchmark.png": figure.draw(scored, units)} if scored else {}
    files = {
        **pictures,
        "benchmark.md": text.encode(),
        "benchmark.json": (json.dumps(content, indent=1, allow_nan=False) + "\n").encode(),
    }
    for name, data in files.items():
        write_atomically(out / name, data, HINT)
    return text


def as_json(
    scored: Scored | None, made: table.Made, failed: Mapping[str, str], by_unit: UnitsScored | None = None
) -> dict[str, Any]:
    """The numbers of the report, and the settings they depend on, as values for JSON; arguments as `write_report`."""

    def rate(value: Rate) -> dict[str, float]:
        low, high = value.interval
        return {"k": value.k, "n": value.n, "value": value.value, "low": low, "high": high}

    content: dict[str, Any] = {
        "version": bias_audit.__version__,
        "audit": audit_key(),
        "commit": made.commit,
        "package": made.judged,
        "audited_by": list(made.audited),
        "thresholds": made.thresholds,
        "thresholds_frozen": made.thresholds == FROZEN_THRESHOLDS,
        "settings": SETTINGS,
        "failed": dict(failed),
    }
    if by_unit:
        content["by_unit"] = {
            **{name: getattr(by_unit, name) for name in ("seeds", "models", "core_minutes")},
            **{name: list(map(_unit, getattr(by_unit, name))) for name in ("units", "groups")},
            "wrong": by_unit.wrong.astype(object).to_dict("records"),
        }
    if scored is None:
        return content
    values = {field.name: getattr(scored, field.name) for field in dataclasses.fields(scored)}
    for name, value in values.items():
        content[name] = value.astype(object).to_dict("records") if isinstance(value, pd.DataFrame) else value
    content["rules"] = {
        name: {kind: rate(value) for kind, value in rates.items()} for name, rates in scored.rules.items()
    }
    content["required"] = [{**dataclasses.asdict(row), "rate": rate(row.rate)} for row in scored.required]
    content["first"] = {name: rate(value) for name, value in scored.first.items()}
    return content


def _unit(result: UnitResult) -> dict[str, Any]:
    figures = {
        name: {**dataclasses.asdict(each), "value": each.value, "holds": each.holds}
        for name, each in result.figures.items()
    }
    return {**dataclasses.asdict(result), "figures": figures}
