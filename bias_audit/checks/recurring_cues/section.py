"""Section "What the network keeps looking at": recurring cues with their contact sheets and their proofs."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from bias_audit.report.cells import estimate, records
from bias_audit.report.cue_titles import cue_titles
from bias_audit.report.gallery import TILE_BYTES, is_picture, keep_picture
from bias_audit.run.result import AuditResult

CUES_SHARE = 0.3
"""Part of the page's picture budget that contact sheets may take, 0..1."""

MOST_SHOWN = 16
"""Largest number of cues in the page; cues.csv holds all."""

ARMS = {"original": "the photo", "inpaint": "without the spot", "pasted": "the spot pasted onto another image"}
"""Arm (kind of picture) of a proof -> its caption, in the order in which they are shown."""

FIRST_KEY = "k"


def cues_section(result: AuditResult, pictures: Mapping[str, Any], budget: int) -> dict[str, Any]:
    """Values of the section: the strongest cues, those with a finding first.

    Args:
        result: a finished run.
        pictures: content of pictures.json; "cues" by cue_id.
        budget: bytes that all pictures of the page may take together.

    Returns:
        cues: list of {id, title, level, status, class_name, ..., counted, crops, shots, rows}, at most MOST_SHOWN;
            rows are the shots of a photo each: the photo, without the spot, and the spot pasted elsewhere.
        pictures: list of {key, jpeg, width, height, grid}, as of `gallery.arrange_pictures`.
        bytes: bytes of the budget that these pictures take.
        total: number of cues in all.
        reason: why there are no cues; "" where there are.
        file: name of the table that holds all.

    Raises:
        ResultError: the table of the run is missing or damaged.
    """
    judged = [outcome for outcome in result.outcomes if outcome.code == "BA302"]
    levels = {outcome.subject: outcome.level for outcome in judged if outcome.found}
    stored = pictures.get("cues") or {}
    titles = cue_titles(result)
    rows = sorted(records(result.cues.reset_index()), key=lambda row: row["cue_id"] not in levels)
    kept: list[dict[str, Any]] = []
    used = 0
    shown = []
    for row in rows[:MOST_SHOWN]:
        sheet = stored.get(row["cue_id"]) or {}
        hidden = _without_effect(row)
        tiles: dict[str, list[dict[str, Any]]] = {"crops": [], "shots": []}
        for kind, found in tiles.items():
            for picture in _ordered(sheet.get(kind) or []):
                if not is_picture(picture) or picture.get("arm") in hidden:
                    continue
                cost = len(picture["jpeg"]) + 3 * len(escape(str(picture["image_id"]))) + TILE_BYTES
                if used + cost > budget * CUES_SHARE:
                    break
                used += cost
                found.append(
                    {
                        "key": keep_picture(kept, FIRST_KEY, picture),
                        "image_id": str(picture["image_id"]),
                        "host_id": picture.get("host_id"),
                        "text": ARMS.get(str(picture.get("arm")), ""),
                        "probability": picture.get("probability"),
                        "pasted": picture.get("arm") == "pasted",
                        "turned": picture.get("turned"),
                        "outline": [],
                    }
                )
        counted = _counted(row, tiles["shots"], sheet.get("hosts"))
        known = {"title": titles[str(row["cue_id"])], "level": levels.get(row["cue_id"]), "counted": counted}
        shown.append({**_described(row), **known, **tiles, "rows": _by_photo(tiles["shots"])})
    reason = next((outcome.sentence for outcome in judged if not (outcome.judged or outcome.ignored)), "")
    return {
        "cues": shown,
        "pictures": kept,
        "bytes": used,
        "total": len(rows),
        "reason": "" if rows else reason,
        "file": result.file_of("cues"),
    }


def _without_effect(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Arms whose effect rounds to nothing; their pictures are not shown, since they would suggest an effect."""
    effect = row["erase_effect"]
    return ("inpaint",) if effect is not None and abs(effect) < 0.005 else ()


def _counted(row: Mapping[str, Any], shots: list[dict[str, Any]], hosts: Any) -> dict[str, int] | None:
    """Numbers of images that pasting turned into the class: among the pictures shown, and in all; None if unknown."""
    pasted = [shot for shot in shots if shot["pasted"] and shot["turned"] is not None]
    if not pasted or not hosts or row["turned"] is None:
        return None
    turned = sum(bool(shot["turned"]) for shot in pasted)
    return {"shown": turned, "of": len(pasted), "turned": round(row["turned"] * hosts), "total": hosts}


def _by_photo(shots: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for shot in shots:
        rows.setdefault(shot["image_id"], []).append(shot)
    return list(rows.values())


def _ordered(pictures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pictures of a proof by photo and arm; where a spot was pasted onto several images, only the first of them."""
    arms = list(ARMS)
    chosen: dict[tuple[str, str], dict[str, Any]] = {}
    for place, picture in enumerate(pictures):
        arm = str(picture.get("arm", place))
        chosen.setdefault((str(picture.get("image_id")) if arm in ARMS else "", arm), picture)
    photos = list(dict.fromkeys(name for name, _ in chosen))
    return [
        picture
        for _, picture in sorted(
            chosen.items(),
            key=lambda item: (photos.index(item[0][0]), arms.index(item[0][1]) if item[0][1] in arms else 0),
        )
    ]


def _described(row: Mapping[str, Any]) -> dict[str, Any]:
    effects = [
        {"name": name, **estimate(row[f"{key}_effect"], row[f"{key}_low"], row[f"{key}_high"])}
        for name, key in (("erased: fall beyond a control", "erase"), ("pasted: rise beyond a control", "paste"))
        if row[f"{key}_effect"] is not None
    ]
    estimated = (row["object_estimated"] or 0) > 0
    return {
        "id": row["cue_id"],
        "name": row["name"] or "",
        "judgement": row["judgement"] or "",
        "class_name": row["class_name"],
        "views": row["views"],
        "n": row["n"],
        "classes": row["classes"],
        "share": estimate(row["class_share"], row["class_share_low"], row["class_share_high"]),
        "lift": row["lift"],
        "odds": estimate(row["odds_ratio"], row["odds_ratio_low"], row["odds_ratio_high"]),
        "v": row["cramers_v_label"],
        "purity": row["purity"],
        "attention": row["attention_share"],
        "on_object": row["object_share"],
        "object_word": "the object (estimated)" if estimated else "the object",
        "status": row["proof_status"],
        "effects": effects,
        "turned": row["turned"],
        "turned_control": row["turned_control"],
        "n_proof": row["n_proof"],
    }
