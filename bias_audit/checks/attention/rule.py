"""The rules on attention, BA101 and BA102. They are triage and never give more than WATCH.

Heatmaps are only compared with each other, since every absolute rule on them convicted clean models. See
docs/science.md#levels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.base import Judge, Rule
from bias_audit.checks.outcomes import RuleOutcome, answered, as_float, not_applicable, not_excluded, number
from bias_audit.checks.reasons import MAPS_FAILED, NO_COMPARISON, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.checks.reliance import relies
from bias_audit.config import Thresholds
from bias_audit.run.quantities import quantity

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Compared, Evidence


def class_attention(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA101: a class's maps lie on the background more than those of the other classes.

    Found where the one-sided Mann-Whitney p (Benjamini-Hochberg over classes) and Cliff's delta both pass their bounds.
    Of images that belong together the mean is compared, and fewer than ten such groups on either side are not judged.
    The level is CONTEXT instead of WATCH where the interventions tested the class, showed no reliance, and exclude a
    gap that matters by its upper limit.
    """
    # docs/science.md#levels
    bounds = evidence.thresholds
    outcomes = []
    for name, row in evidence.rows():
        if evidence.doubt:
            outcomes.append(not_applicable(rule, "class", name, evidence.doubt, MAPS_FAILED))
            continue
        compared = evidence.attention.get(name)
        if compared is None:
            enough = as_float(row["n_attention"], 0) >= bounds.min_attention
            reason = _why_no_attention(row, bounds.min_attention, has_rest=not enough)
            outcomes.append(not_applicable(rule, "class", name, *reason))
            continue
        if not math.isfinite(compared.p_fdr):
            few = f"Too few groups of images: {compared.units} of this class, {compared.rest_units} of the others."
            outcomes.append(not_applicable(rule, "class", name, few, TOO_FEW_GROUPS))
            continue
        found = compared.stands_out(bounds)
        excess = float(row["background_excess"])
        sentence = (
            f"The maps of {name} {'lie clearly' if found else 'do not lie clearly'} more on the background than those "
            f"of the other classes (background excess {quantity(excess, 'number')}, in the others "
            f"{quantity(compared.rest_mean, 'number')}; Cliff's delta {quantity(compared.delta, 'number')})."
        )
        low, high = _delta_interval(compared)
        sentence += _tie(row, bounds) if found else f" {not_excluded('a delta', high, 'number', compared.n, 'images')}"
        depends, said = _dependence(row, bounds)
        sentence += said if found else ""
        outcomes.append(
            answered(
                rule,
                "class",
                name,
                found,
                "WATCH" if depends else "CONTEXT",
                sentence,
                measured=compared.delta,
                threshold=bounds.cliffs_delta,
                low=number(low),
                high=number(high),
                n=compared.n,
                p_value=compared.p_fdr,
                image_ids=evidence.worst(name, "background_excess_label") if found else (),
                evidence={
                    "background_excess": excess,
                    "excess_low": number(row["excess_low"]),
                    "excess_high": number(row["excess_high"]),
                    "tie_effect": number(row["tie_effect"]),
                    "tie_p_fdr": number(row["tie_p_fdr"]),
                },
            )
        )
    return outcomes


def _delta_interval(compared: Compared) -> tuple[float, float]:
    """95 % interval of Cliff's delta, 2 AUC - 1, by that of the AUC (Newcombe 2006), over images or groups of them."""
    from bias_audit import stats

    low, high = stats.auc_interval((compared.delta + 1) / 2, compared.units, compared.rest_units)
    return 2 * low - 1, 2 * high - 1


def _dependence(row: pd.Series, bounds: Thresholds) -> tuple[bool, str]:
    """Whether the prediction may depend on the background, and the sentence on it; "" where BA201 speaks of that.

    An absent finding is no proof of absence: only an upper limit of the gap excludes a dependence.
    """
    import numpy as np

    if not np.isfinite(as_float(row["p_fdr"])) or relies(row, bounds):
        return True, ""
    n, high = int(row["n_interventions"]), number(row["gap_high"])
    open_still = not_excluded("a gap", high, "points", n)
    if high is None or high > bounds.context_gap:
        return True, f" Whether the prediction depends on the background is not known. {open_still}"
    return False, (
        " On other backgrounds the prediction stays: the model looks at the background, but hardly depends on it. "
        f"{open_still}"
    )


