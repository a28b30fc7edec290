"""The rule BA201 on reliance on the background, from paired composites. The unit is the photo, never the composite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bias_audit.checks.background import fill_words, mask_words, real_loss, screen_words
from bias_audit.checks.base import Rule
from bias_audit.checks.culprits import (
    Pull,
    Standing,
    is_to_blame,
    level_of,
    passes_alone,
    pulls,
    standings,
)
from bias_audit.checks.outcomes import (
    COLLATERAL,
    FAILS_FROM,
    LEVELS,
    WATCH,
    RuleOutcome,
    answered,
    as_float,
    not_applicable,
    not_excluded,
    number,
    visible,
)
from bias_audit.checks.reasons import (
    FEW,
    FILLS_DISAGREE,
    FILLS_FRAME,
    MASKS_IN_DOUBT,
    NO_COMPOSITES,
    NOT_TESTED,
    OK,
    SCREENED,
    STOPPED,
)
from bias_audit.checks.reliance import fills_disagree, gap_counts, masks_in_doubt, relies, screened, second_fill_shows
from bias_audit.config import Thresholds
from bias_audit.run.quantities import beside_bound, bound, p_value, quantity

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
    "p_second_fill",
    "fill_difference",
    "fill_difference_low",
    "fill_difference_high",
    "background_gap_grown_holes",
    "grown_holes_low",
    "grown_holes_high",
    "n_grown_holes",
    "background_gap_without_strongest",
    "without_strongest_low",
    "without_strongest_high",
    "n_without_strongest",
    "attract_without_strongest",
    "attract_without_strongest_low",
    "p_mcnemar",
    "p_log_odds",
    "swap_log_odds",
    "attract",
    "attract_low",
    "attract_high",
    "p_attract_fdr",
    "largest_pull",
    "p_largest_pull_fdr",
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
    "n_scenes",
    "scene_background_accuracy",
    "scene_low",
    "scene_high",
    "scene_loss",
    "scene_loss_low",
    "scene_loss_high",
    "n_conflicting",
    "n_conforming",
    "conflicting_accuracy",
    "conforming_accuracy",
    "conflict_loss",
    "conflict_low",
    "conflict_high",
)
"""Columns of the class table that an outcome of BA201 carries as evidence."""

INSTEAD = (
    "Other cues to such a class are tested instead: colour, brightness, sharpness and border of the whole photo "
    "(BA301), details that recur in its pictures (BA302) and leaks in the data (BA401 to BA404)."
)
"""What is said of a class whose object fills the picture, beside the reason."""

MOST_PULLS = 3
"""Pulls on one class that a sentence names."""


def follows_background(rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
    """BA201: the same objects are recognised less often on backgrounds of other classes.

    Found where the background gap is significant (sign-flip test, Benjamini-Hochberg) and large enough. Not applicable
    where the class has too few photos for any gap to be significant, and where the gap may come from the way of filling
    the donors' holes. The level says who is to blame (`culprits.standings`): the class itself (`culprits.level_of`, at
    most SUSPICIOUS where the second fill does not show the gap), another class that is named (COLLATERAL), or nobody by
    name (WATCH). Where the gap may come from what the masks missed of the objects, nobody is accused of it (WATCH).
    """
    import numpy as np

    # docs/science.md#background-gap, docs/science.md#fills, docs/science.md#levels
    bounds = evidence.thresholds
    watched = {name for name, compared in evidence.attention.items() if compared.stands_out(bounds)}
    blamed = standings(evidence.rows(), evidence.table("gap_matrix"), bounds)
    outcomes = []
    for name, row in evidence.rows():
        if not np.isfinite(as_float(row["p_fdr"])) or cannot_be_found(row, bounds):
            outcomes.append(not_applicable(rule, "class", name, why_no_reliance(row), row["reliance_reason_code"]))
            continue
        found = relies(row, bounds)
        if not found and gap_counts(row, bounds):
            outcomes.append(not_applicable(rule, "class", name, screen_words.laxer(name, row), SCREENED))
            continue
        if found and fills_disagree(row):
            outcomes.append(not_applicable(rule, "class", name, fill_words.disagreement(name, row), FILLS_DISAGREE))
            continue
        seen = name in watched or bool(evidence.doubt)  # maps that fail their tests cannot acquit, so nothing is hidden
        standing = blamed[name] if found else None
        level = _LEVELS.get(standing.blame) or capped(level_of(row, bounds, watched=seen), row) if standing else ""
        missed = found and masks_in_doubt(row, bounds)
        lowered = missed and LEVELS.index(level) >= LEVELS.index(FAILS_FROM)
        level = WATCH if lowered else level
        near = near_threshold(row, bounds, found=found)
        sentence = _sentence(name, row, level, standing, evidence)
        sentence += (f" {mask_words.missed(row, bounds)}" if lowered else "") + (
            f" Near the threshold: {near}." if near else ""
        )
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
                evidence={
                    **{key: number(row[key]) for key in EVIDENCE},
                    "conflict_column": real_loss.column(row),
                    "near_threshold": near or None,
                    "blame": standing.blame if standing else None,
                    "pulled_by": ", ".join(pull.by for pull in standing.pulls) or None if standing else None,
                    "masks_in_doubt": 1 if missed else None,
                },
                reason_code=MASKS_IN_DOUBT if lowered else "",
            )
        )
    return outcomes


def cannot_be_found(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether a class was tested, but on so few photos that it is not passed though BA201 does not find it.

    Too few to find it whatever they show, or the few of a class whose object fills most of its pictures.

    Args:
        row: the class's row of the class table; its reason says so where it holds (`enough.mark_too_few`).
        bounds: thresholds of the rules.
    """
    return not relies(row, bounds) and row["reliance_reason_code"] in (*FEW, NOT_TESTED, FILLS_FRAME)


