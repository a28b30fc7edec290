"""BA2xx: reliance, from paired interventions. The unit is the photo, never the composite."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.config import Thresholds
from bias_audit.result import RuleOutcome
from bias_audit.rules.evidence import MOST_IDS, Evidence, as_float, not_applicable, number, status_of

EVIDENCE = (
    "accuracy",
    "same_background_accuracy",
    "other_background_accuracy",
    "background_only_accuracy",
    "foreground_only_accuracy",
    "background_gap_second_fill",
    "background_only_second_fill",
    "fill_disagreement",
    "p_sign_flip",
    "attract",
    "attract_low",
    "attract_high",
    "background_excess",
    "flipped",
    "n_eligible",
)
"""Columns of the class table that stand beside a reliance outcome."""


def class_reliance(evidence: Evidence) -> list[RuleOutcome]:
    """BA201: the same objects are recognised less often on backgrounds of other classes (exact McNemar, BH, gap).

    A second way of filling the donors' holes must show it too (SCIENCE C3), else nothing is concluded.

    SUSPICIOUS if the class's own background also pulls other objects or passes for the class without any object;
    COLLATERAL if neither: its objects fall for the cue of another class (SCIENCE E1).
    """
    title, bounds = "prediction follows the background", evidence.thresholds
    chance = 1 / len(evidence.classes)
    outcomes = []
    for name, row in evidence.rows():
        if not np.isfinite(as_float(row["p_fdr"])):
            outcomes.append(not_applicable("BA201", title, "class", name, _why_no_reliance(row)))
            continue
        n, gap = int(row["n_interventions"]), float(row["background_gap"])
        found = float(row["p_fdr"]) <= bounds.fdr and gap >= bounds.min_gap
        if found and not _confirmed_by_second_fill(row, bounds):
            outcomes.append(not_applicable("BA201", title, "class", name, _fills_disagree(name, row)))
            continue
        pulls = as_float(row["attract_low"], -1) > 0
        alone = (
            as_float(row["background_only_low"], 0) > chance + bounds.min_background_only
            and as_float(row["background_only_second_fill"], 0) > chance + bounds.min_background_only
        )
        guilty = pulls or alone
        sentence = _reliance_sentence(name, row, pulls=found and pulls)
        if found and not guilty:
            sentence += _culprit(name, evidence.gap_matrix)
        outcomes.append(
            RuleOutcome(
                "BA201",
                title,
                "class",
                name,
                *status_of(found, "SUSPICIOUS" if guilty else "COLLATERAL", sentence),
                measured=gap,
                threshold=bounds.min_gap,
                low=number(row["gap_low"]),
                high=number(row["gap_high"]),
                n=n,
                p_value=float(row["p_fdr"]),
                image_ids=evidence.worst(name, "background_gap") if found else (),
                evidence={key: number(row[key]) for key in EVIDENCE},
            )
        )
    return outcomes


def _confirmed_by_second_fill(row: pd.Series, bounds: Thresholds) -> bool:
    """The gap under the second fill is as large as the effect floor, and its interval excludes 0."""
    return as_float(row["background_gap_second_fill"], 0) >= bounds.min_gap and as_float(row["second_fill_low"], 0) > 0


def _fills_disagree(name: str, row: pd.Series) -> str:
    gap, second = float(row["background_gap"]), as_float(row["background_gap_second_fill"])
    return (
        f"Two ways of filling the holes in the backgrounds disagree about {name}: a gap of {gap:.0%} with inpainting, "
        f"of {second:.0%} with blur and noise; the effect may come from the fill."
    )


def image_reliance(evidence: Evidence) -> list[RuleOutcome]:
    """BA202: photos whose prediction survives without the object and changes on other backgrounds."""
    title = "images whose prediction rests on the background"
    outcomes = []
    for name, row in evidence.rows():
        group = evidence.images[(evidence.images["label"] == name) & evidence.images["rests_on_background"].notna()]
        if group.empty:
            outcomes.append(not_applicable("BA202", title, "image", name, _why_no_reliance(row)))
            continue
        resting = group[group["rests_on_background"].astype(bool)]
        resting = resting.sort_values("background_gap", ascending=False, kind="stable")
        low, high = stats.wilson(len(resting), len(group))
        sentence = (
            f"{len(resting)} of {len(group)} photos of {name} are still predicted the same, with more than "
            "50 % probability, when the object itself is removed, and differently on most other backgrounds."
        )
        outcomes.append(
            RuleOutcome(
                "BA202",
                title,
                "image",
                name,
                *status_of(len(resting) > 0, "WATCH", sentence),
                measured=len(resting) / len(group),
                low=low,
                high=high,
                n=len(group),
                image_ids=tuple(resting.index[:MOST_IDS]),
            )
        )
    return outcomes


def _reliance_sentence(name: str, row: pd.Series, *, pulls: bool) -> str:
    n = int(row["n_interventions"])
    same, other = float(row["same_background_accuracy"]), float(row["other_background_accuracy"])
    head = f"{n} of {int(row['n_eligible'])} usable photos of {name} were pasted on other photos' backgrounds: "
    body = f"{same:.0%} of the composites on {name} backgrounds are recognised, {other:.0%} on those of other classes"
    flipped, becomes = int(row["flipped"]), str(row["becomes"])
    turned = f"; {flipped} of {n} change sides, most often to {becomes}" if flipped and becomes else ""
    alone = f" With the object removed, {float(row['background_only_accuracy']):.0%} are still called {name}."
    pull = f" Its backgrounds pull other classes' objects to {name} (by {float(row['attract']):.0%})." if pulls else ""
    return f"{head}{body}{turned}.{alone}{pull}"


def _culprit(name: str, gap_matrix: pd.DataFrame) -> str:
    """The class on whose backgrounds the objects of `name` go over to that class most."""
    row = gap_matrix[gap_matrix["object_class"] == name].sort_values("pull", ascending=False, kind="stable").iloc[0]
    culprit, pull = str(row["background_class"]), float(row["pull"])
    return (
        f" Its own background neither pulls other objects nor passes for {name} alone: "
        f"{name} falls for the background of {culprit} (by {pull:.0%}), where the cue is to be looked for."
    )


def _why_no_reliance(row: pd.Series) -> str:
    reason = str(row["reliance_reason"])
    return f"Not enough photos: {reason}." if reason.startswith("only") else f"No composites could be made: {reason}."
