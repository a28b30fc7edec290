"""Chooses which of the stored pictures the page shows: the most suspicious first, within a budget of bytes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.checks.outcomes import RuleOutcome, number
from bias_audit.run.statuses import NO_MASK, OK

if TYPE_CHECKING:
    import pandas as pd

PICTURE_BUDGET = 7_000_000
"""Most bytes of a page's pictures, as base64 and with the markup around them; the whole page stays below 8 MB."""

COMPOSITE_SHARE = 0.4
"""Part of the budget that composites may take: with a hundred flagged classes the photos still need room."""

EMPTIED_SHARE = 0.1
"""Part of the budget that emptied donors may take, within that of the composites."""

CARD_BYTES, ENTRY_BYTES, TILE_BYTES, CORNER_BYTES = 2500, 800, 600, 12
"""Estimated bytes of a card, an entry of the image browser, the markup of a composite, and a corner of an outline.

In the end the page checks its real size.
"""

MOST_CARDS = 24
"""Most images of the list that is printed, and read without scripts."""

MOST_COMPOSED = 3
"""Most photos per class whose composites are shown with a finding."""

MOST_CORNERS = 4000
"""Most corners of a mask outline that are drawn."""

ARMS = ("same", "other", "background_only", "foreground_only")
"""Experiments of which a photo's composites are shown, in this order."""

