"""The section of the report on regions that reviewers drew and had tested, with pictures of each test."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from bias_audit.checks.outcomes import number
from bias_audit.report.cells import estimate, records
from bias_audit.report.gallery import TILE_BYTES, is_picture, keep_picture
from bias_audit.run.result import AuditResult

HYPOTHESES_SHARE = 0.15
"""Part of the page's picture budget that the pictures of this section may take, 0..1."""

MOST_SHOWN = 40
"""Largest number of regions in the page; hypotheses.csv holds all."""

FIRST_KEY = "h"

TEXTS = {
    "photo": "the photo",
    "inpaint": "without the region",
    "blur_noise": "without it, filled another way",
    "as it is": "another photo",
    "pasted": "with the region",
    "control": "with a piece of another photo of its class",
}
"""Arm (kind of picture) of a test -> its caption."""


def regions_section(result: AuditResult, pictures: Mapping[str, Any], budget: int) -> dict[str, Any]:
    """Values of the section: the tested regions, the latest first.

    Args:
        result: a finished run.
        pictures: content of pictures.json; "hypotheses" by hypothesis_id.
        budget: bytes that all pictures of the page may take together.

    Returns:
        regions: list of {id, name, class_name, image_id, level, sentence, effect, ..., shots}.
        pictures: list of {key, jpeg, width, height, grid}, as of `gallery.arrange_pictures`.
        bytes: bytes of the budget that these pictures take.
        total: number of regions in all.
        file: name of the table that holds all.

    Raises:
        ResultError: the table of the run is damaged.
    """
    judged = {outcome.subject: outcome for outcome in result.outcomes if outcome.code == "BA303"}
    stored = pictures.get("hypotheses") or {}
    rows = records(result.hypotheses.reset_index())[::-1] if judged else []
    kept: list[dict[str, Any]] = []
    used = 0
    regions = []
    for row in rows[:MOST_SHOWN]:
        shots: list[dict[str, Any]] = []
        for picture in stored.get(row["hypothesis_id"]) or []:
            cost = len(str(picture.get("jpeg"))) + 3 * len(escape(str(picture.get("host")))) + TILE_BYTES
            if not is_picture(picture) or used + cost > budget * HYPOTHESES_SHARE:
                continue
            used += cost
            shots.append(
                {
                    "key": keep_picture(kept, FIRST_KEY, picture),
                    "text": TEXTS.get(str(picture.get("arm")), str(picture.get("arm"))),
                    "host": str(picture.get("host") or ""),
                    "probability": number(picture.get("probability")),
                    "outline": [],
                }
            )
        outcome = judged.get(row["hypothesis_id"])
        regions.append(
            {
                "id": row["hypothesis_id"],
                "name": row["name"],
                "class_name": row["class_name"],
                "image_id": row["image_id"],
                "reviewer": row["reviewer"] or "",
                "time": row["time"] or "",
                "level": outcome.level if outcome is not None and outcome.found else None,
                "sentence": outcome.sentence if outcome is not None else "This rule is ignored in this run.",
                "effect": estimate(row["paste_effect"], row["paste_low"], row["paste_high"]),
                "n": row["n_hosts"],
                "p_value": row["p_fdr"],
                "turned": row["turned"],
                "turned_control": row["turned_control"],
                "shots": shots,
            }
        )
    return {"regions": regions, "pictures": kept, "bytes": used, "total": len(rows), "file": "hypotheses.csv"}
