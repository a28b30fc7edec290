"""Which class's background pulls: from composites to the gap matrix and its guilty column.

A cue of class b makes other classes fail on b's backgrounds too. Rows of the matrix are victims (whose objects were
pasted), columns culprits (whose backgrounds they were pasted on). See docs/science.md#attract.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 1000
_MOST_NUMBERS = 20_000_000
"""Resampled pulls held at once; with many classes fewer resamples are drawn."""


def photo_pulls(composites: pd.DataFrame, label: int, classes: int) -> Array:
    """(photos, K): per photo of a class and background class b, share predicted b there minus share on its own.

    Both arms are pasted, so what pasting costs cancels. NaN where a photo had no background of that class.

    Args:
        composites: columns photo, arm, label, donor_label, predicted (class indices), one row per composite.
        label: class of the photos.
        classes: K.
    """
    own = composites[composites["label"] == label]
    photos, rows = np.unique(own["photo"].to_numpy(int), return_inverse=True)
    donors, predicted = own["donor_label"].to_numpy(int), own["predicted"].to_numpy(int)
    same, other = (own["arm"] == "same").to_numpy(), (own["arm"] == "other").to_numpy()
    shape = (len(photos), classes)
    base, hits, shown = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(base, (rows[same], predicted[same]), 1)
    np.add.at(shown, (rows[other], donors[other]), 1)
    np.add.at(hits, (rows[other], donors[other]), predicted[other] == donors[other])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(hits / shown - base / base.sum(axis=1, keepdims=True))


def gap_matrix(composites: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Long form of G: object's class, background's class, photos, and the pull -1..1; only pairs that were tried."""
    rows = []
    for label, name in enumerate(class_names):
        pulls = photo_pulls(composites, label, len(class_names))
        counts = (~np.isnan(pulls)).sum(axis=0)
        for background in map(int, np.flatnonzero(counts)):
            pull = float(np.nanmean(pulls[:, background]))
            rows.append((name, class_names[background], int(counts[background]), pull))
    frame = pd.DataFrame(rows, columns=["object_class", "background_class", "n", "pull"])
    return frame.astype({"object_class": "str", "background_class": "str", "n": "Int64", "pull": "float64"})


def attraction(
    composites: pd.DataFrame, classes: int, *, seed: int, groups: NDArray[np.intp] | None = None
) -> tuple[Array, Array, Array]:
    """How far class b's backgrounds pull other objects to b: median over the other classes, with a 95 % interval.

    Of an even number of classes the lower of the two in the middle: where two others are left, both must be pulled.
    A mean of both would accuse the class to which the culprit's own objects go once they lose their cue.

    The interval is the percentile bootstrap over photos, within each class, or over groups of photos.

    Args:
        composites: see `photo_pulls`.
        classes: K.
        seed: of the resampling.
        groups: group code by sample position (patient, scene); None = every photo by itself.

    Returns:
        (attract, low, high), each (K,), NaN where no object was put on that class's backgrounds.
    """
    resamples = int(np.clip(_MOST_NUMBERS // max(classes, 1) ** 2, 50, RESAMPLES))
    rng = np.random.default_rng(seed)
    point = np.full((classes, classes), np.nan)
    resampled = np.full((resamples, classes, classes), np.nan, np.float32)
    for label in range(classes):
        pulls = photo_pulls(composites, label, classes)
        if not len(pulls):
            continue
        known = ~np.isnan(pulls)
        filled = np.where(known, pulls, 0)
        photos = np.unique(composites.loc[composites["label"] == label, "photo"].to_numpy(int))
        _, members = np.unique(photos if groups is None else groups[photos], return_inverse=True)
        drawn = members.max() + 1
        weights = rng.multinomial(drawn, np.full(drawn, 1 / drawn), size=resamples).astype(float)[:, members]
        with np.errstate(invalid="ignore", divide="ignore"):
            point[:, label] = filled.sum(axis=0) / known.sum(axis=0)
            resampled[:, :, label] = (weights @ filled) / (weights @ known)
    tried = ~np.isnan(point).all(axis=1)
    attract, low, high = (np.full(classes, np.nan) for _ in range(3))
    attract[tried] = _low_median(point[tried])
    for culprit in np.flatnonzero(tried):
        draws = resampled[:, culprit, :]
        draws = draws[~np.isnan(draws).all(axis=1)]
        low[culprit], high[culprit] = np.percentile(_low_median(draws), [2.5, 97.5])
    return attract, low, high


def _low_median(rows: NDArray[np.floating]) -> Array:
    """Median of each row, the lower one of two; NaN left out, at least one number in each row."""
    ordered = np.sort(rows, axis=1)  # NaN last
    middle = (np.count_nonzero(~np.isnan(ordered), axis=1) - 1) // 2
    return np.take_along_axis(ordered, middle[:, None], axis=1)[:, 0].astype(np.float64)
