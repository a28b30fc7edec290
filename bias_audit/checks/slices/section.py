"""The section of the report on slices: one table per column of the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bias_audit.checks.slices.summary import ACCURACY, ATTENTION, RELIANCE, Measure
from bias_audit.report.cells import axis, estimate, records
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import OK

MOST_COLUMNS = 12
"""Largest number of columns shown; with fifty values each they take a tenth of the page's limit."""

SHOWN: dict[str, tuple[str, Measure, str, str]] = {
    "BA203": ("Accuracy", ACCURACY, "share", "Share predicted right, on the photos as they are"),
    "BA205": (
        "Background excess",
        ATTENTION,
        "number",
        "Attention on the background: 0 = as good as the map's resolution allows, 1 = no better than a uniform map",
    ),
    "BA206": (
        "Background gap",
        RELIANCE,
        "points",
        "Accuracy lost on other classes' backgrounds, in percentage points; 0 where the background does not matter",
    ),
}
"""Rule code -> heading, measure, unit as in `summary.ClassColumn`, and a sentence that explains the measure."""


def slices_section(result: AuditResult) -> dict[str, Any]:
    """Values of the section: one table per column of the user, columns with a finding first.

    Returns:
        tables: list of {column, found, rows, judged}, at most MOST_COLUMNS; [] where the user gave no columns.
        measures: list of {title, about, unit, scale}, one per rule.
        total: number of columns in all.
        file: name of the table that holds all.

    Raises:
        ResultError: the slices table of the run is missing or damaged.
    """
    by_column: dict[str, list[dict[str, Any]]] = {}
    for row in records(result.slices):
        by_column.setdefault(str(row["column"]), []).append(row)
    # What a rule found comes first; otherwise the order of the user's table.
    tables = sorted((_table(result, *item) for item in by_column.items()), key=lambda table: not table["found"])
    measures = [
        {"title": title, "about": about, "unit": unit, "scale": _scale(by_column, measure)}
        for title, measure, unit, about in SHOWN.values()
    ]
    return {"tables": tables[:MOST_COLUMNS], "measures": measures, "total": len(by_column), "file": "slices.csv"}


def _table(result: AuditResult, column: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    judged = [item for item in result.outcomes if item.code in SHOWN and item.subject == column]
    worst = {item.code: str(item.evidence.get("value")) for item in judged if item.found}
    return {
        "column": column,
        "found": bool(worst),
        "rows": [
            {
                "value": row["value"],
                "n": row[ACCURACY.n] or 0,
                "cells": [
                    {**_cell(row, measure), "worst": worst.get(code) == row["value"]}
                    for code, (_, measure, _, _) in SHOWN.items()
                ],
            }
            for row in rows
        ],
        "judged": [
            {"code": item.code, "status": item.status, "level": item.level, "sentence": item.sentence}
            for item in judged
        ],
    }


def _cell(row: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    low, high = row[f"{measure.prefix}_low"], row[f"{measure.prefix}_high"]
    reason = str(row[measure.reason] or "not computed")
    shown = estimate(row[measure.mean], low, high, reason)
    n = row[measure.n] or 0
    return {**shown, "n": n, "untested": reason if shown["value"] is not None and reason != OK else ""}


def _scale(by_column: Mapping[str, list[dict[str, Any]]], measure: Measure) -> list[float]:
    """Axis on which all slices of a measure are drawn, as `cells.axis` gives it."""
    names = (measure.mean, f"{measure.prefix}_low", f"{measure.prefix}_high")
    return axis(row[name] for rows in by_column.values() for row in rows for name in names)
