"""The rules on the audit itself, BA901 to BA905 and BA910: can its numbers be trusted?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import MOST_IDS, RuleOutcome, answered, as_float, not_applicable, number
from bias_audit.checks.reasons import EXPLAINED, FEW, NO_READABLE, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.checks.reliance import relies
from bias_audit.run.quantities import beside_bound, quantity
from bias_audit.run.statuses import INVALID_PREDICTION

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Evidence

MOST_NAMES = 10
"""Largest number of classes named in a sentence; the class table holds all."""


def unreadable_images(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA901: too many images could not be read, so that the audit may not stand for the data set."""
    from bias_audit import stats

    bounds = evidence.thresholds
    n = len(evidence.images)
    bad = evidence.images[~evidence.images["status"].isin((OK, INVALID_PREDICTION))]
    low, high = stats.wilson(len(bad), n)
    share = len(bad) / n
    sentence = f"{len(bad)} of {n} images could not be read or were skipped" + (
        "; the rest may not represent the data set." if share > bounds.max_unreadable else "."
    )
    return [
        answered(
            rule,
            "dataset",
            "",
            share > bounds.max_unreadable,
            "WATCH",
            sentence,
            measured=share,
            threshold=bounds.max_unreadable,
            low=low,
            high=high,
            n=n,
            image_ids=tuple(bad.index[:MOST_IDS]),
        )
    ]