def capped(level: str, row: ClassRow) -> str:
    """The level of a finding, at most SUSPICIOUS where the second fill does not show the gap by itself.

    Args:
        level: one of `outcomes.LEVELS`.
        row: the class's row of the class table.
    """
    return "SUSPICIOUS" if level in ("HIDDEN", "CONFIRMED") and not second_fill_shows(row) else level


_LEVELS = {"a culprit": COLLATERAL, "unnamed": WATCH, "unseen": WATCH, "nobody": WATCH, "unproven": WATCH}
"""Who is to blame -> level, where it is not the class itself."""


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
        reasons.append(
            f"a gap of {beside_bound(gap, bounds.min_gap, 'points')} against {bound(bounds.min_gap, 'points')}"
        )
    if bounds.fdr / 2 < p <= 2 * bounds.fdr and gap >= bounds.min_gap:
        reasons.append(f"a corrected {p_value(p)} against {bounds.fdr:g}")
    if found:
        reasons += [said for said in (fill_words.near(row, bounds), mask_words.near(row, bounds)) if said]
    attract, least = as_float(row["attract"], -1), as_float(row["attract_low"], -1)
    margin = max(min(attract - bounds.min_pull_all, least), as_float(row["largest_pull"], -1) - bounds.min_pull)
    if found and not passes_alone(row, bounds) and abs(margin) < bounds.near:
        pull = beside_bound(attract, bounds.min_pull_all, "points")
        lowest = beside_bound(least, 0, "points")
        reasons.append(f"a pull of {pull}, at least {lowest}, which tells culprit from victim")
    return "; ".join(reasons)


def _sentence(name: str, row: pd.Series, level: str, standing: Standing | None, evidence: Evidence) -> str:
    """The sentence of an outcome: what was done, what happened, and who is to blame."""
    n = int(row["n_interventions"])
    same, other = float(row["same_background_accuracy"]), float(row["other_background_accuracy"])
    parts = [
        f"{n} of {int(row['n_eligible'])} usable photos of {name} were pasted onto {real_loss.places(row)}: "
        f"{quantity(same, 'share')} of the composites on {name} backgrounds are recognised, "
        f"{quantity(other, 'share')} on those of other classes"
    ]
    flipped, becomes = int(row["flipped"]), str(row["becomes"])
    parts[0] += f"; {flipped} of {n} photos change sides, most often to {becomes}." if flipped and becomes else "."
    if (alone := number(row["background_only_accuracy"])) is not None:
        parts.append(f"With the object removed, {quantity(alone, 'share')} are still called {name}.")
    parts += real_loss.on_scenes(name, row)
    turned, control = as_float(row["adversarial"]), as_float(row["adversarial_control"])
    if turned > 0 and control >= 0:
        parts.append(
            f"At least one background of another class turns {quantity(turned, 'share')} of the recognised photos; at "
            f"least one of as many backgrounds of {name} turns {quantity(control, 'share')}."
        )
    if level and not second_fill_shows(row):
        parts.append(fill_words.not_shown(row))
    if standing and standing.blame == "itself":
        parts += _why_itself(name, row, evidence.thresholds)
    if standing and standing.blame != "itself":
        parts.append(_blamed_on(name, row, standing, evidence))
    if level:
        parts.append(real_loss.told(name, row))
    if level == "CONFIRMED":
        parts.append(_cue(name, row))
    if level == "HIDDEN":
        parts.append(
            "The heatmaps do not show it: they lie mostly on the object (mean background excess "
            f"{quantity(float(row['background_excess']), 'number')}; its interval lies below "
            f"{bound(evidence.thresholds.hidden_excess, 'number')})."
        )
    if not level and row.get("screening") == STOPPED:
        parts.append(screen_words.stopped(row))
    elif not level:
        parts.append(not_excluded("a gap", row["gap_high"], "points", n))
    return " ".join(parts)


