"""The section of the report on strangers: pictures that belong to none of the model's classes."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from bias_audit.checks.strangers.encounters import encounters
from bias_audit.report.cells import records
from bias_audit.report.gallery import CARD_BYTES, is_picture, keep_picture
from bias_audit.run.result import AuditResult

STRANGERS_SHARE = 0.15
"""Part of the page's picture budget that strangers may take, 0..1."""

MOST_GROUPS = 60
"""Largest number of kinds that are shown; strangers.csv holds all."""

FIRST_KEY = "s"


def strangers_section(result: AuditResult, pictures: Mapping[str, Any], budget: int) -> dict[str, Any]:
    """Values of the section: one group per kind of stranger.

    Args:
        result: a finished run.
        pictures: content of pictures.json; "strangers" by image_id.
        budget: bytes that all pictures of the page may take together.

    Returns:
        groups: list of {name, sentence, n, images}, images those that the model is surest of; [] without strangers.
        pictures: list of {key, jpeg, width, height, grid}, as of `gallery.arrange_pictures`.
        bytes: bytes of the budget that these pictures take.
        total: number of kinds in all.
        file: name of the table that holds all.

    Raises:
        ResultError: the strangers table of the run is missing or damaged.
    """
    nothing: dict[str, Any] = {"groups": [], "pictures": [], "bytes": 0, "total": 0, "file": "strangers.csv"}
    if not result.info.counts.get("strangers"):
        return nothing
    stored = {str(name): value for name, value in (pictures.get("strangers") or {}).items() if is_picture(value)}
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in records(result.strangers.reset_index()):
        if row["image_id"] in stored:
            rows.setdefault(str(row["group"]), []).append(row)
    kept: list[dict[str, Any]] = []
    used = 0
    groups = []
    met = encounters(result.strangers, result.images)
    for one in met[:MOST_GROUPS]:
        images = []
        for row in sorted(rows.get(one.group, []), key=lambda row: -row["log_odds"]):
            picture = stored[row["image_id"]]
            cost = len(picture["jpeg"]) + 3 * len(escape(row["image_id"])) + CARD_BYTES
            if used + cost > budget * STRANGERS_SHARE:
                break
            used += cost
            images.append(_card(row, picture, keep_picture(kept, FIRST_KEY, picture)))
        groups.append({"name": one.group, "sentence": one.sentence, "n": one.n, "images": images})
    return {**nothing, "groups": groups, "pictures": kept, "bytes": used, "total": len(met)}


def _card(row: Mapping[str, Any], picture: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {
        "key": key,
        "image_id": row["image_id"],
        "has_map": bool(picture.get("grid")),
        "predicted": row["predicted"],
        "heat_class": picture.get("heat_class") or row["predicted"],
        "probability": row["probability"],
        "second": row["second"],
        "second_probability": row["second_probability"],
        "outline": [],
    }
