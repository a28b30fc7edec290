"""The section of the report on whole-photo properties that were exchanged between photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bias_audit.report.cells import axis, estimate, records

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Page

MOST_ROWS = 40
"""Largest number of rows shown; whole_photo.csv holds all."""

ABOUT = {
    "colour": "tint and greyness",
    "brightness": "exposure",
    "sharpness": "blur, sharpening, noise",
    "border": "the outer ring: frame, vignette, caption, corner",
}


def section(properties: pd.DataFrame, page: Page) -> dict[str, Any] | None:
    """Values of the section: a row per property and class, those with a finding first, then by pull.

    Args:
        properties: the table `whole_photo`.
        page: the run, and the pictures of its page.

    Returns:
        None where nothing was exchanged, else a dictionary with
        rows: list of {property, about, name, level, attract, same, other}, level None where nothing was found.
        scale: common axis of the pulls.
        total: number of rows in all.
        file: name of the table that holds all.
    """
    if properties.empty:
        return None
    found = {item.subject: item for item in page.result.outcomes if item.code == "BA301" and item.found}
    rows = []
    for row in records(properties):
        item = found.get(str(row["class_name"]))
        here = item is not None and row["property"] in str(item.evidence.get("properties") or "").split(", ")
        rows.append(
            {
                "property": row["property"],
                "about": ABOUT.get(str(row["property"]), ""),
                "name": row["class_name"],
                "level": item.level if item is not None and here else None,
                "attract": estimate(row["attract"], row["attract_low"], row["attract_high"], str(row["reason"])),
                "same": estimate(row["same_accuracy"], row["same_low"], row["same_high"], str(row["reason"])),
                "other": estimate(row["other_accuracy"], row["other_low"], row["other_high"], str(row["reason"])),
            }
        )
    rows.sort(key=lambda row: (row["level"] is None, -(row["attract"]["value"] or 0)))
    scale = axis(row["attract"][end] for row in rows for end in ("value", "low", "high"))
    return {"rows": rows[:MOST_ROWS], "scale": scale, "total": len(rows), "file": page.result.file_of("whole_photo")}
