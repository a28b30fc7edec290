"""How strongly photos changed towards each class pull the photos of other classes, for exchanges with two arms.

If the model uses what was exchanged, photos of other classes are called the class that it comes from. See
docs/science.md#whole-photo-properties.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 1000
_MOST_NUMBERS = 20_000_000
"""Largest number of resampled pulls held in memory; with many classes fewer resamples are drawn."""


def photo_pulls(composites: pd.DataFrame, label: int, classes: int) -> Array:
    """How much the backgrounds of each class pull the photos of one class.

    The pull of class b on a photo is the share of its composites on backgrounds of b that are predicted b, minus the
    share of its composites on backgrounds of its own class that are predicted b. Both are pasted, so the cost of
    pasting cancels.

    Args:
        composites: one row per composite, with the columns photo, arm ("same" or "other"), label, donor_label and
            predicted (class indices; in predicted also K, which is none of them).
        label: class of the photos, as an index.
        classes: number of classes, K.

    Returns:
        (photos, K) in -1..1, photos in the order of their positions; NaN where a photo had no background of a class.
    """
    own = composites[composites["label"] == label]
    photos, rows = np.unique(own["photo"].to_numpy(int), return_inverse=True)
    donors, predicted = own["donor_label"].to_numpy(int), own["predicted"].to_numpy(int)
    same, other = (own["arm"] == "same").to_numpy(), (own["arm"] == "other").to_numpy()
    shape = (len(photos), classes)
    base, hits, shown = np.zeros((len(photos), classes + 1)), np.zeros(shape), np.zeros(shape)
    np.add.at(base, (rows[same], predicted[same]), 1)
    np.add.at(shown, (rows[other], donors[other]), 1)
    np.add.at(hits, (rows[other], donors[other]), predicted[other] == donors[other])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(hits / shown - base[:, :classes] / base.sum(axis=1, keepdims=True))


def _photos_of(composites: pd.DataFrame, label: int) -> NDArray[np.intp]:
    """Positions of the photos of a class, in the order of the rows of `photo_pulls`."""
    return np.unique(composites.loc[composites["label"] == label, "photo"].to_numpy(np.intp))


def attraction(
    composites: pd.DataFrame, classes: int, *, seed: int, groups: NDArray[np.intp] | None = None
) -> tuple[Array, Array, Array]:
    """How much the backgrounds of each class pull objects of the other classes, with a 95 % interval.

    The value of a class is the median of its pull over the other classes. Of an even number of other classes it is the
    lower of the two middle values: where there are two, both must be pulled. Their mean would accuse the class to which
    the culprit's own objects go once they lose their cue.

    The interval is a percentile bootstrap over photos within each class, or over groups of photos.

    Args:
        composites: see `photo_pulls`.
        classes: number of classes, K.
        seed: seed of the resampling.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.

    Returns:
        (attract, low, high), each (K,) in -1..1, NaN where no object was put on backgrounds of the class.
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
        photos = _photos_of(composites, label)
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
    """Lower median of each row without its NaN; every row needs at least one number."""
    ordered = np.sort(rows, axis=1)  # NaN last
    middle = (np.count_nonzero(~np.isnan(ordered), axis=1) - 1) // 2
    return np.take_along_axis(ordered, middle[:, None], axis=1)[:, 0].astype(np.float64)
