"""Records and composites summed up: the table of images, with what is unusual in their class, and that of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.attraction import attraction
from bias_audit.checks.background.class_reliance import background_only_elsewhere, class_reliance, cue_effect
from bias_audit.config import FIRST_FILL
from bias_audit.heatmaps.permutation_tie import Tie
from bias_audit.run.schema import TABLES
from bias_audit.run.tables import ESTIMATED, OK, series

_ATTENTION_MEANS = (
    "background_share", "background_share_low", "background_share_high", "background_excess_dilated",
    "background_excess_box", "background_lift", "pointing_game", "relevance_rank_accuracy", "iou_half_maximum",
)  # fmt: skip
"""Columns of the images whose mean over the scored images stands in the class table."""


def images_table(
    records: Sequence[Mapping[str, Any]], user: Mapping[str, Sequence[Any]], min_images: int
) -> pd.DataFrame:
    """One row per image, in the order of the data set.

    Args:
        records: column -> value, per image; missing columns become NaN.
        user: the user's own columns; one whose name clashes with ours gets the prefix "user_".
        min_images: scored images a class needs before outliers within it are sought.
    """
    ours = TABLES["images"]
    frame = pd.DataFrame({column.name: series(column, records) for column in ours})
    own = {column.name for column in ours}
    for name, values in user.items():
        frame[f"user_{name}" if name in own else name] = list(values)
    frame = frame.set_index("image_id")
    for _, group in frame.groupby("label"):
        excess = group["background_excess_label"].dropna()
        if len(excess) >= min_images:
            # On a log scale: the excess is bounded near 0 and has a long right tail.
            z = stats.robust_z(np.log(np.maximum(excess.to_numpy(float), 0.01)))
            frame.loc[excess.index, "excess_robust_z"] = z
        swap = group["swap_log_odds"].dropna()
        if len(swap) >= min_images:
            frame.loc[swap.index, "swap_robust_z"] = stats.robust_z(swap.to_numpy(float))
    frame["reliance_rank"] = _rank_by_reliance(frame)
    return frame


def _rank_by_reliance(images: pd.DataFrame) -> pd.Series:
    """1 for the photo that rests on its background most: by the criterion, then the gap, then the swap's log-odds."""
    known = images[images["background_gap"].notna()]
    order = known.assign(resting=known["rests_on_background"].fillna(False).astype(bool)).sort_values(
        ["resting", "background_gap", "swap_log_odds"], ascending=False, kind="stable"
    )
    return pd.Series(np.arange(1, len(order) + 1), index=order.index, dtype="Int64").reindex(images.index)


def classes_table(
    images: pd.DataFrame,
    composites: pd.DataFrame,
    class_names: Sequence[str],
    *,
    seed: int,
    min_photos: int,
    clusters: pd.Series | None = None,
    ties: Mapping[str, Tie] | None = None,
) -> pd.DataFrame:
    """One row per class: accuracy, attention and reliance with intervals; every NaN has a reason beside it.

    Args:
        images: the images table.
        composites: one row per `reliance.Composite`, and its photo's label (class indices).
        class_names: all classes of the model, also those without images.
        seed: of the bootstrap.
        min_photos: photos below which reliance is not tested.
        clusters: group code per image (patient, scene), index as images; None = every photo by itself.
        ties: class name -> permutation test of its maps against its objects.
    """
    exchanged = composites[composites["fill"] == FIRST_FILL]
    groups = None if clusters is None else clusters.to_numpy(np.intp)
    attract, attract_low, attract_high = attraction(exchanged, len(class_names), seed=seed, groups=groups)
    rows = []
    for index, name in enumerate(class_names):
        group = images[images["label"] == name]
        read = group[group["status"] == OK]
        row: dict[str, Any] = {"class_name": name, "n": len(group), "n_read": len(read)}
        right = read["correct"].to_numpy(float)
        row["accuracy"] = right.mean() if len(right) else np.nan
        row["accuracy_low"], row["accuracy_high"] = stats.rate_interval(
            right, clusters=stats.codes_of(clusters, read.index)
        )
        row.update(_attention(read, seed, clusters))
        kinds = read.loc[read["mask_status"] == OK, "mask_kind"]
        row["estimated_masks"] = float((kinds == ESTIMATED).mean()) if len(kinds) else np.nan
        row.update(_tie((ties or {}).get(name), row["attention_reason"]))
        row.update(class_reliance(read, min_photos, seed, clusters))
        row["attract"], row["attract_low"], row["attract_high"] = (
            attract[index],
            attract_low[index],
            attract_high[index],
        )
        for fill in ("", "_second_fill"):
            row[f"background_only_elsewhere{fill}"] = background_only_elsewhere(
                images, name, fill, min_photos=min_photos
            )
        lent = images.loc[images["cue_lent_class"] == name, "cue_lent_effect"].dropna()
        row.update(cue_effect("cue_lent", lent, clusters, min_photos=min_photos, seed=seed))
        rows.append(row)
    frame = pd.DataFrame({column.name: series(column, rows) for column in TABLES["classes"]})
    for corrected, p in (
        ("p_fdr", "p_sign_flip"),
        ("p_cue_removal_fdr", "p_cue_removal"),
        ("p_cue_lent_fdr", "p_cue_lent"),
        ("tie_p_fdr", "tie_p"),
    ):
        frame[corrected] = stats.benjamini_hochberg(frame[p].to_numpy(float))
    frame["background_gap_shrunken"] = _shrunken_gaps(images, frame)
    return frame.set_index("class_name")


def _shrunken_gaps(images: pd.DataFrame, classes: pd.DataFrame) -> NDArray[np.float64]:
    """Gaps drawn towards their mean, the more the fewer photos stand behind them: what classes are ranked by."""
    gaps = images.groupby("label")["background_gap"].var(ddof=1).reindex(classes["class_name"])
    return stats.shrink_means(
        classes["background_gap"].to_numpy(float), gaps.to_numpy(float), classes["n_interventions"].to_numpy(float)
    )


def _attention(read: pd.DataFrame, seed: int, clusters: pd.Series | None) -> dict[str, Any]:
    scored = read["background_excess_label"].dropna()
    row: dict[str, Any] = {"n_attention": len(scored)}
    if scored.empty:
        reasons = read["attention_status"].replace("", pd.NA).dropna()
        row["attention_reason"] = str(reasons.mode().iloc[0]) if len(reasons) else "no readable images"
        return row
    row["attention_reason"] = OK
    row["background_excess"] = scored.mean()
    row["excess_low"], row["excess_high"] = stats.bca_mean_interval(
        scored.to_numpy(float),
        seed=seed,
        clusters=stats.codes_of(clusters, scored.index),
    )
    for name in _ATTENTION_MEANS:
        row[name] = read.loc[scored.index, name].mean()
    return row


def _tie(tie: Tie | None, attention_reason: str) -> dict[str, Any]:
    if tie is None:
        return {"tie_reason": "the maps were not compared"}
    return {
        "n_tie": tie.n,
        "tie_reason": tie.reason if tie.n else attention_reason,
        "tie_effect": tie.effect,
        "tie_effect_perfect": tie.effect_perfect,
        "tie_p": tie.p,
    }
