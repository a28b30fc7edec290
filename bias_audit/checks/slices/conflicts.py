"""What the background really costs a class: its photos of another class's scene against its other photos.

Composites move objects to other classes' places, which bounds that loss from above. Where a column of the user (scene,
place, site) tells which photos conflict with their class, the loss on real photos stands beside it
(docs/science.md#conflicting-photos).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.base import Photos
from bias_audit.checks.reasons import NO_COMPARISON, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.checks.slices.columns import OF_CLASSES
from bias_audit.checks.slices.summary import MIN_SLICE, grouped
from bias_audit.run.tables import frame, user_columns

NO_COLUMN = "no column of yours"

CONFIDENCE = 0.95


def losses(photos: Photos) -> pd.DataFrame:
    """The columns OF_CLASSES: per class the loss on conflicting photos, in the column that has most of them.

    Args:
        photos: input of the tables, with the complete table of the images.

    Returns:
        one row per class, in the order of the classes.
    """
    read = photos.images[photos.images["status"] == OK]
    columns = {name: values for name in user_columns(read) if (values := grouped(read[name])) is not None}
    marked = {name: conflicting(read["label"], values) for name, values in columns.items()}
    places = read.groupby("label").indices
    own = (np.asarray(places.get(name, ()), np.intp) for name in photos.class_names)
    return frame(OF_CLASSES, [_of_class(read, each, marked, photos.groups) for each in own])


def conflicting(labels: pd.Series, values: pd.Series) -> pd.Series:
    """Which photos conflict with their class: their value is commoner in another class than in their own.

    What counts are the shares of the values within each class, so that a class of many photos does not weigh more.

    Args:
        labels: (n,) class of each photo.
        values: (n,) slice of each photo, NaN where it has none; same index.

    Returns:
        (n,) 1.0 where the photo conflicts, 0.0 where it does not, NaN without a value.
    """
    known = values.notna().to_numpy()
    label = np.unique(labels.to_numpy(str)[known], return_inverse=True)[1]
    value = np.unique(values.to_numpy(str)[known], return_inverse=True)[1]
    answers = np.full(len(values), np.nan)
    if known.any():
        counts = np.zeros((label.max() + 1, value.max() + 1))
        np.add.at(counts, (label, value), 1)
        answers[known] = commoner_elsewhere(counts)[label, value]
    return pd.Series(answers, index=values.index)


def commoner_elsewhere(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each class and value, 1.0 where the value's share is larger in some other class, else 0.0.

    Args:
        counts: (K, V) photos of each class with each value; every class has some.
    """
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(shares < shares.max(axis=0), np.float64)  # larger in some class is larger in another


def _of_class(
    read: pd.DataFrame, places: NDArray[np.intp], marked: dict[str, pd.Series], groups: pd.Series | None
) -> dict[str, Any]:
    own = read.iloc[places]
    rows = [_of_column(own, column, conflicts.iloc[places], groups) for column, conflicts in marked.items()]
    if not rows:
        return {"conflict_reason": NO_COLUMN, "conflict_reason_code": NO_COMPARISON}
    # One that can be measured before one that cannot, then the one of most conflicting photos; else the first.
    return max(rows, key=lambda row: (row["conflict_reason"] == OK, row["n_conflicting"]))


def _of_column(own: pd.DataFrame, column: str, conflicts: pd.Series, groups: pd.Series | None) -> dict[str, Any]:
    """The columns of one class by one column of the user.

    Args:
        own: the photos of the class.
        column: name of the user's column.
        conflicts: answer of `conflicting` for these photos.
        groups: group code per image; None = every photo is a group of its own.
    """
    sides = [own[(conflicts == side).to_numpy()] for side in (0.0, 1.0)]
    codes = [stats.codes_of(groups, side.index) for side in sides]
    units = [stats.count_units(len(side), each) for side, each in zip(sides, codes, strict=True)]
    row: dict[str, Any] = {
        "conflict_column": column,
        "n_conforming": len(sides[0]),
        "n_conflicting": len(sides[1]),
        "conflict_reason": OK,
        "conflict_reason_code": OK,
    }
    if min(units) < MIN_SLICE:
        what = "photos" if groups is None else "groups of photos"
        kind, fewest = ("conflicting", units[1]) if units[1] < MIN_SLICE else ("other", units[0])
        row["conflict_reason"] = f"not enough {kind} photos by {column}: {fewest} {what}, {MIN_SLICE} needed"
        row["conflict_reason_code"] = TOO_FEW if groups is None else TOO_FEW_GROUPS
        return row
    right = [side["correct"].to_numpy(float) for side in sides]
    sizes = [stats.effective_size(each, code) for each, code in zip(right, codes, strict=True)]
    rates = stats.Standardised(float(right[0].mean()), float(right[1].mean()), sizes[0], sizes[1], min(units))
    low, high = stats.rates_interval(rates, CONFIDENCE)
    return {
        **row,
        "conforming_accuracy": rates.first,
        "conflicting_accuracy": rates.second,
        "conflict_loss": rates.difference,
        "conflict_low": low,
        "conflict_high": high,
    }
