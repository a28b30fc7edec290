"""Sections about what a run did and did not do: every rule, the images that were left out, and its provenance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.report.cells import records
from bias_audit.run.result import AuditResult
from bias_audit.run.schema import every_table
from bias_audit.run.statuses import CHANGED, DONE, DONE_BEFORE, GIVEN, OK

MOST_REASONS = 40
MOST_SUBJECTS = 30
MOST_NOT_AUDITED = 50

GOOD = (OK, DONE, DONE_BEFORE)

STAGES: tuple[tuple[str, str], ...] = (
    ("status", "Reading the images"),
    ("mask_status", "Masks"),
    ("attention_status", "Attention scores"),
    ("intervention_status", "Interventions"),
    ("reread_status", "Read again"),
)


def every_rule(result: AuditResult) -> list[dict[str, Any]]:
    """Counts of every rule's outcomes, with the subjects that the rule could not judge and those that passed."""
    rules = []
    for rule in result.rules:
        own = [outcome for outcome in result.outcomes if outcome.code == rule.code]
        rules.append(
            {
                **dataclasses.asdict(rule),
                "ignored": sum(outcome.ignored for outcome in own),
                "unjudged": _grouped(o for o in own if not o.judged),
                "passes": _grouped(o for o in own if o.passed),
            }
        )
    return rules


def _grouped(outcomes: Iterable[RuleOutcome]) -> dict[str, Any]:
    """Subjects grouped by sentence: a hundred classes without masks give one line, not a hundred."""
    subjects: dict[str, list[str]] = {}
    for outcome in outcomes:
        subjects.setdefault(outcome.sentence, []).append(outcome.subject or "the data set")
    groups = [
        {"sentence": sentence, "subjects": names[:MOST_SUBJECTS], "more": max(0, len(names) - MOST_SUBJECTS)}
        for sentence, names in subjects.items()
    ]
    return {"groups": groups[:MOST_REASONS], "more": max(0, len(groups) - MOST_REASONS)}


def not_audited(result: AuditResult) -> dict[str, Any]:
    """Number of images per status in each stage of the audit, and up to MOST_NOT_AUDITED images that were not read."""
    info, images = result.info, result.images
    stages = []
    for key, title in STAGES:
        counts = {str(status) or "not reached": n for status, n in info.statuses.get(key, {}).items()}
        if counts:
            ordered = sorted(counts.items(), key=lambda item: (item[0] not in GOOD, -item[1], item[0]))
            rows = [{"status": status, "n": n, "good": status in GOOD} for status, n in ordered]
            stages.append({"title": title, "rows": rows})
    changed = images["reread_status"] == CHANGED
    bad = images[(images["status"] != OK) | changed]
    bad = bad.assign(
        status=bad["status"].mask(changed, CHANGED),
        status_reason=bad["status_reason"].mask(changed, bad["reread_reason"]),
    )
    listed = records(bad[["label", "status", "status_reason"]].head(MOST_NOT_AUDITED).reset_index())
    return {
        "stages": stages,
        "images": [
            {
                "image_id": row["image_id"],
                "label": row["label"],
                "status": row["status"] or "unknown",
                "reason": row["status_reason"] or "",
            }
            for row in listed
        ],
        "more": max(0, len(bad) - MOST_NOT_AUDITED),
        "total": len(bad),
        "ignored_files": info.counts.get("ignored_files", 0),
        "without_mask": info.counts.get("without_mask", 0),
        "unscorable": info.counts.get("attention_unscorable", 0),
    }


def provenance(result: AuditResult) -> dict[str, Any]:
    """Model, data, versions, settings, thresholds and seconds of a run, as labels with texts or numbers."""
    info = result.info
    model = "Predictions" if info.head == GIVEN else "Model"
    return {
        "rows": [
            {"label": label, "text": text}
            for label, text in (
                (model, info.model),
                (f"{model} SHA-256", info.model_sha256),
                ("Data", info.data),
                ("Masks", info.masks or "none"),
                *([("Backgrounds", info.backgrounds)] if info.backgrounds else []),
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


def dictionary() -> list[dict[str, Any]]:
    """Every table of a run with its columns and what these mean."""
    return [
        {"table": name, "columns": [dataclasses.asdict(column) for column in columns]}
        for name, columns in every_table().items()
    ]


def _shown(value: Any) -> str:
    """A value of the configuration as text of at most 2,000 characters."""
    if value is None:
        return "not set"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 2000 else text[:2000] + " …"
