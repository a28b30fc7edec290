"""What an audit covered: key numbers, and how the model was explained. It stands below the verdict and the findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bias_audit.report.cells import estimate
from bias_audit.run.quantities import quantity
from bias_audit.run.result import AuditResult
from bias_audit.run.sampled import SAMPLED_FROM
from bias_audit.run.statuses import GIVEN, OK

TIMES = " \N{MULTIPLICATION SIGN} "


def coverage(result: AuditResult, class_rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Key numbers of the run, most important first."""
    info, images = result.info, result.images
    counts = info.counts
    hits, n, low, high = right(result)
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


def right(result: AuditResult) -> tuple[int, int, float, float]:
    """Images predicted right, readable images, and the ends of the share's 95 % interval (Wilson)."""
    from bias_audit.stats import wilson

    read = result.images[result.images["status"] == OK]
    hits, n = int(read["correct"].sum()), len(read)
    return (hits, n, *wilson(hits, n))


def explained(result: AuditResult) -> list[dict[str, str]]:
    """How the model was explained and fed, as labels with texts."""
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
