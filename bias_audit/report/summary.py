"""Collects everything that the page says about a finished run in a plain dict, which can be tested without HTML.

The dict holds only strings, numbers, truth values, None, and lists, tuples and dicts of these; the page rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.base import Page
from bias_audit.checks.levels import failed_map_tests
from bias_audit.checks.outcomes import LEVELS, NO_LEVELS, RuleOutcome, number
from bias_audit.checks.registry import of_run
from bias_audit.report.account import dictionary, every_rule, not_audited, provenance
from bias_audit.report.browser_section import browser_pictures, browser_section
from bias_audit.report.cells import axis, estimate, records
from bias_audit.report.class_columns import ClassColumn, shown
from bias_audit.report.confusion_section import confusion_section
from bias_audit.report.decide_section import decide_section
from bias_audit.report.distributions_section import distributions_section
from bias_audit.report.finding_words import anchor, measures, place
from bias_audit.report.gallery import PICTURE_BUDGET, arrange_pictures, illustration
from bias_audit.report.rule_texts_section import rule_texts_section
from bias_audit.run.identity import finding_id
from bias_audit.run.quantities import quantity
from bias_audit.run.result import AuditResult
from bias_audit.run.sampled import SAMPLED_FROM, told_of
from bias_audit.run.statuses import GIVEN, OK

TIMES = " \N{MULTIPLICATION SIGN} "

MOST_FINDINGS = 60
MOST_CLASSES = 1000


LADDER: tuple[tuple[str, str, str, str], ...] = (
    ("Photos as they are", "accuracy", "accuracy_low", "accuracy_high"),
    ("On same-class backgrounds", "same_background_accuracy", "same_low", "same_high"),
    ("On other-class backgrounds", "other_background_accuracy", "other_low", "other_high"),
    ("Background only", "background_only_accuracy", "background_only_low", "background_only_high"),
    ("Object only", "foreground_only_accuracy", "foreground_only_low", "foreground_only_high"),
)


def summarise(result: AuditResult, pictures: Mapping[str, Any], budget: int = PICTURE_BUDGET) -> dict[str, Any]:
    """A dict of everything that the page shows about a run.

    Args:
        result: a finished run.
        pictures: content of pictures.json: "images" by image_id, "composites" by class name; {} without pictures.
        budget: bytes that pictures may take in the page, together with the markup around them.

    Raises:
        ResultError: a table of the run is missing or damaged.
    """
    info = result.info
    class_rows = {str(row["class_name"]): row for row in records(result.classes.reset_index())}
    # A finding's class is "flagged"; the worst finding of a class decides its place.
    found = result.found()
    flagged = list(dict.fromkeys(item.subject for item in found if item.scope in ("class", "image")))
    checks = _check_sections(result, pictures, budget)
    browser = browser_section(result, found)
    left = budget - sum(check["section"].get("bytes", 0) for check in checks) - browser["bytes"]
    chosen = arrange_pictures(result.images, found, flagged, pictures, left)
    browser["pictures"] = browser_pictures(browser["ids"], chosen)
    findings: list[dict[str, Any]] = []
    illustrated: set[str] = set()
    for item in found[:MOST_FINDINGS]:
        first = item.scope == "class" and item.subject not in illustrated
        if first:
            illustrated.add(item.subject)
        finding = _finding(item, class_rows, chosen, illustrate=first)
        finding["key"] = finding_id(item, result)
        # Two rules often name the same images of a class: they are shown once.
        keys = {image["key"] for image in finding["thumbnails"]}
        shown = ({image["key"] for image in other["thumbnails"]} for other in findings)
        finding["shown_at"] = next((place for place, there in enumerate(shown, 1) if keys and keys <= there), None)
        findings.append(finding)
    return {
        "name": info.name,
        "created": info.created,
        "sample": told_of(info.counts),
        "version": info.version,
        "verdict": _verdict(result),
        "facts": _facts(result, class_rows),
        "explained": _explained(result),
        "notes": list(info.notes),
        "findings": findings,
        "findings_total": len(found),
        # Composites that no finding shows, above all where nothing was found: what was tried without effect.
        "examples": [
            {"subject": subject, **illustration(subject, chosen)}
            for subject in chosen["composites"]
            if subject not in illustrated
        ],
        "classes": _class_table(result, class_rows, found),
        "distributions": distributions_section(result, flagged),
        "maps_failed": bool(failed_map_tests(found)),
        "checks": checks,
        "confusion": confusion_section(result.confusion, info.class_names),
        "browser": browser,
        "gallery": chosen["gallery"],
        "static_keys": [image["key"] for section in chosen["gallery"] for image in section["images"]],
        "outlines": [entry for entry in chosen["places"].values() if entry["outline"]],
        "pictures": [
            *chosen["pictures"],
            *(picture for check in checks for picture in check["section"].get("pictures", ())),
        ],
        "pictures_shown": chosen["shown"],
        "pictures_stored": chosen["stored"],
        "pictures_left_out": False,
        "rules": every_rule(result),
        "rule_texts": rule_texts_section(result),
        "not_audited": not_audited(result),
        "provenance": provenance(result),
        "dictionary": dictionary(),
        "decide": decide_section(result),
    }


def _check_sections(result: AuditResult, pictures: Mapping[str, Any], budget: int) -> list[dict[str, Any]]:
    """Sections of the checks that have something to show, as {name, anchor, title, template, section}.

    `section` is what the template is given. It may hold `pictures`, as `gallery.arrange_pictures` makes them, and
    `bytes`, which these take of the budget.
    """
    page = Page(result, pictures, budget)
    made = ((check, check.section(check.recall(result), page)) for check in of_run(result.path))
    return [
        {
            "name": check.name,
            "anchor": anchor(check),
            "title": check.title,
            "template": f"{check.name}/section.html",
            "section": section,
        }
        for check, section in made
        if section is not None
    ]


def _verdict(result: AuditResult) -> dict[str, Any]:
    level, sentence = result.level, result.verdict
    # The level stands above the sentence; a run of an older version may name another one there.
    led = next((name for name in (*LEVELS, *NO_LEVELS) if sentence.startswith(f"{name}: ")), "")
    if led:
        sentence = sentence[len(led) + 2 :]
        sentence = sentence[:1].upper() + sentence[1:]
    counted = ("judged", "passed", "found", "not_judged")
    totals = {name: sum(getattr(rule, name) for rule in result.rules) for name in counted}
    return {
        "level": level,
        "sentence": sentence,
        **totals,
        "ignored": sum(outcome.ignored for outcome in result.outcomes),
    }


def _facts(result: AuditResult, class_rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Key numbers of the run, most important first."""
    from bias_audit.stats import wilson

    info, images = result.info, result.images
    counts = info.counts
    read = images[images["status"] == OK]
    hits, n = int(read["correct"].sum()), len(read)
    low, high = wilson(hits, n)
    total = counts.get("images", len(images))
    facts: list[dict[str, Any]] = [
        _fact(
            "Accuracy",
            hits / n if n else None,
            "share",
            low,
            high,
            f"{hits:,} of {n:,} images right",
            "no readable images",
        ),
        {"label": "Images audited", "count": counts.get("read", n), "of": total, "note": _left_out(counts, total)},
    ]
    gap = "Largest background gap"
    if tested := [row for row in class_rows.values() if row["background_gap"] is not None]:
        row = max(tested, key=lambda row: row["background_gap"])
        mean = quantity(sum(each["background_gap"] for each in tested) / len(tested), "points")
        note = f"class {row['class_name']}, {row['n_interventions']:,} photos"
        note += f"; the mean of {len(tested):,} classes is {mean}" if len(tested) > 1 else ""
        facts.append(_fact(gap, row["background_gap"], "points", row["gap_low"], row["gap_high"], note))
    else:
        reasons = [row["reliance_reason"] for row in class_rows.values() if row["reliance_reason"]]
        reason = max(reasons, key=reasons.count, default="no composites")
        facts.append(_fact(gap, None, "points", None, None, "", reason))
    eligible = counts.get("interventions_eligible", 0)
    estimated, scored = counts.get("estimated_masks", 0), counts.get("attention_scored", 0)
    guessed = ", against estimated masks" if estimated else ""
    drawn = counts.get("with_mask", 0) - estimated
    facts.append(
        {"label": "Photos intervened on", "count": counts.get("interventions_done", 0), "of": eligible,
         "note": f"of those with a usable mask{guessed}" if eligible else "none has a usable mask"}
    )  # fmt: skip
    kinds = {
        "mask": "against masks",
        "box": "against boxes",
        "estimated": "against estimated masks"
        if scored > drawn
        else "no mask is drawn; estimates serve the composites",
        "mixed": "against masks, boxes or estimated masks" if scored > drawn else "against masks or boxes",
        "none": "no masks given",
    }
    facts.append(
        {"label": "Attention scored", "count": counts.get("attention_scored", 0), "of": counts.get("read", n),
         "note": kinds.get(info.mask_kind, info.mask_kind)}
    )  # fmt: skip
    return facts


