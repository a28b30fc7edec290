"""Who pays: the user's own columns (hospital, camera, season) split the images, slice against the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from bias_audit import stats
from bias_audit.schema import TABLES

MIN_SLICE = 10
"""Images below which a slice is listed but not tested (SCIENCE E: below 10 an interval says nothing)."""

MOST_VALUES = 50
"""A column with more different values names images, not groups."""

QUARTILES_FROM = 13
"""Numbers with at least this many different values are cut into quartiles."""


def slices_table(images: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One row per user column and value: accuracy with Wilson interval, against the rest by Fisher's exact test.

    Args:
        images: the images table; unreadable images are left out.
        columns: the user's columns in it.

    Returns:
        columns of `schema.SLICES`; p_fdr is Benjamini-Hochberg over all slices tested. Columns with one value, or
        with more than MOST_VALUES, give no rows.
    """
    read = images[images["status"] == "ok"]
    rows: list[dict[str, Any]] = []
    for column in columns:
        values = grouped(read[column])
        if values is None:
            continue
        for value, members in read.groupby(values, sort=True):
            rows.append(_slice(column, str(value), members, read[values.notna()].drop(members.index)))
    frame = pd.DataFrame(rows, columns=[column.name for column in TABLES["slices"]])
    frame["p_fdr"] = stats.benjamini_hochberg(frame["p_fisher"].to_numpy(float))
    kinds = {"string": "str", "float": "float64", "int": "Int64"}
    return frame.astype({column.name: kinds[column.kind] for column in TABLES["slices"]})


def grouped(values: pd.Series) -> pd.Series | None:
    """Group names for a column, or None where it makes no groups; missing values belong to no group."""
    known = values.dropna()
    distinct = known.nunique()
    if pd.api.types.is_numeric_dtype(known.infer_objects()) and distinct >= QUARTILES_FROM:
        return pd.qcut(values.astype(float), 4, duplicates="drop").astype("str").where(values.notna())
    if not 2 <= distinct <= MOST_VALUES or distinct == len(known):
        return None
    return values.astype("str").where(values.notna())


def _slice(column: str, value: str, members: pd.DataFrame, rest: pd.DataFrame) -> dict[str, Any]:
    hits, others = int(members["correct"].sum()), int(rest["correct"].sum())
    low, high = stats.wilson(hits, len(members))
    accuracy = hits / len(members)
    rest_accuracy = others / len(rest) if len(rest) else float("nan")
    row: dict[str, Any] = {
        "column": column,
        "value": value,
        "n": len(members),
        "accuracy": accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "rest_accuracy": rest_accuracy,
        "difference": accuracy - rest_accuracy,
        "background_excess": members["background_excess_label"].mean(),
        "n_interventions": int(members["background_gap"].notna().sum()),
        "background_gap": members["background_gap"].mean(),
        "reason": "ok",
    }
    if min(len(members), len(rest)) < MIN_SLICE:
        row["reason"] = f"only {min(len(members), len(rest))} images in the slice or the rest, {MIN_SLICE} needed"
        return row
    from scipy.stats import fisher_exact

    table = [[hits, len(members) - hits], [others, len(rest) - others]]
    row["p_fisher"] = float(fisher_exact(table)[1])
    return row
