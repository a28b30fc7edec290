"""What the photos of a class say together about reliance: rates, paired effects, intervals and tests.

The unit is the photo, or the group of photos where the user names one (patient, scene). See
docs/science.md#interventions and docs/science.md#statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.reasons import NO_READABLE, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.run.statuses import DONE, DONE_BEFORE, NOT_SAMPLED

Codes = NDArray[np.intp]

SIGN_FLIPS = 10_000
"""Permutations of a sign-flip test: p is known to 1e-4, which Benjamini-Hochberg needs over up to 500 classes."""

RATES = {
    "background_only": "background_only_right",
    "foreground_only": "foreground_only_right",
    "adversarial": "adversarial",
    "cut_out_gain": "cut_out_gain",
}
"""Class rate -> column of the photos it is the mean of; each with a Wilson interval."""


def class_effects(read: pd.DataFrame, min_photos: int, seed: int, groups: pd.Series | None = None) -> dict[str, Any]:
    """Reliance columns of one class.

    Args:
        read: its rows of the images table, readable ones.
        min_photos: photos, or groups, below which nothing is tested.
        seed: of bootstrap and permutations.
        groups: group code per image, same index; None = every photo by itself.

    Returns:
        columns of `schema.CLASSES`.
    """
    done = read[read["background_gap"].notna()]
    n = len(done)
    eligible = read["intervention_status"].isin([DONE, DONE_BEFORE, NOT_SAMPLED])
    row: dict[str, Any] = {"n_interventions": n, "n_eligible": int(eligible.sum())}
    if n == 0:
        reasons = read["intervention_status"].replace("", pd.NA).dropna()
        row["reliance_reason"] = str(reasons.mode().iloc[0]) if len(reasons) else NO_READABLE
        row["reliance_reason_code"] = row["reliance_reason"]
        return row
    codes = stats.codes_of(groups, done.index)
    units = stats.count_units(n, codes)
    row["n_clusters"] = units
    what = "photos" if codes is None else "groups of photos"
    row["reliance_reason"] = row["reliance_reason_code"] = OK
    if units < min_photos:
        row["reliance_reason"] = f"only {units} {what}, {min_photos} needed for a test"
        row["reliance_reason_code"] = TOO_FEW if codes is None else TOO_FEW_GROUPS
    row.update(_exchanged(done, codes))
    if units >= min_photos:
        row.update(_tests(done, codes, seed))
    row.update(_second_fill(done, groups, row["background_gap"]))
    done = done.assign(
        background_only_right=done["background_only_predicted"] == done["label"],
        foreground_only_right=done["foreground_only_predicted"] == done["label"],
    )
    for name, column in RATES.items():
        row.update(_rate(name, done[column], groups))
    row.update(_beside(done, groups, seed))
    effects = done["cue_removal_effect"].dropna()
    row.update(cue_effect("cue_removal", effects, groups, min_photos=min_photos, seed=seed))
    row["n_rests_on_background"] = int(done["rests_on_background"].fillna(False).sum())
    return row


def _exchanged(done: pd.DataFrame, codes: Codes | None) -> dict[str, Any]:
    row: dict[str, Any] = {}
    same, other = (done[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("same", "other"))
    for arm, values in (("same", same), ("other", other)):
        row[f"{arm}_background_accuracy"] = values.mean()
        row[f"{arm}_low"], row[f"{arm}_high"] = stats.rate_interval(values, groups=codes)
    row["background_gap"] = (same - other).mean()
    row["gap_low"], row["gap_high"] = stats.paired_difference_interval(same, other, groups=codes)
    for arm in ("random", "next"):
        row[f"{arm}_background_accuracy"] = done[f"{arm}_background_accuracy"].mean()
    row["swap_log_odds"] = done["swap_log_odds"].mean()
    row["flipped"], _ = _changed_sides(done)
    wrong = done.loc[done["other_background_predicted"] != done["label"], "other_background_predicted"]
    row["becomes"] = str(wrong.mode().iloc[0]) if len(wrong) else ""
    return row


def _changed_sides(done: pd.DataFrame) -> tuple[int, int]:
    """Photos lost and gained on other backgrounds, by the majority of a photo's composites."""
    same, other = (done[f"{arm}_background_accuracy"] > 0.5 for arm in ("same", "other"))
    return int((same & ~other).sum()), int((~same & other).sum())