def _left_out(counts: Mapping[str, int], total: int) -> str:
    words = {
        "unreadable": "unreadable",
        "skipped": "skipped",
        "invalid_predictions": "without prediction",
        "changed": "changed during the audit",
    }
    parts = [f"{counts[name]:,} {word}" for name, word in words.items() if counts.get(name)]
    if of := counts.get(SAMPLED_FROM):
        return ", ".join([f"sampled from {of:,}", *parts])
    return ", ".join(parts) if parts else "all of them" if total else "no images"


def _fact(label: str, value: Any, unit: str, low: Any, high: Any, note: str, reason: str = "") -> dict[str, Any]:
    return {"label": label, "note": note, "unit": unit, **estimate(value, low, high, reason)}


def _explained(result: AuditResult) -> list[dict[str, str]]:
    info = result.info
    if info.head == GIVEN:  # nothing is known of the model
        grid = "none" if info.method == "none" else f"made elsewhere, {TIMES.join(map(str, info.grid))}"
        size = TIMES.join(map(str, info.input_size))
        given = (("Predictions", "made elsewhere"), ("Heatmaps", grid), ("Pictures", size))
        return [{"label": label, "text": text} for label, text in given]
    rows = [
        ("Heatmaps", info.method),
        ("Layer", info.layer),
        ("Grid", TIMES.join(map(str, info.grid))),
        ("Model input", TIMES.join(map(str, info.input_size))),
        ("Preprocessing", info.preprocess),
        ("Output head", info.head),
    ]
    return [{"label": label, "text": text} for label, text in rows if text]


