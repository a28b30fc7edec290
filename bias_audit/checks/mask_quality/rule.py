"""The rule BA909 on estimated masks, and the caveat for all outcomes that depend on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import LEVELS, RuleOutcome, answered, not_applicable, number
from bias_audit.checks.reasons import UNNEEDED
from bias_audit.run.quantities import interval, quantity

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Evidence

CHECK = "mask_quality"

HIGHEST = "SUSPICIOUS"
"""Highest level of an outcome for which most masks are estimated."""


def estimated_masks(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA909: estimated masks that nobody has checked, or that differ from drawn ones.

    Judged by the median intersection over union (IoU) on photos that have a drawn mask. Parts of an object that the
    estimate misses stay in the background and are pasted with it, which can accuse an innocent class.
    """
    import numpy as np

    from bias_audit import stats

    bounds, quality = evidence.thresholds, evidence.own(CHECK)
    estimated, usable = count_estimated(evidence.images)
    if quality is None or not (estimated or quality.iou):
        return [not_applicable(rule, "dataset", "", "No masks were estimated.", UNNEEDED)]
    which = (
        f"{estimated} of {usable} masks are estimated ({quality.segmenter})"
        if estimated
        else f"No mask had to be estimated ({quality.segmenter})"
    )
    if not quality.iou:
        sentence = (
            f"{which}, and no photo has a drawn mask to check them against. Draw masks for a few dozen photos and "
            "audit again with --masks DIR --segmenter auto."
        )
        return [answered(rule, "dataset", "", True, "MODEL WARNING", sentence, n=0)]
    # Of a group of photos the mean counts, as one.
    each = stats.group_means(quality.iou, quality.groups)
    iou, found, precise = (float(np.median(values)) for values in (each, quality.found, quality.precise))
    low, high = stats.median_interval(each)
    poor = not low >= bounds.min_mask_iou
    sentence = (
        f"{which}. On {len(quality.iou)} photos with a drawn mask the median overlap (IoU) is "
        f"{interval(iou, low, high, 'number')}: {quantity(found, 'share')} of the object is found, "
        f"{quantity(precise, 'share')} of the estimate is object."
        + (" Cut-outs and backgrounds are then mixed up: draw masks, or give a better --segmenter." if poor else "")
    )
    return [
        answered(
            rule,
            "dataset",
            "",
            poor,
            "MODEL WARNING",
            sentence,
            measured=iou,
            threshold=bounds.min_mask_iou,
            low=number(low),
            high=number(high),
            n=len(quality.iou),
            evidence={"object_found": found, "estimate_is_object": precise},
        )
    ]


def count_estimated(images: pd.DataFrame) -> tuple[int, int]:
    """Numbers of (estimated, all) usable masks in an images table; what was pasted by an estimate stays estimated."""
    from bias_audit.data.masks import ESTIMATED
    from bias_audit.run.statuses import OK

    masked = images[images["mask_status"] == OK]
    guessed = masked["mask_kind"] == ESTIMATED
    if "on_estimate" in masked:  # scored again with drawn masks, a run keeps the composites of its estimates
        guessed |= masked["on_estimate"].fillna(False).astype(bool)
    return int(guessed.sum()), len(masked)


def marked(outcomes: Sequence[RuleOutcome], evidence: Evidence) -> Sequence[RuleOutcome]:
    """The outcomes, with a caveat for those that depend on estimated masks.

    Where more than half of the masks are estimated, the level is lowered to HIGHEST.

    Args:
        outcomes: outcomes of all rules.
        evidence: what the rules were judged on.
    """
    from bias_audit.run.statuses import OK

    if evidence.own(CHECK) is None:
        return outcomes
    images = evidence.images
    # Of a photo with an estimate there are composites, and no score of its heatmap unless an older version made one.
    scored = images[images["attention_status"] == OK].drop(columns="on_estimate", errors="ignore")
    resting = {True: images, False: scored}
    counts = {
        (pasted, str(name)): count_estimated(group)
        for pasted, part in resting.items()
        for name, group in part.groupby("label")
    }
    overall = {pasted: count_estimated(part) for pasted, part in resting.items()}
    if not overall[True][0]:
        return outcomes
    result = []
    for outcome in outcomes:
        needs = evidence.rules[outcome.code].needs
        pasted = "composites" in needs
        estimated, usable = overall[pasted]
        if outcome.scope != "dataset":
            estimated, usable = counts.get((pasted, outcome.subject), (estimated, usable))
        if "masks" not in needs or not outcome.judged or not estimated:
            result.append(outcome)
            continue
        said = "Estimated masks." if estimated == usable else f"{estimated} of {usable} masks are estimated."
        level = outcome.level
        if level and 2 * estimated > usable and LEVELS.index(level) > LEVELS.index(HIGHEST):
            missed = "what an estimate misses of an object counts as background"
            said += f" With drawn masks this would be {level}: {missed}."
            level = HIGHEST
        known = {**outcome.evidence, "estimated_masks": estimated / usable}
        result.append(dataclasses.replace(outcome, sentence=f"{outcome.sentence} {said}", level=level, evidence=known))
    return result


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA909",
        title="estimated masks are poor or unchecked",
        about="estimated masks that nobody has checked, or that differ from drawn ones",
        scope="dataset",
        measures=("median overlap with drawn masks", "number"),
        highest="MODEL WARNING",
        worse="low",
        role="doubts the estimates",
    ): estimated_masks,
}
"""Rules of the check -> the function that judges each."""
