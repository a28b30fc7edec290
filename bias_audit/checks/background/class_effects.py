"""Reliance of one class on the background, from its photos: rates, paired effects, intervals and tests.

The unit is the photo, or the group of photos where the user names one (patient, scene). See
docs/science.md#interventions and docs/science.md#statistics.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background.fills import compared_fills
from bias_audit.checks.reasons import OK, TOO_FEW, TOO_FEW_GROUPS, most_frequent
from bias_audit.run.statuses import (
    DONE,
    DONE_BEFORE,
    FILLS_FRAME,
    NO_USABLE_MASK,
    NOT_OUTLINED,
    NOT_SAMPLED,
    SCREENED,
    SWITCHED_OFF,
)

Codes = NDArray[np.intp]

RATES = {
    "background_only": "background_only_right",
    "foreground_only": "foreground_only_right",
    "adversarial": "adversarial",
    "adversarial_control": "adversarial_control",
    "cut_out_gain": "cut_out_gain",
}
"""Rate of a class -> column of the photos whose mean it is; each rate has a Wilson interval."""


def class_effects(
    read: pd.DataFrame,
    min_photos: int,
    seed: int,
    groups: pd.Series | None = None,
    *,
    draws: int = stats.ENOUGH_DRAWS,
    short: bool = False,
) -> dict[str, Any]:
    """Reliance columns of one class, from the effects of its photos.

    Args:
        read: the class's readable images, rows of the images table.
        min_photos: with fewer photos (or groups) nothing is tested.
        seed: seed of bootstrap and permutations.
        groups: group code per image, index as `read` or larger; None = every photo is a group of its own.
        draws: most random sign patterns of a test, see `stats.draws_for`.
        short: whether the class did not get all composites (`reliance.screened`).

    Returns:
        column name -> value, names as in `columns.OF_CLASSES`; columns without a value are left out. Those that need
        composites which the class did not get mean nothing (`needs.missing_of_class`).
    """
    done = read[read["background_gap"].notna()]
    n = len(done)
    eligible = read["intervention_status"].isin([DONE, DONE_BEFORE, NOT_SAMPLED, SCREENED])
    row: dict[str, Any] = {"n_interventions": n, "n_eligible": int(eligible.sum()), **_filled(read)}
    if n == 0:
        row["reliance_reason"] = most_frequent(read["intervention_status"].fillna("").tolist(), ("", NOT_OUTLINED))
        row["reliance_reason_code"] = row["reliance_reason"]
        return row
    codes = stats.codes_of(groups, done.index)
    units = stats.count_units(n, codes)
    row["n_units"] = units
    what = "photos" if codes is None else "groups of photos"
    row["reliance_reason"] = row["reliance_reason_code"] = OK
    if units < min_photos:
        row["reliance_reason"] = f"only {units} {what}, {min_photos} needed for a test"
        row["reliance_reason_code"] = TOO_FEW if codes is None else TOO_FEW_GROUPS
    row.update(_exchanged(done, codes))
    if units >= min_photos:
        row.update(_tests(done, codes, seed, draws))
        row.update(compared_fills(done, groups, seed, draws))
    second = _second_fill(done, groups, row["background_gap"])
    if short and not second:  # photos may be emptied by the second fill, with nothing pasted on backgrounds with it
        second = _emptied_second(done[done["background_only_predicted_second_fill"] != ""], groups)
    row.update(second)
    row.update(_grown_holes(done, groups))
    row.update(_on_scenes(done, groups))
    done = done.assign(
        background_only_right=done["background_only_predicted"] == done["label"],
        foreground_only_right=done["foreground_only_predicted"] == done["label"],
    )
    for name, column in RATES.items():
        row.update(_rate(name, done[column], groups))
    row.update(_beside(done, groups, seed))
    effects = done["cue_removal_effect"].dropna()
    row.update(cue_effect("cue_removal", effects, groups, min_photos=min_photos, seed=seed, draws=draws))
    row["n_rests_on_background"] = int(done["rests_on_background"].fillna(False).sum())
    return row


def _filled(read: pd.DataFrame) -> dict[str, Any]:
    """How many photos have a usable mask, and in how many of them the object leaves no background to exchange."""
    status = read["intervention_status"]
    outlined = ~status.isin(["", NO_USABLE_MASK, NOT_OUTLINED, SWITCHED_OFF])
    return {"n_outlined": int(outlined.sum()), "n_fills_frame": int((status == FILLS_FRAME).sum())}


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
    """(lost, gained): photos right on same-class and wrong on other-class backgrounds, and the reverse.

    A photo counts as right where more than half of its composites are.
    """
    same, other = (done[f"{arm}_background_accuracy"] > 0.5 for arm in ("same", "other"))
    return int((same & ~other).sum()), int((~same & other).sum())


def _tests(done: pd.DataFrame, codes: Codes | None, seed: int, draws: int) -> dict[str, Any]:
    same, other = (done[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("same", "other"))
    row: dict[str, Any] = {
        "p_sign_flip": stats.sign_flip(same - other, seed=seed, permutations=draws, groups=codes),
        "p_log_odds": stats.sign_flip(
            done["swap_log_odds"].to_numpy(float), seed=seed, permutations=draws, groups=codes
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
    codes = stats.codes_of(groups, rows.index)
    low, high = stats.paired_difference_interval(same, other, groups=codes)
    return {
        "background_gap_second_fill": gap,
        "second_fill_low": low,
        "second_fill_high": high,
        "fill_disagreement": abs(first_gap - gap),
        **_emptied_second(rows, groups),
    }


def _emptied_second(rows: pd.DataFrame, groups: pd.Series | None) -> dict[str, Any]:
    """How often photos emptied by the second fill are still called the class; {} without any."""
    if rows.empty:
        return {}
    right = (rows["background_only_predicted_second_fill"] == rows["label"]).to_numpy(float)
    codes = stats.codes_of(groups, rows.index)
    return {
        "background_only_second_fill": right.mean(),
        "background_only_second_fill_low": stats.rate_interval(right, groups=codes)[0],
    }


def _grown_holes(done: pd.DataFrame, groups: pd.Series | None) -> dict[str, Any]:
    """The gap on backgrounds with grown holes; {} in runs made before there were such: nothing is in doubt there."""
    if done["grown_holes_donors"].isna().all():
        return {}
    rows = done[done["background_gap_grown_holes"].notna()]
    codes = stats.codes_of(groups, rows.index)
    row: dict[str, Any] = {"n_grown_holes": len(rows), "n_units_grown_holes": stats.count_units(len(rows), codes)}
    if len(rows):
        same, other = (rows[f"{arm}_background_accuracy_grown_holes"].to_numpy(float) for arm in ("same", "other"))
        row["background_gap_grown_holes"] = float((same - other).mean())
        row["grown_holes_low"], row["grown_holes_high"] = stats.paired_difference_interval(same, other, groups=codes)
    return row


def _on_scenes(done: pd.DataFrame, groups: pd.Series | None) -> dict[str, Any]:
    """Columns of the objects on real scenes of no class; {} where there are none."""
    rows = done[done["scene_background_accuracy"].notna()]
    if rows.empty:
        return {}
    codes = stats.codes_of(groups, rows.index)
    same, scene = (rows[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("same", "scene"))
    low, high = stats.rate_interval(scene, groups=codes)
    loss_low, loss_high = stats.paired_difference_interval(same, scene, groups=codes)
    return {
        "scene_background_accuracy": scene.mean(),
        "scene_low": low,
        "scene_high": high,
        "scene_loss": (same - scene).mean(),
        "scene_loss_low": loss_low,
        "scene_loss_high": loss_high,
    }


def _rate(name: str, values: pd.Series, groups: pd.Series | None) -> dict[str, Any]:
    known = values.dropna().astype(bool)
    n = len(known)
    low, high = stats.rate_interval(known.to_numpy(float), groups=stats.codes_of(groups, known.index))
    suffix = "" if name in ("adversarial", "adversarial_control", "cut_out_gain") else "_accuracy"
    return {f"{name}{suffix}": known.mean() if n else np.nan, f"{name}_low": low, f"{name}_high": high, f"n_{name}": n}


def _beside(done: pd.DataFrame, groups: pd.Series | None, seed: int) -> dict[str, Any]:
    """Experiments beside the background gap: neutral backdrops, control holes, noise, and the Shapley share."""
    row: dict[str, Any] = {}
    if done["neutral_background_accuracy"].notna().any():  # all photos of a class have it, or none
        neutral, same = (done[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("neutral", "same"))
        row = {"neutral_background_accuracy": neutral.mean(), "neutral_loss": (same - neutral).mean()}
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
    row["shapley_low"], row["shapley_high"] = stats.mean_interval(
        shares.to_numpy(float), seed=seed, groups=stats.codes_of(groups, shares.index), least=-1.0, most=1.0
    )
    return row


def relative_foreground_sensitivity(noisy_object: float, noisy_background: float) -> float:
    """Relative foreground sensitivity: does noise hurt more on the object than on the background?

    RFS = (a_bg - a_fg) / (2 min(a, 1 - a)), where a_fg and a_bg are the accuracies with noise on the object and on the
    background, and a is their mean (Moayeri et al. 2022).

    Args:
        noisy_object, noisy_background: a_fg and a_bg, 0..1.

    Returns:
        -1..1: positive where noise on the object hurts more; NaN where both are 0 or both are 1.
    """
    mean = (noisy_object + noisy_background) / 2
    return float((noisy_background - noisy_object) / (2 * min(mean, 1 - mean))) if 0 < mean < 1 else float("nan")


def cue_effect(
    name: str,
    effects: pd.Series,
    groups: pd.Series | None,
    *,
    min_photos: int,
    seed: int,
    draws: int = stats.ENOUGH_DRAWS,
) -> dict[str, Any]:
    """Mean effect of the attended piece of background on the probability, beyond an equal piece elsewhere.

    Args:
        name: stem of the column names, "cue_removal" or "cue_lent".
        effects: difference of probabilities per photo, -1..1.
        groups: group code per image, as in `class_effects`; holds at least the index of `effects`.
        min_photos: photos (or groups) that the test needs.
        seed: seed of bootstrap and permutations.
        draws: most random sign patterns of the test, see `stats.draws_for`.

    Returns:
        column name -> value: number of photos, mean effect (NaN without photos), ends of its 95 % bootstrap-t interval
        and, with at least `min_photos`, the two-sided sign-flip p.
    """
    values = effects.to_numpy(float)
    codes = stats.codes_of(groups, effects.index)
    row: dict[str, Any] = {f"n_{name}": len(values), f"{name}_effect": values.mean() if len(values) else np.nan}
    row[f"{name}_low"], row[f"{name}_high"] = stats.mean_interval(values, seed=seed, groups=codes, least=-1.0, most=1.0)
    if stats.count_units(len(values), codes) >= min_photos:
        row[f"p_{name}"] = stats.sign_flip(values, seed=seed, permutations=draws, groups=codes)
    return row


class Elsewhere:
    """How often photos of other classes are called a class once their object is removed: the highest such rate.

    A network must call a picture without an object something, and often it is the same class. So the rate at which a
    class's own emptied photos are still called that class is compared with the largest rate of any other class.

    Args:
        images: the images table.
        fill: suffix of the column, "" or "_second_fill".
        min_photos: classes with fewer emptied photos are taken together as one.
    """

    def __init__(self, images: pd.DataFrame, fill: str = "", *, min_photos: int = 1) -> None:
        emptied = images[images["background_gap"].notna()]
        labels = emptied["label"].tolist()
        self._sizes = Counter(labels)
        self._large = {label for label, size in self._sizes.items() if size >= min_photos}
        self._in_small = sum(size for label, size in self._sizes.items() if label not in self._large)
        self._called: dict[str, dict[str, int]] = {}  # what photos are called -> label -> how many of it are
        pairs = Counter(zip(labels, emptied[f"background_only_predicted{fill}"].tolist(), strict=True))
        for (label, called), count in pairs.items():
            self._called.setdefault(called, {})[label] = count

    def of(self, name: str) -> float:
        """The rate for a class, in 0..1; NaN without photos of other classes."""
        called = {label: count for label, count in self._called.get(name, {}).items() if label != name}
        rates = [count / self._sizes[label] for label, count in called.items() if label in self._large]
        if few := self._in_small - (0 if name in self._large else self._sizes[name]):
            rates.append(sum(count for label, count in called.items() if label not in self._large) / few)
        if len(self._large) > (name in self._large):
            rates.append(0.0)  # of those that are never called so
        return max(rates, default=float("nan"))