def image_attention(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA102: images whose attention lies on the background far more than is usual in their class (robust z).

    Judged are images that the model takes for their class: the map of a class that it does not see in a photo lies
    anywhere, which is a symptom of the wrong prediction. An outlier must also be rarer than chance makes it among as
    many images.
    """
    from bias_audit import stats
    from bias_audit.checks.evidence import images_found

    # docs/science.md#outliers
    bounds = evidence.thresholds
    looked = int(evidence.images["excess_outlier_p"].notna().sum())
    outcomes = []
    for name, row in evidence.rows():
        if evidence.doubt:
            outcomes.append(not_applicable(rule, "image", name, evidence.doubt, MAPS_FAILED))
            continue
        judged = evidence.of_class(name)
        judged = judged[judged["excess_outlier_p"].notna()]
        if judged.empty:
            reason, code = _why_no_attention(row, stats.ENOUGH_FOR_OUTLIERS, has_rest=True)
            if row["attention_reason"] == OK and as_float(row["n_attention"], 0) >= stats.ENOUGH_FOR_OUTLIERS:
                reason = f"Fewer than {stats.ENOUGH_FOR_OUTLIERS} of the images of {name} are taken for it."
            outcomes.append(not_applicable(rule, "image", name, reason, code))
            continue
        outliers = judged[
            (judged["excess_outlier_p"] <= bounds.fdr)
            & (judged["excess_robust_z"] > bounds.image_z)
            & (judged["background_excess_label"] > bounds.image_excess)
        ]
        outliers = outliers.sort_values("excess_robust_z", ascending=False)
        sentence = (
            f"On {len(outliers)} of {len(judged)} correctly predicted images of {name} the attention lies on the "
            f"background far more than is usual in the class, more than chance explains among {looked} images."
            if len(outliers)
            else f"On none of {len(judged)} correctly predicted images of {name} does the attention lie on the "
            "background far more than is usual in the class."
        )
        outcomes.append(images_found(rule, name, outliers, judged, sentence, evidence))
    return outcomes


def _tie(row: pd.Series, bounds: Thresholds) -> str:
    """Sentence on the permutation test: do the maps follow the object at all (docs/science.md#permutation-tie)?

    "" where the test was not made.
    """
    import numpy as np

    p_value = as_float(row["tie_p_fdr"])
    if not np.isfinite(p_value):
        return ""
    if p_value <= bounds.fdr:
        return " They still follow the object of their own photo more than those of other photos: a halo around it."
    return " They are not tied to the object: the masks of other photos fit them as well."


def _why_no_attention(row: pd.Series, needed: int, *, has_rest: bool) -> tuple[str, str]:
    """Why a class was not judged on attention, in words and as a code.

    Args:
        row: the class's row of the class table.
        needed: images with attention scores that the rule needs.
        has_rest: False where only other classes to compare with may be missing.
    """
    if row["attention_reason"] != OK:
        return f"No attention scores: {row['attention_reason']}.", row["attention_reason_code"]
    if not has_rest:
        return "No other class with attention scores to compare with.", NO_COMPARISON
    return f"Not enough images: {int(row['n_attention'])} have attention scores, {needed} are needed.", TOO_FEW


JUDGES: dict[Rule, Judge] = {
    Rule(
        code="BA101",
        title="attention on the background, compared with the other classes",
        about="a class's maps lie on the background more than those of the other classes (Mann-Whitney, BH, Cliff)",
        scope="class",
        measures=("Cliff's delta against the other classes", "number"),
        highest="WATCH",
        more="How attention is spread over the images",
        place="distributions",
        needs=frozenset({"masks", "maps"}),
    ): class_attention,
    Rule(
        code="BA102",
        title="images with unusual attention on the background",
        about="images whose attention lies on the background far more than is usual in their class (robust z)",
        scope="image",
        measures=("share of the class's images", "share"),
        highest="WATCH",
        needs=frozenset({"masks", "maps"}),
    ): image_attention,
}
"""Rules of the check -> the function that judges each."""
