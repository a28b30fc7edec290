"""Packs every audited image into compact columns, which the page decodes when its image browser is first opened.

Numbers are base64 of little-endian arrays (a score takes 2 bytes per image, a category 1 or 2), file names are
front-coded: 50,000 images take about 2 to 3 MB.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bias_audit.checks.outcomes import LEVELS, RuleOutcome
from bias_audit.report.gallery import order_by_suspicion
from bias_audit.run.quantities import Unit
from bias_audit.run.result import AuditResult
from bias_audit.run.tables import user_columns

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SCORES: dict[str, tuple[str, Unit]] = {
    "background_excess": ("Background excess", "number"),
    "background_gap": ("Background gap", "points"),
    "swap_log_odds": ("Log-odds lost on other backgrounds", "number"),
    "probability": ("Probability of the prediction", "share"),
    "probability_label": ("Probability of the label", "share"),
    "same_background_accuracy": ("Right on same-class backgrounds", "share"),
    "other_background_accuracy": ("Right on other-class backgrounds", "share"),
    "background_only_probability": ("Probability of the label without the object", "share"),
    "foreground_only_probability": ("Probability of the label without the background", "share"),
    "shapley_background_share": ("Background's share of the evidence (Shapley)", "number"),
    "cue_removal_effect": ("Effect of erasing the cue", "points"),
    "background_share": ("Attention on the background", "share"),
    "foreground_area": ("Area of the object", "share"),
    "excess_robust_z": ("Background excess against its class (robust z)", "number"),
    "swap_robust_z": ("Log-odds lost against its class (robust z)", "number"),
}
"""Columns of the images table by which the browser can sort, with their titles and units, the most telling first."""

CATEGORIES = (
    "label",
    "predicted",
    "other_background_predicted",
    "rests_on_background",
    "status",
    "mask_status",
    "attention_status",
    "intervention_status",
)

TILE = ("key", "text", "predicted", "kept", "right", "probability")
"""What the browser is told of a composite, see `gallery.arrange_pictures`."""

MOST_LISTED = 60_000
"""Most images of a page, the most suspicious: with all scores they take 5 of the 8 MB that a page may have."""

MOST_COLUMNS = 12
"""Most user columns by which images can be filtered, each with at most MOST_VALUES values."""

MOST_VALUES = 200
STEPS = 65_000
FINEST = 0.005
"""A score whose 16-bit steps would be coarser than this is stored as 32-bit floats."""

MISSING = -32_768

_CONTENT = re.compile(r"[0-9a-f]{16}")


def browser_section(result: AuditResult, found: Sequence[RuleOutcome]) -> dict[str, Any]:
    """The images table, or its MOST_LISTED most suspicious images, in the form that the page's image browser reads.

    Args:
        result: a finished run.
        found: the run's findings, worst first.

    Returns:
        n, ids: number of images, and their names.
        left_out: number of images that are not listed.
        hashes: base64 of 8 bytes per image, zeros where the content hash is unknown.
        order: packed positions, the most suspicious image first (see `pack_numbers`).
        categories, columns: name -> packed column of the schema's categories, and of the user's columns
            (`pack_category`).
        scores: list of {name, title, unit, ...} with the fields of `pack_score`.
        findings: list of {code, title, subject, level, place, rows}. level is a position in `levels`, place counts the
            findings of the page from 1, rows are the positions of images in increasing order, each as its difference to
            the one before.
        levels: names of the levels, the mildest first.
        bytes: size of all this in the page.
    """
    images, left_out = result.images, 0
    if len(images) > MOST_LISTED:
        listed = images.index.isin(order_by_suspicion(images, found)[:MOST_LISTED])
        images, left_out = images[listed], int((~listed).sum())
    ids = [str(name) for name in images.index]
    places = _places(ids)
    # A photo that is listed under two labels has two rows; the second one comes last.
    suspicious = [places[name] for name in order_by_suspicion(images, found)]
    section = {
        "n": len(ids),
        "ids": ids,
        "left_out": left_out,
        "hashes": _packed_content(images),
        "order": pack_numbers(list(dict.fromkeys([*suspicious, *range(len(ids))]))),
        "categories": {name: pack_category(images[name]) for name in CATEGORIES},
        "columns": _user_columns(images),
        "scores": [
            {"name": name, "title": title, "unit": unit, **pack_score(images[name])}
            for name, (title, unit) in SCORES.items()
            if images[name].notna().any()
        ],
        "findings": _findings(found, places),
        "levels": list(LEVELS),
    }
    return {**section, "bytes": len(json.dumps(packed(section)))}


def browser_pictures(ids: Sequence[str], chosen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Descriptions of the images that have a picture in the page.

    Args:
        ids: names of all images.
        chosen: dict of `gallery.arrange_pictures`.

    Returns:
        list of {row, key, width, height, has_map, heat_class, has_outline, mask_kind, mask_reason, tiles}; row is the
        image's position in `ids`.
    """
    places = _places(ids)
    tiles = {photo["image_id"]: photo["tiles"] for photos in chosen["composites"].values() for photo in photos}
    return [
        _picture(places[name], entry, tiles.get(name, [])) for name, entry in chosen["places"].items() if name in places
    ]


