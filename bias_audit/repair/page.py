"""Writes a repair as one HTML file: verdict, strips, numbers of every class and findings, of three audits."""

from __future__ import annotations

import math
from typing import Any

import bias_audit
from bias_audit.compare.measures import MEASURES, Change
from bias_audit.compare.pages import render_page
from bias_audit.compare.words import between, difference
from bias_audit.repair.proof import LIMITS, Proof, accuracy_of, class_table, finding_table, runs
from bias_audit.repair.result import Repair
from bias_audit.repair.strips import strips_of
from bias_audit.report.gallery import keep_picture
from bias_audit.report.rule_texts_section import pieces
from bias_audit.run.quantities import p_value, quantity
from bias_audit.run.verdict_text import sentences

MOST_ROWS = 400

BUDGET = 6_000_000
"""Most characters of base64 that the pictures of a page take together."""

KINDS = {
    "original": "photos as they are", "background": "objects on backgrounds of every class",
    "emptied": "backgrounds without their object", "property": "photos with a property of another photo",
    "erased": "photos with a region erased", "lent": "photos with a region of another photo",
}  # fmt: skip
"""Kind of picture -> what it is, in words."""


def page_of(repair: Repair) -> bytes:
    """The repair as an HTML page in UTF-8; it has a proof."""
    proof, made = repair.proof, repair.made
    assert proof is not None
    assert made is not None
    kept: list[dict[str, Any]] = []
    headline, *said = sentences(repair.sentence, proof.before.info.class_names)
    rows = class_table(proof)
    values = {
        "version": bias_audit.__version__,
        "name": proof.before.info.name,
        "verdict": repair.verdict,
        "headline": headline,
        "said": [pieces(each) for each in said],
        "runs": [_run(title, run, proof) for title, run in runs(proof).items()],
        "strips": _strips(proof, kept),
        "rows": [_row(row) for row in rows[:MOST_ROWS]],
        "rows_total": len(rows),
        "findings": finding_table(proof),
        "changes": [_change(each) for each in proof.to_after.classes if each.measure in SHOWN][:MOST_ROWS],
        "pictures": [f"{count:,} {KINDS[kind]}" for kind, count in made.pictures.items()],
        "made": made,
        "limits": LIMITS,
        "model": None if made.model is None else str(made.model),
        "layer": None if made.layer is None else str(made.layer),
    }
    return render_page("repair.html", values, kept)


SHOWN = ("accuracy", "background_gap", "other_background_accuracy")
"""Measures whose change is shown of every class."""


def _run(title: str, run: Any, proof: Proof) -> dict[str, Any]:
    changes = {"control": proof.to_control, "after": proof.to_after}.get(title)
    accuracy = None if changes is None else accuracy_of(changes)
    return {
        "title": title,
        "level": run.level,
        "verdict": run.verdict,
        "model": run.info.model_sha256[:12],
        "path": str(run.path),
        "accuracy": "" if accuracy is None else _paired(accuracy),
    }


def _paired(change: Change) -> str:
    tested = f", {p_value(change.p)} (McNemar)" if math.isfinite(change.p) else ""
    return f"accuracy {quantity(change.new, 'share')}: {difference(change)} [{between(change)}]{tested}"


def _strips(proof: Proof, kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made, left = [], BUDGET
    for strip in strips_of(proof):
        tiles = []
        for tile in strip["tiles"]:
            if len(tile["picture"]["jpeg"]) > left:
                continue
            left -= len(tile["picture"]["jpeg"])
            picture = {name: value for name, value in tile["picture"].items() if name != "grid"}
            tiles.append({**tile, "image": {"key": keep_picture(kept, "s", picture)}})
        made.append({**strip, "tiles": tiles})
    return made


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table of classes; gaps and losses are drawn."""
    points = row["unit"] == "points"
    cells = [
        {"text": text, "value": value, "low": low, "high": high, "drawn": points and value is not None}
        for text, (value, low, high) in zip(row["cells"], row["values"], strict=True)
    ]
    return {"class": row["class"], "what": row["what"], "cells": cells}


def _change(change: Change) -> dict[str, Any]:
    measure = MEASURES[change.measure]
    return {
        "subject": change.subject,
        "measure": measure.title,
        "difference": difference(change),
        "between": between(change),
        "tested": p_value(change.p_fdr) if math.isfinite(change.p_fdr) else "not tested",
        "verdict": change.verdict,
        "n": change.n,
    }
