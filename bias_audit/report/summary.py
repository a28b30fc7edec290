"""A finished run -> a plain dict of everything the page says, testable without HTML.

The dict holds strings, numbers, lists and None only. Numbers are not yet rounded or coloured: that is the page's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bias_audit.report.gallery import PICTURE_BUDGET, arrange_pictures
from bias_audit.result import LEVELS, AuditResult, RuleOutcome
from bias_audit.schema import TABLES

if TYPE_CHECKING:
    import pandas as pd

NO_FINDING, NOT_JUDGED = "NO FINDING", "NOT JUDGED"
"""What stands where a level would: the rules passed, or reliance on the background could not be tested at all."""

MATRIX_CLASSES = 30
"""Classes up to which the confusion matrix is drawn; beyond, only the largest confusions are listed."""

MOST_CONFUSIONS = 30
MOST_FINDINGS = 60
MOST_CLASSES = 1000
MOST_REASONS = 40
MOST_SUBJECTS = 30
MOST_NOT_AUDITED = 50


@dataclass(frozen=True)
class ClassColumn:
    """One column of the class table.

    Attributes:
        title, about: heading, and one sentence for those who do not know it.
        value, low, high: columns of `schema.CLASSES`; low and high "" without an interval.
        reason: the column that says why `value` is missing; "" where only missing images explain it.
        unit: "share" (0..1, printed in per cent), "points" (difference of shares) or "number".
    """

    title: str
    about: str
    value: str
    low: str
    high: str
    reason: str
    unit: str


CLASS_COLUMNS: tuple[ClassColumn, ...] = (
    ClassColumn(
        "Accuracy", "Recall on the photos as they are", "accuracy", "accuracy_low", "accuracy_high", "", "share"
    ),
    ClassColumn(
        "Same-class backgrounds",
        "Accuracy with the object pasted on backgrounds of its own class",
        "same_background_accuracy", "same_low", "same_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Other-class backgrounds",
        "Accuracy with the object pasted on backgrounds of other classes",
        "other_background_accuracy", "other_low", "other_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Background gap",
        "Same-class minus other-class backgrounds, in percentage points; 0 where the background does not matter",
        "background_gap", "gap_low", "gap_high", "reliance_reason", "points",
    ),
    ClassColumn(
        "Background only",
        "Still predicted with the object inpainted",
        "background_only_accuracy", "background_only_low", "background_only_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Object only",
        "Foreground only: still predicted for the object on black",
        "foreground_only_accuracy", "foreground_only_low", "foreground_only_high", "reliance_reason", "share",
    ),
    ClassColumn(
        "Attract",
        "How far this class's backgrounds pull objects of other classes to it, in percentage points",
        "attract", "", "", "reliance_reason", "points",
    ),
    ClassColumn(
        "Background excess",
        "Attention on the background: 0 = as good as the map's resolution allows, 1 = no better than a uniform map",
        "background_excess", "excess_low", "excess_high", "attention_reason", "number",
    ),
)  # fmt: skip

MEASURES: dict[str, tuple[str, str]] = {
    "BA101": ("Cliff's delta against the other classes", "number"),
    "BA102": ("share of the class's images", "share"),
    "BA201": ("background gap", "points"),
    "BA202": ("share of the photos tested", "share"),
    "BA901": ("share of all images", "share"),
    "BA902": ("median background excess", "number"),
    "BA903": ("accuracy", "share"),
}
"""Rule code -> what `measured` is, and its unit as in ClassColumn. A code that is not here is printed as a number."""

LADDER: tuple[tuple[str, str, str, str], ...] = (
    ("Photos as they are", "accuracy", "accuracy_low", "accuracy_high"),
    ("On same-class backgrounds", "same_background_accuracy", "same_low", "same_high"),
    ("On other-class backgrounds", "other_background_accuracy", "other_low", "other_high"),
    ("Background only", "background_only_accuracy", "background_only_low", "background_only_high"),
    ("Object only", "foreground_only_accuracy", "foreground_only_low", "foreground_only_high"),
)

STAGES: tuple[tuple[str, str], ...] = (
    ("status", "Reading the images"),
    ("mask_status", "Masks"),
    ("attention_status", "Attention scores"),
    ("intervention_status", "Interventions"),
)


def summarise(result: AuditResult, pictures: Mapping[str, Any], budget: int = PICTURE_BUDGET) -> dict[str, Any]:
    """Everything the page shows.

    Args:
        result: a finished run.
        pictures: content of pictures.json: "images" by image_id, "composites" by class name; {} without pictures.
        budget: bytes that pictures may take in the page, together with the markup around them.

    Raises:
        ResultError: a table of the run is missing or damaged.
    """
    info = result.info
    class_rows = {str(row["class_name"]): row for row in _records(result.classes.reset_index())}
    # A finding's class is "flagged"; the worst finding of a class decides its place.
    found = result.found()
    flagged = list(dict.fromkeys(item.subject for item in found if item.scope != "dataset" and item.subject))
    chosen = arrange_pictures(result.images, found, flagged, pictures, budget)
    findings, illustrated = [], set()
    for item in found[:MOST_FINDINGS]:
        first = item.scope == "class" and item.subject not in illustrated
        if first:
            illustrated.add(item.subject)
        findings.append(_finding(item, class_rows, chosen, illustrate=first))
    return {
        "name": info.name,
        "created": info.created,
        "version": info.version,
        "verdict": _verdict(result, found),
        "facts": _facts(result),
        "explained": _explained(result),
        "notes": list(info.notes),
        "findings": findings,
        "findings_total": len(found),
        "classes": _class_table(result, class_rows, found),
        "confusion": _confusion(result.confusion, info.class_names),
        "gallery": chosen["gallery"],
        "pictures": chosen["pictures"],
        "pictures_shown": chosen["shown"],
        "pictures_stored": chosen["stored"],
        "rules": _rules(result),
        "not_audited": _not_audited(result),
        "provenance": _provenance(result),
        "dictionary": _dictionary(),
    }


def _verdict(result: AuditResult, found: Sequence[RuleOutcome]) -> dict[str, Any]:
    worst = found[0].level if found else None
    tested = any(rule.code.startswith("BA2") and rule.judged for rule in result.rules)
    if worst is not None and worst != LEVELS[0]:
        level = worst
    elif not tested:
        # Silence is no acquittal: attention alone cannot clear a model either.
        level = NOT_JUDGED
    else:
        level = worst or NO_FINDING
    sentence = result.verdict
    if sentence.startswith(f"{level}: "):
        sentence = sentence[len(level) + 2 :]
        sentence = sentence[:1].upper() + sentence[1:]
    totals = {name: sum(getattr(rule, name) for rule in result.rules) for name in ("judged", "passed", "found", "not_judged")}
    return {"level": level, "sentence": sentence, **totals, "ignored": _count_status(result.outcomes, "ignored")}


def _facts(result: AuditResult) -> list[dict[str, Any]]:
    """Key numbers, most important first."""
    from bias_audit.stats import wilson

    info, images, classes = result.info, result.images, result.classes
    counts = info.counts
    read = images[images["status"] == "ok"]
    hits, n = int(read["correct"].sum()), len(read)
    low, high = wilson(hits, n)
    total = counts.get("images", len(images))
    facts = [
        _fact("Accuracy", hits / n if n else None, "share", low, high, f"{hits:,} of {n:,} images right", "no readable images"),
        {"label": "Images audited", "count": counts.get("read", n), "of": total, "note": _left_out(counts, total)},
    ]
    gaps = classes["background_gap"].dropna().astype(float)
    if len(gaps):
        name = gaps.idxmax()
        row = classes.loc[name]
        facts.append(
            _fact("Largest background gap", float(row["background_gap"]), "points", row["gap_low"], row["gap_high"],
                  f"class {name}, {int(row['n_interventions']):,} photos")
        )  # fmt: skip
    else:
        reason = classes["reliance_reason"].mode()
        facts.append(
            _fact("Largest background gap", None, "points", None, None, "", str(reason.iloc[0]) if len(reason) else "no classes")
        )
    eligible = counts.get("interventions_eligible", 0)
    facts.append(
        {"label": "Photos intervened on", "count": counts.get("interventions_done", 0), "of": eligible,
         "note": "of those with a usable mask" if eligible else "none has a usable mask"}
    )  # fmt: skip
    kinds = {"mask": "against masks", "box": "against boxes", "mixed": "against masks and boxes", "none": "no masks given"}
    facts.append(
        {"label": "Attention scored", "count": counts.get("attention_scored", 0), "of": counts.get("read", n),
         "note": kinds.get(info.mask_kind, info.mask_kind)}
    )  # fmt: skip
    return facts


def _left_out(counts: Mapping[str, int], total: int) -> str:
    parts = [f"{counts[name]:,} {name}" for name in ("unreadable", "skipped") if counts.get(name)]
    return ", ".join(parts) if parts else "all of them" if total else "no images"


def _fact(label: str, value: Any, unit: str, low: Any, high: Any, note: str, reason: str = "") -> dict[str, Any]:
    return {"label": label, "note": note, "unit": unit, **_estimate(value, low, high, reason)}


def _explained(result: AuditResult) -> list[dict[str, str]]:
    info = result.info
    height, width, channels = info.input_size
    rows = [
        ("Heatmaps", info.method),
        ("Layer", info.layer),
        ("Grid", f"{info.grid[0]} × {info.grid[1]}"),
        ("Model input", f"{height} × {width} × {channels}"),
        ("Output head", info.head),
    ]
    return [{"label": label, "text": text} for label, text in rows]


def _finding(
    outcome: RuleOutcome, class_rows: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Any], *, illustrate: bool
) -> dict[str, Any]:
    name, unit = MEASURES.get(outcome.code, ("measured", "number"))
    row = class_rows.get(outcome.subject)
    ladder = []
    if illustrate and row is not None and outcome.code.startswith("BA2"):
        ladder = [{"label": label, **_estimate(row[value], row[low], row[high])} for label, value, low, high in LADDER]
        ladder = [step for step in ladder if step["value"] is not None]
    places = chosen["places"]
    thumbnails = [places[image_id] for image_id in outcome.image_ids if image_id in places][:6]
    return {
        "code": outcome.code,
        "title": outcome.title,
        "scope": outcome.scope,
        "subject": outcome.subject,
        "level": outcome.level or LEVELS[0],
        "sentence": outcome.sentence,
        "measure": name,
        "unit": unit,
        "estimate": _estimate(outcome.measured, outcome.low, outcome.high),
        "threshold": _number(outcome.threshold),
        "n": outcome.n,
        "p_value": _number(outcome.p_value),
        "ladder": ladder,
        "composites": chosen["composites"].get(outcome.subject, []) if illustrate else [],
        "thumbnails": thumbnails,
        "images_total": len(outcome.image_ids),
    }


def _class_table(
    result: AuditResult, class_rows: Mapping[str, Mapping[str, Any]], found: Sequence[RuleOutcome]
) -> dict[str, Any]:
    levels: dict[str, str] = {}
    for item in found:
        if item.scope != "dataset":
            levels.setdefault(item.subject, item.level or LEVELS[0])
    order = {name: place for place, name in enumerate(levels)}
    # Flagged classes first, then in the order of the model's outputs: past the limit only the unflagged are cut.
    names = sorted(class_rows, key=lambda name: order.get(name, len(order)))
    rows = []
    for name in names[:MOST_CLASSES]:
        row = class_rows[name]
        cells = []
        for column in CLASS_COLUMNS:
            low, high = (row[column.low], row[column.high]) if column.low else (None, None)
            cells.append(_estimate(row[column.value], low, high, _reason(row, column)))
        rows.append({"name": name, "level": levels.get(name), "n": row["n"] or 0, "n_read": row["n_read"] or 0, "cells": cells})
    columns = []
    for index, column in enumerate(CLASS_COLUMNS):
        ends = [row["cells"][index][end] for row in rows for end in ("value", "low", "high")]
        known = [end for end in ends if end is not None]
        scale = [min(0.0, *known), max(1.0, *known)] if known else [0.0, 1.0]
        columns.append({"title": column.title, "about": column.about, "unit": column.unit, "scale": scale, "interval": bool(column.low)})
    return {"columns": columns, "rows": rows, "total": len(class_rows), "file": "classes.csv"}


def _reason(row: Mapping[str, Any], column: ClassColumn) -> str:
    """Why the cell has no number; never empty."""
    said = str(row[column.reason] or "") if column.reason else ""
    if said and said != "ok":
        return said
    if not row["n_read"]:
        return "no readable images"
    return "no composites to judge it by" if column.reason == "reliance_reason" else "not computed"


def _confusion(confusion: pd.DataFrame, class_names: Sequence[str]) -> dict[str, Any]:
    rows = [row for row in _records(confusion) if row["n"]]
    read: dict[str, int] = {}
    for row in rows:
        read[row["label"]] = read.get(row["label"], 0) + int(row["n"])
    wrong = sorted((row for row in rows if row["label"] != row["predicted"]), key=lambda row: -row["n"])
    if len(class_names) > MATRIX_CLASSES:
        return {"kind": "list", "largest": wrong[:MOST_CONFUSIONS], "total": len(wrong)}
    cells = {(row["label"], row["predicted"]): row for row in rows}
    matrix = []
    for label in class_names:
        line: list[dict[str, Any] | None] = []
        for predicted in class_names:
            cell = cells.get((label, predicted), {"n": 0, "share": 0.0})
            line.append({"n": int(cell["n"]), "share": _number(cell["share"]) or 0.0} if label in read else None)
        matrix.append({"label": label, "n": read.get(label, 0), "cells": line})
    return {"kind": "matrix", "names": list(class_names), "rows": matrix}


def _rules(result: AuditResult) -> list[dict[str, Any]]:
    rules = []
    for rule in result.rules:
        own = [outcome for outcome in result.outcomes if outcome.code == rule.code]
        rules.append(
            {
                **dataclasses.asdict(rule),
                "ignored": _count_status(own, "ignored"),
                "unjudged": _grouped(o for o in own if o.status in ("not applicable", "ignored")),
                "passes": _grouped(o for o in own if o.status == "passed"),
            }
        )
    return rules


def _grouped(outcomes: Iterable[RuleOutcome]) -> dict[str, Any]:
    """Subjects by sentence: a hundred classes without masks give one line, not a hundred."""
    subjects: dict[str, list[str]] = {}
    for outcome in outcomes:
        subjects.setdefault(outcome.sentence, []).append(outcome.subject or "the data set")
    groups = [
        {"sentence": sentence, "subjects": names[:MOST_SUBJECTS], "more": max(0, len(names) - MOST_SUBJECTS)}
        for sentence, names in subjects.items()
    ]
    return {"groups": groups[:MOST_REASONS], "more": max(0, len(groups) - MOST_REASONS)}


def _not_audited(result: AuditResult) -> dict[str, Any]:
    info, images = result.info, result.images
    stages = []
    for key, title in STAGES:
        counts = {str(status) or "not reached": n for status, n in info.statuses.get(key, {}).items()}
        if counts:
            ordered = sorted(counts.items(), key=lambda item: (item[0] not in ("ok", "done"), -item[1], item[0]))
            stages.append({"title": title, "rows": [{"status": status, "n": n, "good": status in ("ok", "done")} for status, n in ordered]})
    bad = images[images["status"] != "ok"]
    listed = _records(bad[["label", "status", "status_reason"]].head(MOST_NOT_AUDITED).reset_index())
    return {
        "stages": stages,
        "images": [
            {"image_id": row["image_id"], "label": row["label"], "status": row["status"] or "unknown", "reason": row["status_reason"] or ""}
            for row in listed
        ],
        "more": max(0, len(bad) - MOST_NOT_AUDITED),
        "total": len(bad),
        "ignored_files": info.counts.get("ignored_files", 0),
        "without_mask": info.counts.get("without_mask", 0),
        "unscorable": info.counts.get("attention_unscorable", 0),
    }


def _provenance(result: AuditResult) -> dict[str, Any]:
    info = result.info
    return {
        "rows": [
            {"label": label, "text": text}
            for label, text in (
                ("Model", info.model),
                ("Model SHA-256", info.model_sha256),
                ("Data", info.data),
                ("Masks", info.masks or "none"),
                ("Data fingerprint", info.fingerprint),
                ("bias-audit", info.version),
                ("Created", info.created),
                ("Classes", f"{len(info.class_names):,}"),
            )
        ],
        "config": [{"label": key, "text": _shown(value)} for key, value in info.config.items()],
        "thresholds": [{"label": key, "text": _shown(value)} for key, value in info.thresholds.items()],
        "seconds": [{"label": key, "seconds": float(value)} for key, value in info.seconds.items()],
    }


def _dictionary() -> list[dict[str, Any]]:
    return [
        {"table": name, "columns": [dataclasses.asdict(column) for column in columns]} for name, columns in TABLES.items()
    ]


def _estimate(value: Any, low: Any = None, high: Any = None, reason: str = "") -> dict[str, Any]:
    number, ends = _number(value), (_number(low), _number(high))
    known = number is not None and None not in ends
    return {
        "value": number,
        "low": ends[0] if known else None,
        "high": ends[1] if known else None,
        "reason": "" if number is not None else reason or "not computed",
    }


def _number(value: Any) -> float | None:
    """A finite float, or None for everything missing (None, NaN, pandas' NA, infinity)."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) != float("inf") and number == number else None


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dicts, None for whatever is missing."""
    plain = frame.astype(object)
    return [{str(key): item for key, item in row.items()} for row in plain.where(frame.notna(), None).to_dict("records")]


def _count_status(outcomes: Iterable[RuleOutcome], status: str) -> int:
    return sum(outcome.status == status for outcome in outcomes)


def _shown(value: Any) -> str:
    """A value of the configuration in words."""
    if value is None:
        return "not set"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 2000 else text[:2000] + " …"
