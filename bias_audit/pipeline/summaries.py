"""The shared tables of images and classes, made from the records of the images and the measurements of the checks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.base import Measured, Part, Photos
from bias_audit.checks.registry import CHECKS
from bias_audit.config import Thresholds
from bias_audit.heatmaps.permutation_tie import Tie
from bias_audit.run.core_columns import CLASSES, IMAGES
from bias_audit.run.schema import TABLES
from bias_audit.run.tables import frame


def summarise(
    records: Sequence[Mapping[str, Any]],
    user: Mapping[str, Sequence[Any]],
    class_names: Sequence[str],
    measured: Mapping[str, Measured],
    thresholds: Thresholds,
    seed: int,
    *,
    groups: NDArray[np.intp] | None = None,
    ties: Mapping[str, Tie] | None = None,
    remasked: frozenset[int] = frozenset(),
) -> tuple[Photos, pd.DataFrame]:
    """Make the tables of images and classes.

    Args:
        records: one per image, in the order of the data set: column name -> value.
        user: the user's own columns, name -> value of each image; a name that is taken gets the prefix "user_".
        class_names: all classes of the model, by index, also those without images.
        measured: name of a check -> its measurement.
        thresholds: bounds of the rules.
        seed: seed of bootstrap and permutations.
        groups: (n,) group code per image (patient, scene); None = every photo is a group of its own.
        ties: class name -> permutation test of the class's heatmaps against the masks of its photos; None = no tests.
        remasked: see `Photos`.

    Returns:
        (photos, classes): the input of all further tables, with the complete table of the images; and the table of the
        classes, index class_name.
    """
    images = frame(IMAGES, records).set_index("image_id")
    codes = None if groups is None else pd.Series(groups, index=images.index)
    photos = Photos(images, class_names, codes, ties or {}, thresholds, seed, remasked)
    for part in ("images", "compared"):
        photos = dataclasses.replace(photos, images=_with(photos.images, part, measured, photos))
    ours = {column.name for column in TABLES["images"]}
    for name, values in user.items():
        photos.images[f"user_{name}" if name in ours else name] = list(values)
    classes = _with(_read_classes(photos), "classes", measured, photos)
    return photos, classes.set_index("class_name")


def _with(table: pd.DataFrame, part: Part, measured: Mapping[str, Measured], photos: Photos) -> pd.DataFrame:
    """A shared table with the columns that the checks add to it, in the order of the registry."""
    added = [check.add(part, measured[check.name], photos) for check in CHECKS if check.columns.get(part)]
    # By position: an image may stand in the data set twice, under two labels.
    named = table.index.name is not None
    parts = [table.reset_index(drop=not named), *(each.reset_index(drop=True) for each in added)]
    joined = pd.concat(parts, axis=1)
    return joined.set_index(table.index.name) if named else joined


def _read_classes(photos: Photos) -> pd.DataFrame:
    """The columns CLASSES: images of each class, how many were read, and accuracy with interval."""
    counts = photos.images["label"].value_counts()
    rows = []
    for name in photos.class_names:
        read = photos.of_class(name)
        right = read["correct"].to_numpy(float)
        low, high = stats.rate_interval(right, groups=stats.codes_of(photos.groups, read.index))
        rows.append(
            {
                "class_name": name,
                "n": int(counts.get(name, 0)),
                "n_read": len(read),
                "accuracy": right.mean() if len(right) else np.nan,
                "accuracy_low": low,
                "accuracy_high": high,
            }
        )
    return frame(CLASSES, rows)
