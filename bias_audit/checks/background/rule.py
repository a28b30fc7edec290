"""BA2xx: reliance, from paired interventions. The unit is the photo, never the composite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bias_audit.checks.base import Rule
from bias_audit.checks.outcomes import (
    RuleOutcome,
    answered,
    as_float,
    not_applicable,
    number,
    relies,
    second_fill_agrees,
    visible,
)
from bias_audit.checks.reasons import FEW, FILLS_DISAGREE
from bias_audit.config import Thresholds

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.evidence import Evidence

EVIDENCE = (
    "accuracy",
    "same_background_accuracy",
    "other_background_accuracy",
    "random_background_accuracy",
    "next_background_accuracy",
    "background_only_accuracy",
    "background_only_elsewhere",
    "foreground_only_accuracy",
    "background_gap_second_fill",
    "background_only_second_fill",
    "background_gap_shrunken",
    "fill_disagreement",
    "p_mcnemar",
    "p_log_odds",
    "swap_log_odds",
    "attract",
    "attract_low",
    "attract_high",
    "adversarial",
    "removal_effect",
    "relative_foreground_sensitivity",
    "shapley_background_share",
    "neutral_background_accuracy",
    "neutral_loss",
    "cut_out_gain",
    "cue_removal_effect",
    "p_cue_removal_fdr",
    "cue_lent_effect",
    "p_cue_lent_fdr",
    "background_excess",
    "flipped",
    "n_eligible",
)
"""Columns of the class table that stand beside a reliance outcome."""


def follows_background(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA201: the same objects are recognised less often on backgrounds of other classes (sign-flip test, BH, gap).

    A second way of filling the donors' holes must show it too, else nothing is concluded. The level says
    what else is known: COLLATERAL, SUSPICIOUS, HIDDEN or CONFIRMED.
    """
    import numpy as np

    # docs/science.md#background-gap, docs/science.md#fills, docs/science.md#levels
    bounds = evidence.thresholds
    watched = {name for name, compared in evidence.attention.items() if compared.stands_out(bounds)}
    other_of_two = victim_of_two(evidence.classes, bounds)
    outcomes = []
    for name, row in evidence.rows():
        if not np.isfinite(as_float(row["p_fdr"])):
            outcomes.append(not_applicable(rule, "class", name, why_no_reliance(row), row["reliance_reason_code"]))
            continue
        found = relies(row, bounds)
        if found and not second_fill_agrees(row, bounds):
            outcomes.append(not_applicable(rule, "class", name, _fills_disagree(name, row), FILLS_DISAGREE))
            continue
        seen = name in watched or bool(evidence.doubt)  # maps that fail their tests cannot acquit, so nothing is hidden
        level = level_of(row, bounds, watched=seen, victim=name == other_of_two) if found else ""
        near = near_threshold(row, bounds, found=found)
        sentence = _sentence(name, row, level, evidence) + (f" Near the threshold: {near}." if near else "")
        outcomes.append(
            answered(
                rule,
                "class",
                name,
                found,
                level,
                sentence,
                measured=float(row["background_gap"]),
                threshold=bounds.min_gap,
                low=number(row["gap_low"]),
                high=number(row["gap_high"]),
                n=int(row["n_interventions"]),
                p_value=float(row["p_fdr"]),
                image_ids=evidence.worst(name, "background_gap") if found else (),
                evidence={**{key: number(row[key]) for key in EVIDENCE}, "near_threshold": near or None},
            )
        )
    return outcomes


def level_of(row: pd.Series, bounds: Thresholds, *, watched: bool, victim: bool = False) -> str:
    """Level of a class whose prediction follows the background."""
    if victim or not (pulls(row, bounds) or passes_alone(row, bounds)):
        return "COLLATERAL"
    if cue_moves_it(row, bounds):
        return "CONFIRMED"
    return "HIDDEN" if not watched and maps_are_blind(row, bounds) else "SUSPICIOUS"


def pulls(row: pd.Series, bounds: Thresholds) -> bool:
    """The class's backgrounds pull other classes' objects to it: it, and no other, was learned with the cue."""
    return as_float(row["attract_low"], -1) > 0 and as_float(row["attract"], 0) >= bounds.min_attract


def passes_alone(row: pd.Series, bounds: Thresholds) -> bool:
    """Without any object its photos pass for the class, more often than emptied photos of other classes do."""
    first = as_float(row["background_only_low"], 0) - as_float(row["background_only_elsewhere"], 1)
    second = as_float(row["background_only_second_fill"], 0) - as_float(row["background_only_elsewhere_second_fill"], 1)
    return min(first, second) > bounds.min_background_only


def victim_of_two(classes: pd.DataFrame, bounds: Thresholds) -> str | None:
    """The one of two classes that stands without any background while the other falls; None where both or none do.

    Of two classes each pulls the other's objects, for without the cue of one a picture is the other's. On neutral
    backdrops nobody has a cue: the class that was learned with it is lost, its victim is not.
    """
    if len(classes) != 2:
        return None
    stands = classes["neutral_loss_high"].astype(float) < bounds.min_background_only
    falls = (classes["neutral_loss"].astype(float) >= bounds.min_gap) & (classes["neutral_loss_low"].astype(float) > 0)
    first, second = map(str, classes.index)
    if stands[first] and falls[second]:
        return first
    return second if stands[second] and falls[first] else None


def cue_moves_it(row: pd.Series, bounds: Thresholds) -> bool:
    """The piece of background that the maps point at moves the probability when taken away or lent to others."""
    return any(
        as_float(row[f"p_{name}_fdr"], 1) <= bounds.fdr
        and as_float(row[f"{name}_effect"], 0) >= bounds.min_cue
        and as_float(row[f"{name}_low"], 0) > 0
        for name in ("cue_removal", "cue_lent")
    )


