"""Composites -> what each photo says about reliance: one row per photo, one column per experiment (SCIENCE C2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import reliance as arms
from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.interventions import BACKDROPS, FILLS

Floats = NDArray[np.floating]

FIRST_BACKDROP = next(iter(BACKDROPS))

CONSENSUS = 0.75
"""Share of the backdrops on which a wrong photo must turn right before its background is blamed for the error."""


def photo_reliance(composites: pd.DataFrame, photos: pd.DataFrame, blank: Floats) -> pd.DataFrame:
    """One row per photo that was intervened on.

    Args:
        composites: one row per `reliance.Composite`, and `label` of its photo (class indices).
        photos: index = sample position; columns label, predicted (class indices) and log_odds_label of the photo as
            it is.
        blank: (K,) log-odds of a black picture: neither object nor background.

    Returns:
        index = sample position; columns of `schema.IMAGES`, classes still as indices. NaN where an arm was not made.
    """
    made = composites.assign(right=composites["predicted"] == composites["label"])
    keys = ["photo", "arm", "fill"]
    right = made.groupby(keys)["right"].mean()
    first = made.drop_duplicates(keys).set_index(keys)
    table = pd.DataFrame(index=pd.Index(sorted(made["photo"].unique()), name="photo"))
    photos = photos.loc[table.index]

    def share(arm: str, fill: str) -> pd.Series:
        return _level(right, arm, fill).reindex(table.index)

    def of_first(column: str, arm: str, fill: str) -> pd.Series:
        return _level(first[column], arm, fill).reindex(table.index)

    for fill, suffix in ((FIRST_FILL, ""), (SECOND_FILL, "_second_fill")):
        same, other = share(arms.SAME, fill), share(arms.OTHER, fill)
        table[f"same_background_accuracy{suffix}"], table[f"other_background_accuracy{suffix}"] = same, other
        table[f"background_gap{suffix}"] = same - other
        table[f"background_only_predicted{suffix}"] = of_first("predicted", arms.BACKGROUND, fill)
        table[f"control_right{suffix}"] = share(arms.CONTROL, fill)
    same, other = table["same_background_accuracy"], table["other_background_accuracy"]
    table["random_background_accuracy"] = same / len(blank) + other * (len(blank) - 1) / len(blank)
    table["next_background_accuracy"] = share(arms.NEXT, FIRST_FILL)
    exchanged = made[(made["fill"] == FIRST_FILL) & made["arm"].isin((arms.SAME, arms.OTHER))]
    odds = exchanged.groupby(["photo", "arm"])["log_odds"].mean().unstack()
    table["swap_log_odds"] = odds.get(arms.SAME, np.nan) - odds.get(arms.OTHER, np.nan)
    table["adversarial"] = (other < 1).where((same > 0.5) & other.notna())
    on_others = made[(made["arm"] == arms.OTHER) & (made["fill"] == FIRST_FILL)]
    table["other_background_predicted"] = on_others.groupby("photo")["predicted"].agg(lambda rows: rows.mode().iloc[0])

    alone, only = (arms.BACKGROUND, FIRST_FILL), (arms.FOREGROUND, FIRST_BACKDROP)
    table["background_only_probability"] = of_first("probability", *alone)
    table["foreground_only_predicted"] = of_first("predicted", *only)
    table["foreground_only_probability"] = of_first("probability", *only)
    table["background_only_fills"] = pd.concat([share(arms.BACKGROUND, fill) for fill in FILLS], axis=1).mean(axis=1)
    neutral = pd.concat([share(arms.FOREGROUND, backdrop) for backdrop in BACKDROPS], axis=1).mean(axis=1)
    table["neutral_background_accuracy"] = neutral
    wrong = photos["predicted"] != photos["label"]
    table["cut_out_gain"] = (neutral >= CONSENSUS).where(wrong)
    for column, arm in (("noisy_object_right", arms.NOISY_OBJECT), ("noisy_background_right", arms.NOISY_BACKGROUND)):
        table[column] = share(arm, "")
    table["shapley_background_share"] = shapley_background_share(
        photos["log_odds_label"].to_numpy(float),
        of_first("log_odds", *only).to_numpy(float),
        of_first("log_odds", *alone).to_numpy(float),
        blank[photos["label"].to_numpy(int)],
    )
    probability, lent = _by_arm(first, "probability"), _by_arm(first, "donor_probability")
    table["cue_removal_effect"] = probability(arms.CUE_REMOVED_CONTROL) - probability(arms.CUE_REMOVED)
    table["cue_lent_effect"] = lent(arms.CUE_LENT) - lent(arms.CUE_LENT_CONTROL)
    table["cue_lent_class"] = of_first("donor_label", arms.CUE_LENT, FIRST_FILL)

    # SCIENCE E1, image level: sure of it without the object, and another class on other backgrounds.
    survives = (table["background_only_predicted"] == photos["predicted"]) & (
        of_first("probability_predicted", *alone) > 0.5
    )
    elsewhere = on_others["predicted"] != on_others["photo"].map(photos["predicted"])
    changed = elsewhere.groupby(on_others["photo"]).mean().reindex(table.index)
    table["rests_on_background"] = (survives & (changed > 0.5)).where(changed.notna())
    return table


def shapley_background_share(both: Floats, object_only: Floats, background_only: Floats, neither: Any) -> Floats:
    """Background's part of the evidence, two players and four forward passes (Shapley 1953; SCIENCE E1).

    phi_bg = ((T11 - T10) + (T01 - T00)) / 2 and phi_fg likewise; the share is phi_bg / (|phi_bg| + |phi_fg|).

    Args:
        both, object_only, background_only, neither: (n,) log-odds of the label.

    Returns:
        (n,) in -1..1: 1 = background alone, 0 = object alone, negative = the background speaks against the label.
        NaN where nothing moves the prediction.
    """
    background = ((both - object_only) + (background_only - neither)) / 2
    thing = ((both - background_only) + (object_only - neither)) / 2
    total = np.abs(background) + np.abs(thing)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, background / total, np.nan))


def add_interventions(
    records: Sequence[dict[str, Any]],
    composites: pd.DataFrame,
    class_names: Sequence[str],
    blank: Floats,
) -> None:
    """Fill the intervention columns of the image records; arguments as in `photo_reliance`, records by position."""
    if composites.empty:
        return
    positions = sorted(map(int, composites["photo"].unique()))
    index = {name: i for i, name in enumerate(class_names)}
    photos = pd.DataFrame(
        {
            "label": [index[records[i]["label"]] for i in positions],
            "predicted": [index[records[i]["predicted"]] for i in positions],
            "log_odds_label": [records[i].get("log_odds_label", np.nan) for i in positions],
        },
        index=positions,
    )
    table = photo_reliance(composites, photos, blank)
    for column in [name for name in table if str(name).endswith(("_predicted", "_predicted_second_fill", "_class"))]:
        table[column] = table[column].map(dict(enumerate(class_names)))
    for position, row in table.astype(object).to_dict("index").items():
        records[int(str(position))].update(
            {str(name): None if pd.isna(value) else value for name, value in row.items()}
        )


def _level(values: pd.Series, arm: str, fill: str) -> pd.Series:
    """Values of one arm and fill, by photo; empty where the arm was not made."""
    chosen = values[(values.index.get_level_values("arm") == arm) & (values.index.get_level_values("fill") == fill)]
    return chosen.droplevel(["arm", "fill"])


def _by_arm(first: pd.DataFrame, column: str) -> Any:
    return lambda arm: _level(first[column], arm, FIRST_FILL)
