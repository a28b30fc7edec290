"""The rule BA201 on reliance on the background, from paired composites. The unit is the photo, never the composite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_audit.checks.base import Rule
from bias_audit.checks.outcomes import (
    RuleOutcome,
    answered,
    as_float,
    not_applicable,
    not_excluded,
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
    from bias_audit.checks.outcomes import ClassRow

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
    "adversarial_control",
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
"""Columns of the class table that an outcome of BA201 carries as evidence."""


def follows_background(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA201: the same objects are recognised less often on backgrounds of other classes.

    Found where the background gap is significant (sign-flip test, Benjamini-Hochberg) and large enough. The gap must
    show with a second way of filling the donors' holes too, else the outcome is "not applicable". The level is that of
    `level_of`.
    """
    import numpy as np

    # docs/science.md#background-gap, docs/science.md#fills, docs/science.md#levels
    bounds = evidence.thresholds
    watched = {name for name, compared in evidence.attention.items() if compared.stands_out(bounds)}
    other_of_two = victim_of_two(evidence.rows(), bounds)
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


def level_of(row: ClassRow, bounds: Thresholds, *, watched: bool, victim: bool = False) -> str:
    """Level of a class whose prediction follows the background.

    COLLATERAL for a victim of another class's cue, CONFIRMED where the attended background moves the prediction,
    HIDDEN where the heatmaps lie on the object, else SUSPICIOUS.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
        watched: True where the heatmaps accuse the class as well, or cannot be used; it then cannot be HIDDEN.
        victim: True for the victim among two classes, see `victim_of_two`.
    """
    if victim or not (pulls(row, bounds) or passes_alone(row, bounds)):
        return "COLLATERAL"
    if cue_moves_it(row, bounds):
        return "CONFIRMED"
    return "HIDDEN" if not watched and maps_are_blind(row, bounds) else "SUSPICIOUS"


def pulls(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the class's backgrounds pull the objects of other classes to it, which marks the class with the cue.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    return as_float(row["attract_low"], -1) > 0 and as_float(row["attract"], 0) >= bounds.min_attract


def passes_alone(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the class's photos without their object are still called the class, clearly more often than others.

    The lower limit of the class's own rate is compared with the highest rate among other classes; both fills must show
    it.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    first = as_float(row["background_only_low"], 0) - as_float(row["background_only_elsewhere"], 1)
    second = as_float(row["background_only_second_fill"], 0) - as_float(row["background_only_elsewhere_second_fill"], 1)
    return min(first, second) > bounds.min_background_only


def victim_of_two(rows: Sequence[tuple[str, ClassRow]], bounds: Thresholds) -> str | None:
    """Name of the victim in a data set of two classes: recognised on neutral backdrops while the other class is not.

    With two classes the pull of backgrounds cannot tell culprit from victim: a picture without the cue of one class is
    called the other. On neutral backdrops there is no cue, so the class that was learned with one is lost and its
    victim is not.

    Args:
        rows: pairs of a class name and its row of the class table.
        bounds: thresholds of the rules.

    Returns:
        class name; None where both or neither are recognised, and where there are not two classes.
    """
    if len(rows) != 2:
        return None
    (first, one), (second, other) = rows
    if _stands(one, bounds) and _falls(other, bounds):
        return first
    return second if _stands(other, bounds) and _falls(one, bounds) else None


def _stands(row: ClassRow, bounds: Thresholds) -> bool:
    return as_float(row["neutral_loss_high"]) < bounds.min_background_only


def _falls(row: ClassRow, bounds: Thresholds) -> bool:
    return as_float(row["neutral_loss"]) >= bounds.min_gap and as_float(row["neutral_loss_low"]) > 0


def cue_moves_it(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the piece of background that the maps point at moves the probability, removed or lent to other photos.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    return any(
        as_float(row[f"p_{name}_fdr"], 1) <= bounds.fdr
        and as_float(row[f"{name}_effect"], 0) >= bounds.min_cue
        and as_float(row[f"{name}_low"], 0) > 0
        for name in ("cue_removal", "cue_lent")
    )


def maps_are_blind(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the heatmaps lie on the object, so that who reads them would acquit the class (a tint, a texture).

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules; at least `min_attention` maps must be scored.
    """
    return (
        as_float(row["n_attention"], 0) >= bounds.min_attention
        and as_float(row["excess_high"], 9) < bounds.hidden_excess
    )


def near_threshold(row: ClassRow, bounds: Thresholds, *, found: bool) -> str:
    """Numbers of the outcome that lie close to a threshold, in words; "" where none does.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
        found: whether BA201 found the class.
    """
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
    """The sentence of an outcome: what was done and what happened."""
    n = int(row["n_interventions"])
    same, other = float(row["same_background_accuracy"]), float(row["other_background_accuracy"])
    parts = [
        f"{n} of {int(row['n_eligible'])} usable photos of {name} were pasted on other photos' backgrounds: "
        f"{same:z.0%} of the composites on {name} backgrounds are recognised, {other:z.0%} on those of other classes"
    ]
    flipped, becomes = int(row["flipped"]), str(row["becomes"])
    parts[0] += f"; {flipped} of {n} change sides, most often to {becomes}." if flipped and becomes else "."
    parts.append(f"With the object removed, {float(row['background_only_accuracy']):z.0%} are still called {name}.")
    turned, control = as_float(row["adversarial"]), as_float(row["adversarial_control"])
    if turned > 0 and control >= 0:
        parts.append(
            f"Some background of another class turns {turned:z.0%} of the recognised photos, some of as many "
            f"backgrounds of {name} {control:z.0%}."
        )
    if level not in ("", "COLLATERAL") and pulls(row, evidence.thresholds):
        parts.append(f"Its backgrounds pull other classes' objects to {name} (by {float(row['attract']):z.0%}).")
    if level == "COLLATERAL":
        parts.append(_culprit(name, row, evidence))
    if level == "CONFIRMED":
        parts.append(_cue(name, row))
    if level == "HIDDEN":
        parts.append(
            f"The heatmaps do not show it: they lie mostly on the object (mean background excess "
            f"{float(row['background_excess']):z.2f}, by its interval below {evidence.thresholds.hidden_excess:g})."
        )
    if not level:
        parts.append(not_excluded("a gap", row["gap_high"], "points", n))
    return " ".join(parts)


def _cue(name: str, row: pd.Series) -> str:
    """Sentence on the effects of the attended piece of background: removed, then lent to other photos."""
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
    """Sentence on the likely culprit: the class whose backgrounds pull the objects of `name` most."""
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
    """Why a class could not be judged on reliance, as a sentence.

    Args:
        row: the class's row of the class table.
    """
    few = row["reliance_reason_code"] in FEW
    return f"{'Not enough photos' if few else 'No composites could be made'}: {row['reliance_reason']}."