def maps_are_blind(row: pd.Series, bounds: Thresholds) -> bool:
    """Enough maps were scored and they lie on the object: who reads heatmaps would acquit (a tint, a texture)."""
    return (
        as_float(row["n_attention"], 0) >= bounds.min_attention
        and as_float(row["excess_high"], 9) < bounds.hidden_excess
    )


def near_threshold(row: pd.Series, bounds: Thresholds, *, found: bool) -> str:
    """Which small change would turn the outcome, in words; "" where none would."""
    gap, p = float(row["background_gap"]), as_float(row["p_fdr"], 1)
    reasons = []
    if abs(gap - bounds.min_gap) < bounds.near and p <= 2 * bounds.fdr:
        reasons.append(f"a gap of {gap:z.1%} against a floor of {bounds.min_gap:z.0%}")
    if bounds.fdr / 2 < p <= 2 * bounds.fdr and gap >= bounds.min_gap:
        reasons.append(f"a corrected p of {p:z.3f} against {bounds.fdr:g}")
    second, low = as_float(row["background_gap_second_fill"], 0), as_float(row["second_fill_low"], 0)
    if found and (second < bounds.min_gap + bounds.near or low < bounds.near):
        reasons.append(f"a gap of {second:z.1%} under the second fill, with a lower limit of {low:z.1%}")
    attract, least = as_float(row["attract"], -1), as_float(row["attract_low"], -1)
    margin = min(attract - bounds.min_attract, least)
    if found and not passes_alone(row, bounds) and abs(margin) < bounds.near:
        reasons.append(f"a pull of {attract:z.1%}, at least {least:z.1%}, which tells culprit from victim")
    return "; ".join(reasons)


def _fills_disagree(name: str, row: pd.Series) -> str:
    gap, second = float(row["background_gap"]), as_float(row["background_gap_second_fill"])
    return (
        f"Two ways of filling the holes in the backgrounds disagree about {name}: a gap of {gap:z.0%} with inpainting, "
        f"of {second:z.0%} with blur and noise; the effect may come from the fill."
    )


def _sentence(name: str, row: pd.Series, level: str, evidence: Evidence) -> str:
    """What was done and what happened."""
    n = int(row["n_interventions"])
    same, other = float(row["same_background_accuracy"]), float(row["other_background_accuracy"])
    parts = [
        f"{n} of {int(row['n_eligible'])} usable photos of {name} were pasted on other photos' backgrounds: "
        f"{same:z.0%} of the composites on {name} backgrounds are recognised, {other:z.0%} on those of other classes"
    ]
    flipped, becomes = int(row["flipped"]), str(row["becomes"])
    parts[0] += f"; {flipped} of {n} change sides, most often to {becomes}." if flipped and becomes else "."
    parts.append(f"With the object removed, {float(row['background_only_accuracy']):z.0%} are still called {name}.")
    turned = as_float(row["adversarial"])
    if turned > 0:
        parts.append(f"Some background of another class turns {turned:z.0%} of the recognised photos.")
    if level not in ("", "COLLATERAL") and pulls(row, evidence.thresholds):
        parts.append(f"Its backgrounds pull other classes' objects to {name} (by {float(row['attract']):z.0%}).")
    if level == "COLLATERAL":
        parts.append(_culprit(name, row, evidence))
    if level == "CONFIRMED":
        parts.append(_cue(name, row))
    if level == "HIDDEN":
        parts.append("The heatmaps lie on the object and do not show it: the cue is no place in the picture.")
    return " ".join(parts)


def _cue(name: str, row: pd.Series) -> str:
    """What the attended piece of background does, in the order of its effect."""
    removed, lent = as_float(row["cue_removal_effect"], 0), as_float(row["cue_lent_effect"], 0)
    clauses = []
    if visible(removed):
        clauses.append(
            f"inpainting the piece of background that the maps point at {'lowers' if removed > 0 else 'raises'} the "
            f"probability of {name} by {abs(removed):z.0%} more than inpainting an equal piece elsewhere"
        )
    if visible(lent):
        piece = "that piece" if clauses else "the piece of background that the maps point at"
        clauses.append(
            f"putting {piece} behind other classes' objects {'raises' if lent > 0 else 'lowers'} the probability of "
            f"{name} by {abs(lent):z.0%} more than another piece of the same background"
        )
    said = "; ".join(clauses)
    return f"{said[:1].upper()}{said[1:]}."


def _culprit(name: str, row: pd.Series, evidence: Evidence) -> str:
    """The class on whose backgrounds the objects of `name` go over to that class most."""
    alone = (
        f"On neutral backdrops {float(row['neutral_background_accuracy']):z.0%} of its objects are recognised: it "
        "needs no background of its own"
        if len(evidence.classes) == 2
        else f"Its own background neither pulls other objects nor passes for {name} alone"
    )
    matrix = evidence.table("gap_matrix")
    if matrix is None:
        return f"{alone}."
    pairs = matrix[matrix["object_class"] == name].sort_values("pull", ascending=False, kind="stable")
    if pairs.empty:
        return f"{alone}."
    culprit, pull = str(pairs["background_class"].iloc[0]), float(pairs["pull"].iloc[0])
    if not visible(pull):
        return f"{alone}."
    return f"{alone}; {name} falls for the background of {culprit} (by {pull:z.0%}), where the cue is to be looked for."


def why_no_reliance(row: pd.Series) -> str:
    """Why a class has no reliance numbers, or not enough of them."""
    few = row["reliance_reason_code"] in FEW
    return f"{'Not enough photos' if few else 'No composites could be made'}: {row['reliance_reason']}."