def _cue(name: str, row: pd.Series) -> str:
    """Sentence on the effects of the attended piece of background: removed, then lent to other photos."""
    removed, lent = as_float(row["cue_removal_effect"], 0), as_float(row["cue_lent_effect"], 0)
    clauses = []
    if visible(removed):
        clauses.append(
            f"inpainting the piece of background that the maps point at {'lowers' if removed > 0 else 'raises'} the "
            f"probability of {name} by {quantity(abs(removed), 'points')} more than inpainting an equal piece elsewhere"
        )
    if visible(lent):
        piece = "that piece" if clauses else "the piece of background that the maps point at"
        clauses.append(
            f"putting {piece} behind other classes' objects {'raises' if lent > 0 else 'lowers'} the probability of "
            f"{name} by {quantity(abs(lent), 'points')} more than another piece of the same background does"
        )
    said = "; ".join(clauses)
    return f"{said[:1].upper()}{said[1:]}."


def _why_itself(name: str, row: pd.Series, bounds: Thresholds) -> list[str]:
    """Sentences on why a class is to blame itself, where pulls or neutral backdrops show it."""
    if pulls(row, bounds):
        most = row["pulls_most"]
        known = isinstance(most, str) and most
        one = f"; those of {most} by {quantity(float(row['largest_pull']), 'points')}" if known else ""
        return [
            f"Its backgrounds pull other classes' objects to {name} (by {quantity(float(row['attract']), 'points')}"
            f"{one}), more than backgrounds of third classes and neutral backdrops do."
        ]
    if is_to_blame(row, bounds):
        return []
    return [
        f"On neutral backdrops {quantity(float(row['neutral_background_accuracy']), 'share')} of its objects are "
        "recognised, while most other classes are recognised there almost as often as on their own backgrounds: it "
        "needs a background of its own."
    ]


def _blamed_on(name: str, row: pd.Series, standing: Standing, evidence: Evidence) -> str:
    """Sentences on who is to blame, for a class that is not to blame itself."""
    bounds = evidence.thresholds
    if standing.blame == "unproven":
        return (
            f"A gap below {bound(bounds.clear_gap, 'points')} accuses nobody unless its lower limit is above "
            f"{bound(bounds.min_gap, 'points')}; here it is "
            f"{beside_bound(number(row['gap_low']), bounds.min_gap, 'points')}. More photos would tell."
        )
    alone = (
        f"On neutral backdrops {quantity(float(row['neutral_background_accuracy']), 'share')} of its objects are "
        "recognised: it needs no background of its own"
        if len(evidence.classes) == 2
        else f"Its own backgrounds neither pull other objects nor pass for {name} without an object"
    )
    if standing.blame == "nobody":
        return f"{alone}, and no class's backgrounds are shown to pull its objects, so no class is accused."
    if standing.blame == "unseen":
        return f"{alone}, and there are too few photos to show whose backgrounds pull its objects (BA207)."
    falls = f"{alone}; its objects are pulled by the backgrounds of {told_pulls(standing.pulls)}"
    if standing.blame == "a culprit":
        return f"{falls}: look for the cue there."
    return f"{falls}, a class without a finding of its own, so it is not known whose cue it is (BA207)."


def told_pulls(pulls: Sequence[Pull]) -> str:
    """The strongest pulls on a class in words: "wolf (by 40 pp), fox (by 12 pp)"."""
    told = ", ".join(f"{pull.by} (by {quantity(pull.size, 'points')})" for pull in pulls[:MOST_PULLS])
    return told if len(pulls) <= MOST_PULLS else f"{told} and {len(pulls) - MOST_PULLS} more"


def why_no_reliance(row: pd.Series) -> str:
    """Why a class could not be judged on reliance, as a sentence.

    Args:
        row: the class's row of the class table.
    """
    code = row["reliance_reason_code"]
    if code == FILLS_FRAME:
        said = str(row["reliance_reason"])
        return f"{said[:1].upper()}{said[1:]}, so there is no background to exchange; nothing is missing. {INSTEAD}"
    if code == NO_COMPOSITES:
        return (
            "Not tested: predictions were given instead of a model, and none of them are for composites. bias-audit "
            "composites writes these pictures; give their folder with --composites, and predictions for them."
        )
    if code == OK and screened(row):
        return screen_words.NOT_MADE
    what = "Not enough photos" if code in FEW else "Not tested" if code == NOT_TESTED else "No composites could be made"
    return f"{what}: {row['reliance_reason']}."
