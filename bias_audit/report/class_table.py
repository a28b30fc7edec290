"""Section with the table of the classes: flagged ones first, a few columns at first, all of them on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.levels import class_levels
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reliance import screened
from bias_audit.report.cells import axis, estimate
from bias_audit.report.class_columns import ClassColumn, shown
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import OK, SCREENED

MOST_CLASSES = 1000
"""Most classes that are all listed."""

WORST_CLASSES = 200
"""Classes that are listed where there are more than MOST_CLASSES; a table of thousands helps nobody."""


def class_table(
    result: AuditResult, class_rows: Mapping[str, Mapping[str, Any]], found: Sequence[RuleOutcome]
) -> dict[str, Any]:
    """The class table of the page.

    Args:
        result: a finished run.
        class_rows: class name -> row of the class table.
        found: the run's findings, worst first.

    Returns:
        columns: list of {title, about, unit, core, of_maps, scale, interval}; core = shown at once.
        rows: list of {name, level, n, n_read, cells}, of all classes or of the WORST_CLASSES.
        total, file: number of classes in all, and the table that holds them.
        flagged: number of classes with a finding.
        estimated, with_mask: images with an estimated mask, and with any.
    """
    levels = class_levels(found)
    order = {name: place for place, name in enumerate(levels)}
    # Flagged classes first, the worst of them at the head, then in the order of the model's outputs.
    names = sorted(class_rows, key=lambda name: order.get(name, len(order)))
    if len(names) > MOST_CLASSES:
        names = names[:WORST_CLASSES]
    given = shown(class_rows.values())
    rows: list[dict[str, Any]] = []
    for name in names:
        row = class_rows[name]
        cells = []
        for column in given:
            low, high = (row[column.low], row[column.high]) if column.low else (None, None)
            cells.append(estimate(row[column.value], low, high, _reason(row, column)))
        rows.append(
            {"name": name, "level": levels.get(name), "n": row["n"] or 0, "n_read": row["n_read"] or 0, "cells": cells}
        )
    columns: list[dict[str, Any]] = []
    for index, column in enumerate(given):
        described = {
            "title": column.title,
            "about": column.about,
            "unit": column.unit,
            "core": column.core,
            "of_maps": column.reason == "attention_reason",
        }
        scale = axis(row["cells"][index][end] for row in rows for end in ("value", "low", "high"))
        columns.append({**described, "scale": scale, "interval": bool(column.low)})
    counts = result.info.counts
    masks = {"estimated": counts.get("estimated_masks", 0), "with_mask": counts.get("with_mask", 0)}
    flagged = sum(name in class_rows for name in levels)
    total = {"total": len(class_rows), "flagged": flagged, "file": "classes.csv"}
    return {"columns": columns, "rows": rows, **total, **masks}


def _reason(row: Mapping[str, Any], column: ClassColumn) -> str:
    """Why the cell has no number; never empty."""
    said = str(row[column.reason] or "") if column.reason else ""
    if said and said != OK:
        return said
    if column.reason == "reliance_reason" and screened(row):
        return SCREENED
    if not row["n_read"]:
        return "no readable images"
    return "no composites to judge it by" if column.reason == "reliance_reason" else "not computed"