WITHOUT_OBJECT = "background_only"
"""The one of them whose pictures hold no object: no prediction about them is right or wrong."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def arrange_pictures(
    images: pd.DataFrame, found: Sequence[RuleOutcome], flagged: Sequence[str], pictures: Mapping[str, Any], budget: int
) -> dict[str, Any]:
    """Choose, order and describe the pictures of a page.

    Args:
        images: the images table.
        found: outcomes with status found, worst first.
        flagged: classes with a finding, worst first.
        pictures: content of pictures.json, see `summary.summarise`.
        budget: bytes that the pictures may take, with the markup around them.

    Returns:
        pictures: list of {key, jpeg, width, height, grid}; key is a CSS class name.
        composites: class name -> list of {image_id, tiles, original}, recognised about as often as all composites of
            the class; original is the photo's entry in `places`, None without. Of a tile `kept` says whether the class
            is still predicted, and `right` whether that is right, None where there is no object in the picture.
        emptied: class name -> list of {image_id, probability, key} of donors without their object.
        gallery: list of {subject, images} of the first MOST_CARDS images; subject None for the images of classes
            without a finding.
        places: image_id -> entry of each image that is shown.
        shown, stored: how many images have a picture in the page, and in the run.
    """
    stored = {str(name): value for name, value in _mapping(pictures.get("images")).items()}
    table = images.loc[images.index.isin(list(stored))]
    table = table[~table.index.duplicated()]  # a table may list a photo under two labels; it has one picture
    usable = [name for name in order_by_suspicion(table, found) if is_picture(stored[name])]
    kept: list[dict[str, Any]] = []
    left = budget
    composites: dict[str, list[dict[str, Any]]] = {}
    made = _mapping(pictures.get("composites"))
    # The audit keeps composites of a few classes even if nothing was found: they show what was tried.
    photos = {name: _composed(name, _rows(made.get(name))) for name in dict.fromkeys([*flagged, *made])}
    emptied: dict[str, list[dict[str, Any]]] = {}
    for subject, row in [(name, row) for name in photos for row in _emptied(pictures, name)]:
        cost = len(row["jpeg"]) + TILE_BYTES
        if budget - left + cost <= budget * EMPTIED_SHARE:
            left -= cost
            about = {"image_id": str(row["image_id"]), "probability": number(row["probability"])}
            emptied.setdefault(subject, []).append({**about, "key": keep_picture(kept, "e", row)})
    already = {picture["jpeg"]: picture["key"] for picture in kept}  # a photo shown with its composites may be emptied
    # Every class shows MOST_COMPOSED before one shows more, which only the image browser does.
    for subject, photo in [
        *((name, photo) for name, rows in photos.items() for photo in rows[:MOST_COMPOSED]),
        *((name, photo) for name, rows in photos.items() for photo in rows[MOST_COMPOSED:]),
    ]:
        cost = sum(len(row["jpeg"]) + TILE_BYTES for row in photo["rows"])
        if budget - left + cost > budget * COMPOSITE_SHARE:
            continue
        left -= cost
        tiles = [_tile(subject, row, already.get(row["jpeg"]) or keep_picture(kept, "c", row)) for row in photo["rows"]]
        composites.setdefault(subject, []).append({"image_id": photo["image_id"], "tiles": tiles})
    entries: dict[str, dict[str, Any]] = {}
    records = table.astype(object).where(table.notna(), None)
    for name in usable:
        corners = sum(len(contour) for contour in _outline(stored[name]))
        cost = len(stored[name]["jpeg"]) + CORNER_BYTES * corners + ENTRY_BYTES
        # Stop at the first picture that does not fit: a smaller, less suspicious one must not overtake it.
        if cost > left:
            break
        left -= cost
        entries[name] = _entry(name, records.loc[name], stored[name], keep_picture(kept, "i", stored[name]))
    for composed in composites.values():
        for photo in composed:
            photo["original"] = entries.get(photo["image_id"])
    return {
        "pictures": kept,
        "composites": composites,
        "emptied": emptied,
        "gallery": _sections(list(entries.values())[:MOST_CARDS], flagged),
        "places": entries,
        "shown": len(entries),
        "stored": len(usable),
    }


def order_by_suspicion(images: pd.DataFrame, found: Sequence[RuleOutcome]) -> list[str]:
    """Image ids by suspicion: images that rest on the background, then images of findings, then by background excess.

    Args:
        images: rows of the images table.
        found: outcomes with status found, worst first; the order of their image_ids counts.
    """
    named: dict[str, int] = {}
    for outcome in found:
        for image_id in outcome.image_ids:
            named.setdefault(image_id, len(named))
    rests = images["rests_on_background"].fillna(False).astype(bool)
    excess = images["background_excess"].astype(float).fillna(float("-inf"))
    rows = zip(images.index, rests, excess, strict=True)
    ordered = sorted(rows, key=lambda row: (not row[1], named.get(row[0], len(named)), -row[2]))
    return list(dict.fromkeys(str(row[0]) for row in ordered))


def _sections(entries: Iterable[dict[str, Any]], flagged: Sequence[str]) -> list[dict[str, Any]]:
    """Entries as one section per flagged class, and one for the images of all other classes."""
    groups: dict[str | None, list[dict[str, Any]]] = {subject: [] for subject in flagged}
    groups[None] = []
    for entry in entries:
        groups[entry["label"] if entry["label"] in groups else None].append(entry)
    return [{"subject": subject, "images": group} for subject, group in groups.items() if group]


def _entry(name: str, row: Any, picture: Mapping[str, Any], key: str) -> dict[str, Any]:
    excess, why = row["background_excess"], row["attention_status"] or row["mask_status"] or "not computed"
    return {
        "image_id": name,
        "key": key,
        "content": row.get("content") or name,
        "width": picture["width"],
        "height": picture["height"],
        "has_map": bool(_grid(picture)),
        "heat_class": picture.get("heat_class") or row["predicted"] or "",
        "outline": _outline(picture),
        "mask_kind": picture.get("mask_kind"),
        "mask_reason": "" if _outline(picture) else (row["mask_status"] or "no mask"),
        "label": row["label"] or "",
        "predicted": row["predicted"] or "",
        "correct": None if row["correct"] is None else bool(row["correct"]),
        "probability": row["probability"],
        "excess": excess,
        "excess_reason": "" if excess is not None else NO_MASK if why == OK else str(why),
        "status": row["status"] or "ok",
        "rests_on_background": bool(row["rests_on_background"]),
        "outlier": row["excess_robust_z"],
        "other_background_accuracy": row["other_background_accuracy"],
        "becomes": row["other_background_predicted"] or "",
        "intervention_status": row["intervention_status"] or "",
    }


def illustration(subject: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The composites of a class that a finding shows, what they count up to, and its emptied donors.

    Args:
        subject: name of the class.
        chosen: result of `arrange_pictures`.
    """
    composites = chosen["composites"].get(subject, [])[:MOST_COMPOSED]
    return {
        "composites": composites,
        "counted": counted(subject, composites),
        "emptied": chosen["emptied"].get(subject, []),
    }