def maps_without_tie(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA902: heatmaps that are not tied to the objects, though the classes show no reliance on the background.

    Either of two signs is enough: the median background excess is hardly better than that of uniform maps, or in no
    class the maps lie more on their own photo's object than on those of other photos (permutation test).
    """
    # docs/science.md#permutation-tie, docs/science.md#levels
    bounds = evidence.thresholds
    classes = evidence.classes[evidence.classes["background_excess"].notna()]
    if classes.empty:
        return [no_scores(rule, evidence)]
    # Where interventions show reliance, attention on the background is what one must see, not a fault of the maps.
    unexplained = classes[[not relies(row, bounds) for _, row in classes.iterrows()]]
    if unexplained.empty:
        reason = "Every class has a background gap, so maps that lie on the background are no fault of the layer."
        return [not_applicable(rule, "dataset", "", reason, EXPLAINED)]
    median = float(unexplained["background_excess"].median())
    tested = unexplained[unexplained["tie_p_fdr"].notna()]
    tied = int((tested["tie_p_fdr"] <= bounds.fdr).sum())
    uniform, loose = median > bounds.model_excess, len(tested) > 0 and tied == 0
    sentence = (
        f"The median background excess over {len(unexplained)} classes without shown reliance is "
        f"{beside_bound(median, bounds.model_excess, 'number')} (0 = as good as the resolution allows, 1 = uniform map)"
    )
    if len(tested):
        sentence += (
            f"; in {tied} of {len(tested)} classes the maps lie more on the object of their own photo than on the "
            "objects of other photos of the class"
        )
    if uniform or loose:
        sentence += ": read heatmaps and attention columns of this layer with caution"
    return [
        answered(
            rule,
            "dataset",
            "",
            uniform or loose,
            "MODEL WARNING",
            f"{sentence}.",
            measured=median,
            threshold=bounds.model_excess if uniform or not loose else None,
            n=int(unexplained["n_attention"].sum()),
            p_value=number(tested["tie_p_fdr"].min()),
            evidence={"classes_tied": tied, "classes_tested": len(tested)},
        )
    ]


def no_scores(rule: Rule, evidence: Evidence) -> RuleOutcome:
    """The outcome where no class has attention scores, with the most frequent reason of the classes."""
    reason, code = _most_frequent(evidence.classes, "attention_reason")
    return not_applicable(rule, "dataset", "", f"No attention scores: {reason}.", code)


def _most_frequent(classes: pd.DataFrame, column: str) -> tuple[str, str]:
    """The most frequent reason in a column of the class table, in words and as a code."""
    reason = str(classes[column].mode().iloc[0])
    return reason, str(classes.loc[classes[column] == reason, f"{column}_code"].iloc[0])


def accuracy_at_chance(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA903: predictions that are no better than guessing, mostly from a wrong --preprocess or class order."""
    from bias_audit import stats

    read = evidence.images[evidence.images["status"] == OK]
    n, hits = len(read), int(read["correct"].sum())
    if n == 0:
        return [not_applicable(rule, "dataset", "", NO_READABLE, NO_READABLE)]
    chance = float(read["label"].value_counts(normalize=True).max())
    low, high = stats.wilson(hits, n)
    found = hits / n < chance or low <= 1 / len(evidence.classes) < high
    sentence = (
        f"Accuracy is {beside_bound(hits / n, chance, 'share')} on {n} images; always guessing the most frequent class "
        f"gives {quantity(chance, 'share')}."
        + (" Check --preprocess, --resize and the order of the classes before you read on." if found else "")
    )
    return [
        answered(
            rule,
            "dataset",
            "",
            found,
            "WATCH",
            sentence,
            measured=hits / n,
            threshold=chance,
            low=low,
            high=high,
            n=n,
        )
    ]


def uncertain_masks(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA904: attention scores that depend on where exactly the masks end: on void pixels, or on half a cell of outline.

    On a coarse grid, masks dilated by half a cell lower the background excess of every class whose maps lie on the
    object, since the maps reach beyond it by as much. So the rule looks for a class that exceeds the others only
    because of the outline.
    """
    # docs/science.md#boxes-and-outlines
    bounds = evidence.thresholds
    classes = evidence.classes[evidence.classes["background_excess"].notna()]
    if classes.empty:
        return [no_scores(rule, evidence)]
    low, high = classes["background_share_low"], classes["background_share_high"]
    spread = (high - low).fillna(0)
    width, widest = float(spread.max()), str(spread.idxmax())
    lead, remaining, leader = _outline(evidence.images, bounds.min_attention)
    shrunk = lead - remaining
    unclear, hangs = width > bounds.max_void_width, shrunk > bounds.max_mask_shift
    sentence = (
        f"Depending on whether void pixels of its masks are object or background, the background share of {widest} is "
        f"{quantity(low[widest], 'share')} or {quantity(high[widest], 'share')}"
        if width > 0
        else "The masks have no void pixels that could change a background share"
    ) + (
        f"; with masks half a cell larger, the background excess of {leader} exceeds that of the other classes by "
        f"{quantity(remaining, 'number')} instead of {quantity(lead, 'number')}."
        if leader
        else f"; too few classes have the {bounds.min_attention} images needed to compare larger masks."
    )
    return [
        answered(
            rule,
            "dataset",
            "",
            unclear or hangs,
            "MODEL WARNING",
            sentence + (" Read comparisons of attention with caution." if unclear or hangs else ""),
            measured=width if unclear or not hangs else shrunk,
            threshold=bounds.max_void_width if unclear or not hangs else bounds.max_mask_shift,
            n=int(classes["n_attention"].sum()),
        )
    ]


def _outline(images: pd.DataFrame, least: int) -> tuple[float, float, str]:
    """The class whose lead in background excess over the other classes shrinks most when the masks are dilated.

    The lead is the class's mean minus the mean of the other classes' means; only classes with a lead of at least 0
    count.

    Args:
        images: the images table.
        least: scored images that a class needs.

    Returns:
        (lead, lead with dilated masks, class name); (0, 0, "") where fewer than two classes have `least` images.
    """
    import numpy as np

    columns = ["background_excess_label", "background_excess_dilated"]
    scored = images[["label", *columns]].dropna()
    means = scored.groupby("label")[columns].mean()[scored.groupby("label").size() >= least]
    if len(means) < 2:
        return 0.0, 0.0, ""
    lead, remaining = (means - (means.sum() - means) / (len(means) - 1)).to_numpy(float).T
    # Leads sum to 0, so one is at least 0 but for rounding.
    place = int(np.where(lead >= -1e-9, lead - remaining, -np.inf).argmax())
    return float(lead[place]), float(remaining[place]), str(means.index[place])


def too_few_images(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA905: classes with images, but too few usable photos to judge reliance on the background."""
    classes = evidence.classes[evidence.classes["n"] > 0]
    small = classes[classes["reliance_reason_code"].isin(FEW)]
    candidates = len(small) + int((classes["reliance_reason_code"] == OK).sum())
    if candidates == 0:
        reason, code = _most_frequent(classes, "reliance_reason")
        return [not_applicable(rule, "dataset", "", f"No class could be judged: {reason}.", code)]
    sentence = f"All {candidates} classes with usable photos have enough of them for a test."
    if len(small):
        needed = int(as_float(small["n_needed"].max(), evidence.thresholds.min_photos))
        units = small["reliance_reason_code"].map({TOO_FEW: "photos", TOO_FEW_GROUPS: "groups of photos"})
        have = zip(small.index, small["n_units"], units, strict=True)
        named = ", ".join(f"{name} ({int(n)} {unit})" for name, n, unit in list(have)[:MOST_NAMES])
        sentence = (
            f"{len(small)} of {candidates} classes have too few usable photos to be judged on reliance: {named}"
            + (f" and {len(small) - MOST_NAMES} more" if len(small) > MOST_NAMES else "")
            + f"; {needed} are needed"
            + (f" with {candidates} classes to test." if needed > evidence.thresholds.min_photos else ".")
            + (" A higher --interventions uses more." if (small["n_eligible"] >= needed).any() else "")
        )
    return [
        answered(
            rule,
            "dataset",
            "",
            len(small) > 0,
            "TOO FEW IMAGES",
            sentence,
            measured=len(small) / candidates,
        )
    ]


def invalid_predictions(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA910: images, or composites of them, for which the model's outputs are not finite: no number speaks of these."""
    from bias_audit import stats

    images = evidence.images
    own = images["status"] == INVALID_PREDICTION
    lost = images[own | (images["intervention_status"] == INVALID_PREDICTION)]
    n, pasted = len(images), len(lost) - int(own.sum())
    low, high = stats.wilson(len(lost), n)
    sentence = "The outputs are finite for every image that was read, and for every composite."
    if len(lost):
        names = own[own].index if own.any() else lost.index
        sentence = (
            f"The prediction is NaN, infinite or missing for {int(own.sum())} of {n} images"
            + (f", and for composites of {pasted} more" if pasted else "")
            + f", for instance {names[0]!r}. These count in no accuracy and in no other number, so a class may look "
            "better than it is."
        )
    return [
        answered(
            rule,
            "dataset",
            "",
            len(lost) > 0,
            "WATCH",
            sentence,
            measured=len(lost) / n,
            threshold=0.0,
            low=low,
            high=high,
            n=n,
            image_ids=tuple(lost.index[:MOST_IDS]),
        )
    ]


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA901",
        title="unreadable images",
        about="so many pictures could not be read that the rest may not represent the data set",
        scope="dataset",
        measures=("share of all images", "share"),
        highest="WATCH",
        more="The images and why",
        place="not-audited",
    ): unreadable_images,
    Rule(
        code="BA902",
        title="heatmaps not tied to the objects at this layer",
        about="maps hardly better than uniform, or as much on any other photo's object, without shown reliance",
        scope="dataset",
        measures=("median background excess", "number"),
        highest="MODEL WARNING",
        more="How attention is spread over the images",
        place="distributions",
        needs=frozenset({"masks", "maps"}),
    ): maps_without_tie,
    Rule(
        code="BA903",
        title="accuracy no better than chance",
        about="predictions no better than guessing: usually a wrong --preprocess or a wrong class order",
        scope="dataset",
        measures=("accuracy", "share"),
        highest="WATCH",
        worse="low",
    ): accuracy_at_chance,
    Rule(
        code="BA904",
        title="masks too uncertain for the attention scores",
        about="attention scores that depend on where exactly the masks end: on void pixels, or on half a cell",
        scope="dataset",
        measures=("largest change by another reading of the masks", "number"),
        highest="MODEL WARNING",
        needs=frozenset({"masks", "maps"}),
    ): uncertain_masks,
    Rule(
        code="BA905",
        title="classes with too few photos to judge",
        about="classes with images, but too few usable photos to judge reliance on the background",
        scope="dataset",
        measures=("share of the classes", "share"),
        highest="TOO FEW IMAGES",
    ): too_few_images,
    Rule(
        code="BA910",
        title="invalid predictions",
        about="images, or composites of them, for which the outputs are NaN or infinite, or none were given",
        scope="dataset",
        measures=("share of all images", "share"),
        highest="WATCH",
        more="The images and why",
        place="not-audited",
    ): invalid_predictions,
}
"""Rules of the check -> the function that judges each."""
