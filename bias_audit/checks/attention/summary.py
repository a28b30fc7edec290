"""The columns of attention that the check adds to the shared tables, made from the scores of the heatmaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.checks.attention.columns import OF_CLASSES
from bias_audit.checks.base import Photos
from bias_audit.checks.reasons import NO_MAPS, NOT_MEASURED, OK, most_frequent
from bias_audit.checks.within_class import outlier_p_within, robust_z_within
from bias_audit.heatmaps.permutation_tie import Tie
from bias_audit.run.tables import ESTIMATED, frame

MEANS = (
    "background_share", "background_share_low", "background_share_high", "background_excess_dilated",
    "background_excess_box", "background_lift", "pointing_game", "relevance_rank_accuracy", "iou_half_maximum",
)  # fmt: skip
"""Columns of the images table; the class table holds their mean over the class's scored images."""

WHY_NO_MAPS = "there are no heatmaps"
"""Why a class has no attention scores whose photos are NO_MAPS, as the end of a sentence."""

TAKEN_FOR = 0.5
"""Probability of its class above which a photo is taken for it, as in BA202."""


def compared(images: pd.DataFrame) -> pd.DataFrame:
    """The columns COMPARED: each photo's background excess against its class, as a robust z and as a chance.

    The second is asked of photos only that the model takes for their class: the map of a class that it does not see in
    a photo lies anywhere, which is a symptom of the wrong prediction.

    Args:
        images: the images table.
    """
    excess, labels = images["background_excess_label"], images["label"]
    taken = (images["probability_label"] > TAKEN_FOR).fillna(False).astype(bool)
    columns = {
        "excess_robust_z": robust_z_within(excess, labels),
        "excess_outlier_p": outlier_p_within(excess.where(taken), labels),
    }
    return pd.DataFrame(columns, index=images.index)


def of_classes(photos: Photos) -> pd.DataFrame:
    """The columns OF_CLASSES: background excess with interval, means of other scores, permutation test of the maps."""
    rows = []
    for name in photos.class_names:
        own = photos.of_class(name)
        row = _scores(own, photos)
        kinds = own.loc[own["mask_status"] == OK, "mask_kind"]
        row["estimated_masks"] = float((kinds == ESTIMATED).mean()) if len(kinds) else np.nan
        row.update(_tie(photos.ties.get(name), row))
        rows.append(row)
    table = frame(OF_CLASSES, rows)
    table["tie_p_fdr"] = stats.benjamini_hochberg(table["tie_p"].to_numpy(float))
    return table


def _scores(read: pd.DataFrame, photos: Photos) -> dict[str, Any]:
    scored = read["background_excess_label"].dropna()
    row: dict[str, Any] = {"n_attention": len(scored)}
    if scored.empty:
        row["attention_reason_code"] = most_frequent(read["attention_status"].fillna("").tolist())
        row["attention_reason"] = (
            WHY_NO_MAPS if row["attention_reason_code"] == NO_MAPS else row["attention_reason_code"]
        )
        return row
    row["attention_reason"] = row["attention_reason_code"] = OK
    row["background_excess"] = scored.mean()
    row["excess_low"], row["excess_high"] = stats.mean_interval(
        scored.to_numpy(float), seed=photos.seed, groups=stats.codes_of(photos.groups, scored.index)
    )
    for name in MEANS:
        row[name] = read.loc[scored.index, name].mean()
    return row


def _tie(tie: Tie | None, row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the permutation test; without maps they get the reason of the attention columns in `row`."""
    if tie is None:
        return {"tie_reason": "the maps were not compared", "tie_reason_code": NOT_MEASURED}
    return {
        "n_tie": tie.n,
        "tie_reason": tie.reason if tie.n else row["attention_reason"],
        "tie_reason_code": tie.code if tie.n else row["attention_reason_code"],
        "tie_effect": tie.effect,
        "tie_effect_perfect": tie.effect_perfect,
        "tie_p": tie.p,
    }