def counted(subject: str, photos: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How often a class is recognised in each experiment, among the examples that are shown and among all.

    Args:
        subject: name of the class.
        photos: photos of the class that are shown, from `composites` of `arrange_pictures`.

    Returns:
        list of {text, shown, of, recognised, total}: `shown` of `of` examples and `recognised` of `total` composites
        are recognised as the class; recognised and total are None in a run of an older version.
    """
    texts = {
        "same": f"on backgrounds of other {subject} photos",
        "other": "on backgrounds of other classes",
        "background_only": "with the object removed",
        "foreground_only": "with the background removed",
    }
    rows = []
    for arm, text in texts.items():
        if tiles := [tile for photo in photos for tile in photo["tiles"] if tile["arm"] == arm]:
            shown = sum(tile["kept"] for tile in tiles)
            recognised, total = tiles[0]["recognised"], tiles[0]["total"]
            rows.append({"text": text, "shown": shown, "of": len(tiles), "recognised": recognised, "total": total})
    return rows


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value, or nothing where a damaged pictures.json has something else in its place."""
    return value if isinstance(value, Mapping) else {}


def _rows(value: Any) -> list[Mapping[str, Any]]:
    """The composites of a class; damaged ones are left out."""
    needed = {"image_id", "arm", "predicted"}
    return [row for row in value if needed <= set(_mapping(row))] if isinstance(value, list) else []


def _emptied(pictures: Mapping[str, Any], subject: str) -> list[Mapping[str, Any]]:
    """The emptied donors of a class, at most MOST_COMPOSED; damaged ones are left out."""
    rows = _mapping(pictures.get("emptied")).get(subject)
    rows = [row for row in rows if {"image_id", "probability"} <= set(_mapping(row))] if isinstance(rows, list) else []
    return [row for row in rows if is_picture(row)][:MOST_COMPOSED]


def _composed(subject: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Photos of a class with their composites, at most one per arm of the experiment.

    The run has them in an order that keeps the proportion of recognised composites (`examples.in_proportion`). This
    order changes only among the MOST_COMPOSED photos that are shown together: there, photos that another background
    turns come first.
    """
    photos: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("arm") in ARMS and is_picture(row):
            photos.setdefault(str(row["image_id"]), {}).setdefault(str(row["arm"]), row)

    def lost(arms: Mapping[str, Mapping[str, Any]]) -> bool:
        return "same" in arms and "other" in arms and arms["same"]["predicted"] == subject != arms["other"]["predicted"]

    names = list(photos)
    ordered: list[str] = []
    for start in range(0, len(names), MOST_COMPOSED):
        ordered += sorted(names[start : start + MOST_COMPOSED], key=lambda name: not lost(photos[name]))
    return [{"image_id": name, "rows": [photos[name][arm] for arm in ARMS if arm in photos[name]]} for name in ordered]


def _tile(subject: str, row: Mapping[str, Any], key: str) -> dict[str, Any]:
    donor = str(row.get("donor_label") or "another class")
    text = {
        "same": f"on a real scene of {subject}"
        if row.get("scene")
        else f"on the background of another {subject} photo",
        "other": f"on a real scene of {donor}" if row.get("scene") else f"on the background of a {donor} photo",
        "background_only": "with the object removed",
        "foreground_only": "with the background removed",
    }[row["arm"]]
    predicted = str(row["predicted"])
    return {
        "key": key,
        "arm": row["arm"],
        "text": text,
        "donor_id": str(row.get("donor_id") or ""),
        "predicted": predicted,
        "probability": row.get("probability"),
        "kept": predicted == subject,
        "right": None if row["arm"] == WITHOUT_OBJECT else predicted == subject,
        "recognised": row.get("arm_recognised"),
        "total": row.get("arm_total"),
    }


def keep_picture(kept: list[dict[str, Any]], prefix: str, picture: Mapping[str, Any]) -> str:
    """Add a picture to the list `kept` of those that the page holds; returns its key, which begins with `prefix`."""
    key = f"{prefix}{len(kept)}"
    kept.append({"key": key, "grid": _grid(picture), **{name: picture[name] for name in ("jpeg", "width", "height")}})
    return key


def is_picture(picture: Mapping[str, Any]) -> bool:
    """Whether a stored picture has valid base64 and sizes, since both go into a style sheet unescaped."""
    jpeg, sides = picture.get("jpeg"), (picture.get("width"), picture.get("height"))
    sized = all(type(side) is int and 0 < side < 100_000 for side in sides)
    return sized and isinstance(jpeg, str) and _BASE64.fullmatch(jpeg) is not None


def _grid(picture: Mapping[str, Any]) -> list[list[float]]:
    """Heatmap of a stored picture as rows of values, [] where there is none or where it is damaged."""
    with contextlib.suppress(TypeError, ValueError):
        return [[float(value) for value in row] for row in picture.get("grid") or []]
    return []


def _outline(picture: Mapping[str, Any]) -> list[list[list[float]]]:
    """Contours of a stored mask as lists of corners, in thumbnail pixels, with at most MOST_CORNERS corners in all."""
    contours, corners = [], 0
    for contour in picture.get("outline") or []:
        with contextlib.suppress(TypeError, ValueError):  # as in `_grid`: what is damaged costs itself, not the page
            corners += len(contour)
            if len(contour) >= 3 and corners <= MOST_CORNERS:
                contours.append([[float(x), float(y)] for x, y in contour])
    return contours