def _finding(
    outcome: RuleOutcome, class_rows: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Any], *, illustrate: bool
) -> dict[str, Any]:
    name, unit = measures(outcome.code)
    row = class_rows.get(outcome.subject)
    ladder = []
    if illustrate and row is not None and outcome.code.startswith("BA2"):
        ladder = [{"label": label, **estimate(row[value], row[low], row[high])} for label, value, low, high in LADDER]
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
        "estimate": estimate(outcome.measured, outcome.low, outcome.high),
        "threshold": number(outcome.threshold),
        "n": outcome.n,
        "p_value": number(outcome.p_value),
        "ladder": ladder,
        **illustration(outcome.subject if illustrate else "", chosen),
        "thumbnails": thumbnails,
        "place": place(outcome.code),
        "images_total": len(outcome.image_ids),
    }


def _class_table(
    result: AuditResult, class_rows: Mapping[str, Mapping[str, Any]], found: Sequence[RuleOutcome]
) -> dict[str, Any]:
    levels: dict[str, str] = {}
    for item in found:
        if item.scope in ("class", "image"):
            levels.setdefault(item.subject, item.level or LEVELS[0])
    order = {name: place for place, name in enumerate(levels)}
    # Flagged classes first, then in the order of the model's outputs: past the limit only the unflagged are cut.
    names = sorted(class_rows, key=lambda name: order.get(name, len(order)))
    given = shown(class_rows.values())
    rows: list[dict[str, Any]] = []
    for name in names[:MOST_CLASSES]:
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
        scale = axis(row["cells"][index][end] for row in rows for end in ("value", "low", "high"))
        described = {
            "title": column.title,
            "about": column.about,
            "unit": column.unit,
            "of_maps": column.reason == "attention_reason",
        }
        columns.append({**described, "scale": scale, "interval": bool(column.low)})
    counts = result.info.counts
    masks = {"estimated": counts.get("estimated_masks", 0), "with_mask": counts.get("with_mask", 0)}
    return {"columns": columns, "rows": rows, "total": len(class_rows), "file": "classes.csv", **masks}


def _reason(row: Mapping[str, Any], column: ClassColumn) -> str:
    """Why the cell has no number; never empty."""
    said = str(row[column.reason] or "") if column.reason else ""
    if said and said != OK:
        return said
    if not row["n_read"]:
        return "no readable images"
    return "no composites to judge it by" if column.reason == "reliance_reason" else "not computed"