def packed(section: Mapping[str, Any]) -> dict[str, Any]:
    """The section with `ids` replaced by packed names, as the script of the page reads it."""
    return {**{key: value for key, value in section.items() if key != "ids"}, "names": packed_names(section["ids"])}


def packed_names(ids: Sequence[str]) -> dict[str, Any]:
    """Front-code names: `shared` says how many UTF-16 units a name shares with the one before, `rest` is what follows.

    A browser counts in UTF-16, so sharing ends before the first character that takes two units.
    """
    shared, rest, before = [], [], ""
    for name in ids:
        pairs = enumerate(zip(before, name, strict=False))
        length = next((i for i, (a, b) in pairs if a != b or a > "\uffff"), min(len(before), len(name)))
        shared.append(length)
        rest.append(name[length:])
        before = name
    return {"shared": pack_numbers(shared), "rest": rest}


def pack_numbers(values: Sequence[int]) -> dict[str, Any]:
    """Pack unsigned integers as {values, wide}: base64 of 16 bits each, or of 32 where one needs them (`wide`)."""
    wide = max(values, default=0) > 65_535
    return {"values": _base64(np.asarray(values, "<u4" if wide else "<u2")), "wide": wide}


def pack_category(column: pd.Series) -> dict[str, Any]:
    """Pack a column of texts as {values, codes, wide}; a missing cell counts as "".

    `codes` is base64 of 8 bits per image, or of 16 bits (`wide`) with more than 256 values. A column with fewer than
    two values has no codes, one with more than 65,536 has no values.
    """
    texts = column.astype(object).where(column.notna(), "").astype(str)
    values = list(dict.fromkeys(texts))
    codes = texts.map({value: code for code, value in enumerate(values)})
    wide = len(values) > 256
    if len(values) < 2:
        return {"values": values, "codes": "", "wide": False}
    if len(values) > 65_536:
        values, codes = [], texts.map(lambda _: 0)
    return {"values": values, "codes": _base64(codes.to_numpy("<u2" if wide else "u1")), "wide": wide}


def pack_score(column: pd.Series) -> dict[str, Any]:
    """Pack a column of numbers as {low, high, step, codes, rows}.

    Codes are 16-bit integers with value = low + step x (code + 32767), and MISSING for no value. The ends have codes of
    their own: of 65000 steps the first is exactly `low` and the last `high`, so that a rounded number never becomes
    none or all. step 0 means that the codes are 32-bit floats. Where more than two thirds of the images have no value,
    `rows` holds the packed positions of those that have one; else it is None.
    """
    values = column.to_numpy("float64", na_value=np.nan)
    values = np.where(np.isfinite(values), values, np.nan)
    rows: dict[str, Any] | None = None
    if np.isnan(values).mean() > 2 / 3:
        at = np.flatnonzero(~np.isnan(values))
        rows, values = pack_numbers(at.tolist()), values[at]
    low, high = (float(np.nanmin(values)), float(np.nanmax(values))) if np.isfinite(values).any() else (0.0, 0.0)
    step = (high - low) / STEPS or 1.0
    if step > FINEST:
        return {"low": 0.0, "high": 0.0, "step": 0, "codes": _base64(values.astype("<f4")), "rows": rows}
    steps = np.rint((values - low) / step)
    steps = np.where(values > low, np.maximum(steps, 1), steps)
    steps = np.where(values < high, np.minimum(steps, STEPS - 1), steps)
    codes = np.where(np.isnan(values), MISSING, np.nan_to_num(steps) - 32_767)
    return {"low": low, "high": high, "step": step, "codes": _base64(codes.astype("<i2")), "rows": rows}


def _places(ids: Sequence[str]) -> dict[str, int]:
    """Image name -> position of the first row with this name."""
    places: dict[str, int] = {}
    for position, name in enumerate(ids):
        places.setdefault(name, position)
    return places


def _packed_content(images: pd.DataFrame) -> str:
    known = (value if _CONTENT.fullmatch(value) else "0" * 16 for value in images["content"].fillna("").astype(str))
    return base64.b64encode(bytes.fromhex("".join(known))).decode()


def _user_columns(images: pd.DataFrame) -> dict[str, dict[str, Any]]:
    few = [name for name in user_columns(images) if 1 < images[name].nunique() <= MOST_VALUES]
    return {name: pack_category(images[name]) for name in few[:MOST_COLUMNS]}


def _findings(found: Sequence[RuleOutcome], places: Mapping[str, int]) -> list[dict[str, Any]]:
    listed = []
    for place, outcome in enumerate(found, 1):
        rows = sorted({places[name] for name in outcome.image_ids if name in places})
        if rows:
            differences = [after - before for before, after in zip([0, *rows], rows, strict=False)]
            what = {"code": outcome.code, "title": outcome.title, "subject": outcome.subject}
            level = LEVELS.index(outcome.level or LEVELS[0])
            listed.append({**what, "level": level, "place": place, "rows": differences})
    return listed


def _picture(row: int, entry: Mapping[str, Any], tiles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = ("key", "width", "height", "has_map", "heat_class", "mask_kind", "mask_reason")
    return {
        "row": row,
        **{name: entry[name] for name in names},
        "has_outline": bool(entry["outline"]),
        "tiles": [{name: tile[name] for name in TILE} for tile in tiles],
    }


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()