def _tests(done: pd.DataFrame, codes: Codes | None, seed: int) -> dict[str, Any]:
    same, other = (done[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("same", "other"))
    row: dict[str, Any] = {
        "p_sign_flip": stats.sign_flip(same - other, seed=seed, permutations=SIGN_FLIPS, groups=codes),
        "p_log_odds": stats.sign_flip(
            done["swap_log_odds"].to_numpy(float), seed=seed, permutations=SIGN_FLIPS, groups=codes
        ),
    }
    if codes is None:  # a photo of a group is no trial of its own
        row["p_mcnemar"] = stats.mcnemar(*_changed_sides(done))
    return row


def _second_fill(done: pd.DataFrame, groups: pd.Series | None, first_gap: float) -> dict[str, Any]:
    rows = done[done["background_gap_second_fill"].notna()]
    if rows.empty:
        return {}
    same, other = (rows[f"{arm}_background_accuracy_second_fill"].to_numpy(float) for arm in ("same", "other"))
    gap = float((same - other).mean())
    low, high = stats.paired_difference_interval(same, other, groups=stats.codes_of(groups, rows.index))
    return {
        "background_gap_second_fill": gap,
        "second_fill_low": low,
        "second_fill_high": high,
        "fill_disagreement": abs(first_gap - gap),
        "background_only_second_fill": (rows["background_only_predicted_second_fill"] == rows["label"]).mean(),
    }


def _rate(name: str, values: pd.Series, groups: pd.Series | None) -> dict[str, Any]:
    known = values.dropna().astype(bool)
    n = len(known)
    low, high = stats.rate_interval(known.to_numpy(float), groups=stats.codes_of(groups, known.index))
    suffix = "" if name in ("adversarial", "cut_out_gain") else "_accuracy"
    return {f"{name}{suffix}": known.mean() if n else np.nan, f"{name}_low": low, f"{name}_high": high, f"n_{name}": n}


def _beside(done: pd.DataFrame, groups: pd.Series | None, seed: int) -> dict[str, Any]:
    """Experiments that stand beside the gap: no background, what erasing costs, noise, and the background's share."""
    neutral, same = (done[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("neutral", "same"))
    row: dict[str, Any] = {"neutral_background_accuracy": neutral.mean(), "neutral_loss": (same - neutral).mean()}
    row["neutral_loss_low"], row["neutral_loss_high"] = stats.paired_difference_interval(
        same, neutral, groups=stats.codes_of(groups, done.index)
    )
    held = done[done["control_right"].notna()]
    if len(held):
        control, removed = (held[f"{arm}_right"].to_numpy(float) for arm in ("control", "background_only"))
        row["removal_effect"] = float((control - removed).mean())
        row["removal_low"], row["removal_high"] = stats.paired_difference_interval(
            control, removed, groups=stats.codes_of(groups, held.index)
        )
    row["n_control"] = len(held)
    noisy_object, noisy_background = done["noisy_object_right"].mean(), done["noisy_background_right"].mean()
    row["noisy_object_accuracy"], row["noisy_background_accuracy"] = noisy_object, noisy_background
    row["relative_foreground_sensitivity"] = relative_foreground_sensitivity(noisy_object, noisy_background)
    shares = done["shapley_background_share"].dropna()
    row["shapley_background_share"] = shares.mean() if len(shares) else np.nan
    row["shapley_low"], row["shapley_high"] = stats.bca_mean_interval(
        shares.to_numpy(float),
        seed=seed,
        groups=stats.codes_of(groups, shares.index),
    )
    return row


def relative_foreground_sensitivity(noisy_object: float, noisy_background: float) -> float:
    """RFS = (a_bg - a_fg) / (2 min(a, 1 - a)), a their mean (Moayeri et al. 2022).

    Args:
        noisy_object, noisy_background: accuracy with noise on the object, on the background, 0..1.

    Returns:
        -1..1: positive where noise on the object hurts more; NaN where both are 0 or both are 1.
    """
    mean = (noisy_object + noisy_background) / 2
    return float((noisy_background - noisy_object) / (2 * min(mean, 1 - mean))) if 0 < mean < 1 else float("nan")


def cue_effect(
    name: str, effects: pd.Series, groups: pd.Series | None, *, min_photos: int, seed: int
) -> dict[str, Any]:
    """Does the attended piece of background move the probability more than an equal piece elsewhere?

    Args:
        name: prefix of the columns.
        effects: difference of probabilities per photo, -1..1.
        groups: as in `class_effects`; holds at least the index of `effects`.

    Returns:
        mean effect, BCa interval, number of photos and, from min_photos on, the sign-flip p.
    """
    values = effects.to_numpy(float)
    codes = stats.codes_of(groups, effects.index)
    row: dict[str, Any] = {f"n_{name}": len(values), f"{name}_effect": values.mean() if len(values) else np.nan}
    row[f"{name}_low"], row[f"{name}_high"] = stats.bca_mean_interval(values, seed=seed, groups=codes)
    if stats.count_units(len(values), codes) >= min_photos:
        row[f"p_{name}"] = stats.sign_flip(values, seed=seed, permutations=SIGN_FLIPS, groups=codes)
    return row


def background_only_elsewhere(images: pd.DataFrame, name: str, fill: str = "", *, min_photos: int = 1) -> float:
    """How often emptied photos of another class are called this class: of the class of which most are.

    A net calls a picture without an object something, often the same thing; and emptied photos that carry another
    class's cue go there. So a class's own emptied photos are compared with those of the class nearest to it.

    Args:
        images: the images table.
        name: the class.
        fill: suffix of the column, "" or "_second_fill".
        min_photos: classes with fewer emptied photos count together.

    Returns:
        0..1; NaN without photos of other classes.
    """
    others = images[(images["label"] != name) & images["background_gap"].notna()]
    if others.empty:
        return float("nan")
    called = (others[f"background_only_predicted{fill}"] == name).groupby(others["label"]).agg(["mean", "size"])
    large = called.loc[called["size"] >= min_photos, "mean"]
    small = called[called["size"] < min_photos]
    rates = [*large] + ([float((small["mean"] * small["size"]).sum() / small["size"].sum())] if len(small) else [])
    return float(max(rates))
