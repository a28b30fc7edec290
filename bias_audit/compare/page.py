"""Writes a comparison as one HTML file, with thumbnails where the runs kept them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import bias_audit
from bias_audit.compare import words
from bias_audit.compare.compared import Comparison
from bias_audit.compare.flips import Flip, FlipList
from bias_audit.compare.measures import MEASURES, Change
from bias_audit.compare.pages import render_page
from bias_audit.errors import ResultError
from bias_audit.files.text import read_json
from bias_audit.report.gallery import is_picture, keep_picture
from bias_audit.run.quantities import quantity

MOST_ROWS = 300
"""Most rows of one table: nobody reads a thousand, and worse changes come first."""

MOST_FINDINGS = 200

MOST_PICTURES = 12
"""Images of a list that are shown with thumbnails; the list gives the others by name."""

BUDGET = 6_000_000
"""Most characters of base64 that the thumbnails of a page take together."""


def page_of(comparison: Comparison) -> bytes:
    """The comparison as an HTML page in UTF-8."""
    shelf = _Shelf(_stored(comparison.old.path), _stored(comparison.new.path))
    lists = [_list(kind, shelf) for kind in comparison.flips if kind.total]
    values = {
        "version": bias_audit.__version__,
        "headline": comparison.headline,
        "matching": comparison.matching,
        "differences": comparison.differences,
        "runs": [_run(title, run) for title, run in (("before", comparison.old), ("now", comparison.new))],
        "findings": [_finding(each) for each in comparison.findings[:MOST_FINDINGS]],
        "findings_total": len(comparison.findings),
        "tables": [
            _table(title, subject, list(changes))
            for title, subject, changes in (
                ("Data set", "Images", comparison.data),
                ("Classes", "Class", comparison.classes),
                ("Slices", "Slice", comparison.slices),
            )
            if changes
        ],
        "lists": lists,
        "measures": [{"title": each.title, "worse": "high" if each.worse > 0 else "low", "test": each.test}
                     for each in MEASURES.values()],
    }  # fmt: skip
    return render_page("compare.html", values, shelf.kept)


class _Shelf:
    """The thumbnails of both runs, and those that the page holds so far (`kept`)."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        self.old, self.new = old, new
        self.kept: list[dict[str, Any]] = []
        self._left = BUDGET

    def pair(self, flip: Flip) -> list[dict[str, Any]]:
        """Thumbnails of one image in both runs as [{title, image}], without those that are missing or exceed BUDGET."""
        shown = []
        for title, stored, name in (("before", self.old, flip.old_id), ("now", self.new, flip.image_id)):
            picture = stored.get(name)
            if isinstance(picture, dict) and is_picture(picture) and len(picture["jpeg"]) <= self._left:
                self._left -= len(picture["jpeg"])
                shown.append({"title": title, "image": {"key": keep_picture(self.kept, "i", picture)}})
        return shown


def _stored(folder: Path) -> dict[str, Any]:
    """Thumbnails of a run: image_id -> picture; {} where the run has no readable ones."""
    try:
        content = read_json(folder / "pictures.json", ResultError) or {}
        return dict(content.get("images") or {})
    except (ResultError, ValueError, AttributeError, TypeError):
        return {}


def _run(title: str, run: Any) -> dict[str, Any]:
    info = run.info
    return {
        "title": title,
        "name": info.name,
        "created": info.created,
        "level": run.level,
        "verdict": run.verdict,
        "model": info.model_sha256[:12],
        "images": info.counts.get("read", 0),
        "path": str(run.path),
    }


def _finding(each: Any) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "state": each.state,
        "level": each.outcome.level or "CONTEXT",
        "code": each.outcome.code,
        "about": words.about(each),
        "title": each.outcome.title,
        "measured": words.measured(each),
        "remark": each.remark,
        "sentence": each.outcome.sentence,
    }


def _table(title: str, subject: str, changes: list[Change]) -> dict[str, Any]:
    rows = [_row(change) for change in words.ordered(changes)]
    return {"title": title, "subject": subject, "rows": rows[:MOST_ROWS], "total": len(rows)}


def _row(change: Change) -> dict[str, Any]:
    measure = MEASURES[change.measure]
    widest = 1.0 if measure.unit != "number" else 2.0
    known = math.isfinite(change.low) and math.isfinite(change.high)
    return {
        "subject": change.subject or "all images",
        "measure": measure.title,
        "old": quantity(change.old, measure.unit),
        "new": quantity(change.new, measure.unit),
        "difference": words.difference(change),
        "value": change.difference,
        "low": change.low if known else None,
        "high": change.high if known else None,
        "scale": (-widest, widest),
        "between": words.between(change),
        "tested": words.tested(change),
        "n": change.n,
        "method": change.method,
        "verdict": change.verdict,
        "slug": change.verdict.replace(" ", "-"),
    }


def _list(kind: FlipList, shelf: _Shelf) -> dict[str, Any]:
    images = []
    for place, flip in enumerate(kind.images):
        images.append(
            {
                "image_id": flip.image_id,
                "label": flip.label,
                "old_predicted": flip.old_predicted,
                "new_predicted": flip.new_predicted,
                "moved": words.moved(flip, kind),
                "pictures": shelf.pair(flip) if place < MOST_PICTURES else [],
            }
        )
    verdict = "" if kind.good is None else "better" if kind.good else "worse"
    return {"title": kind.title, "total": kind.total, "verdict": verdict, "images": images}
