"""How strongly photos changed towards each class pull the photos of other classes, for exchanges with two arms.

If the model uses what was exchanged, photos of other classes are called the class that it comes from. See
docs/science.md#whole-photo-properties. Nothing here has an entry for each pair of classes: of many thousand classes
nearly no pair is tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

RESAMPLES = 1000
_MOST_NUMBERS = 20_000_000
"""Largest number of resampled pulls held in memory; with many pairs of classes fewer resamples are drawn."""


@dataclass(frozen=True)
class Pulls:
    """How much the backgrounds of a class pull each photo of other classes that was put on one.

    The pull of class b on a photo is the share of its composites on backgrounds of b that are predicted b, minus the
    share of its composites on backgrounds of its own class that are predicted b. Both are pasted, so the cost of
    pasting cancels.

    Attributes:
        photos, labels: (m,) positions of all photos and their classes, by class and then by position.
        row: (n,) place in `photos` of the photo of each pull; ascending.
        culprit: (n,) class of the backgrounds; ascending for each photo.
        pull: (n,) in -1..1.
    """

    photos: Indices
    labels: Indices
    row: Indices
    culprit: Indices
    pull: Array


def photo_pulls(composites: pd.DataFrame) -> Pulls:
    """The pull on every photo that was put on a background of another class and on one of its own.

    Args:
        composites: one row per composite, with the columns photo, arm ("same" or "other"), label, donor_label and
            predicted (class indices; in predicted also K, which is none of them).
    """
    names = ("photo", "label", "donor_label", "predicted")
    photo, label, donor, predicted = (composites[name].to_numpy(np.intp) for name in names)
    same, other = (composites["arm"] == "same").to_numpy(), (composites["arm"] == "other").to_numpy()
    wide, classes = photo.max(initial=0) + 1, max(donor.max(initial=0), predicted.max(initial=0)) + 1
    units, row = np.unique(label * wide + photo, return_inverse=True)
    cells, cell = np.unique(row[other] * classes + donor[other], return_inverse=True)
    shown = np.bincount(cell, minlength=len(cells))
    hits = np.bincount(cell, weights=predicted[other] == donor[other], minlength=len(cells))
    kept = np.bincount(row[same], minlength=len(units))
    before, times = np.unique(row[same] * classes + predicted[same], return_counts=True)
    place = np.minimum(np.searchsorted(before, cells), max(len(before) - 1, 0))
    usual = np.where(before[place] == cells, times[place], 0) if len(before) else np.zeros(len(cells))
    rows, culprits = np.divmod(cells, classes)
    own = kept[rows]
    known = own > 0
    pull = hits[known] / shown[known] - usual[known] / own[known]
    return Pulls(units % wide, units // wide, rows[known], culprits[known], pull)


def attraction(
    pulls: Pulls, classes: int, *, seed: int, groups: NDArray[np.intp] | None = None
) -> tuple[Array, Array, Array]:
    """How much the backgrounds of each class pull objects of the other classes, with a 95 % interval.

    The value of a class is the median of its pull over the other classes. Of an even number of other classes it is the
    lower of the two middle values: where there are two, both must be pulled. Their mean would accuse the class to which
    the culprit's own objects go once they lose their cue.

    The interval is a percentile bootstrap over photos within each class, or over groups of photos.

    Args:
        pulls: the pull on each photo.
        classes: number of classes, K.
        seed: seed of the resampling.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.

    Returns:
        (attract, low, high), each (K,) in -1..1, NaN where no object was put on backgrounds of the class.
    """
    tried, pair = np.unique(pulls.labels[pulls.row] * classes + pulls.culprit, return_inverse=True)
    resamples = int(np.clip(_MOST_NUMBERS // max(len(tried), 1), 50, RESAMPLES))
    rng = np.random.default_rng(seed)
    point = np.bincount(pair, weights=pulls.pull, minlength=len(tried)) / np.bincount(pair, minlength=len(tried))
    resampled = np.full((resamples, len(tried)), np.nan, np.float32)
    sizes = np.unique(pulls.labels, return_counts=True)[1]
    ends = np.cumsum(sizes)
    for start, end in zip(ends - sizes, ends, strict=True):
        photos = pulls.photos[start:end]
        _, members = np.unique(photos if groups is None else groups[photos], return_inverse=True)
        drawn = members.max() + 1
        weights = rng.multinomial(drawn, np.full(drawn, 1 / drawn), size=resamples).astype(float)[:, members]
        own = slice(*np.searchsorted(pulls.row, (start, end)))
        order = np.argsort(pair[own], kind="stable")
        if not len(order):
            continue
        number, first = np.unique(pair[own][order], return_index=True)
        each = weights[:, pulls.row[own][order] - start]
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.add.reduceat(each * pulls.pull[own][order], first, axis=1)
            resampled[:, number] = sums / np.add.reduceat(each, first, axis=1)
    attract, low, high = (np.full(classes, np.nan) for _ in range(3))
    culprits = tried % classes
    order = np.argsort(culprits, kind="stable")
    for chosen in np.split(order, np.flatnonzero(np.diff(culprits[order])) + 1) if len(order) else ():
        culprit = culprits[chosen[0]]
        attract[culprit] = _low_median(point[None, chosen])[0]
        draws = resampled[:, chosen]
        draws = draws[~np.isnan(draws).all(axis=1)]
        low[culprit], high[culprit] = np.percentile(_low_median(draws), [2.5, 97.5])
    return attract, low, high


def _low_median(rows: NDArray[np.floating]) -> Array:
    """Lower median of each row without its NaN; every row needs at least one number."""
    ordered = np.sort(rows, axis=1)  # NaN last
    middle = (np.count_nonzero(~np.isnan(ordered), axis=1) - 1) // 2
    return np.take_along_axis(ordered, middle[:, None], axis=1)[:, 0].astype(np.float64)
