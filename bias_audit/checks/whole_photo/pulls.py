"""How strongly the whole-photo properties of each class pull photos of other classes: rows of the table `whole_photo`.

As with backgrounds (`attraction`), the accuracy that a class loses says little: photos without their cue must be called
something. The class whose property pulls the photos of every other class is the one that was learned with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.attraction import attraction, photo_pulls
from bias_audit.checks.reasons import FULL, OK, STOPPED, TOO_FEW, TOO_FEW_GROUPS


def property_rows(
    seen: Mapping[str, NDArray[Any]],
    properties: Sequence[str],
    class_names: Sequence[str],
    *,
    min_photos: int,
    seed: int,
    groups: NDArray[np.intp] | None = None,
    planned: NDArray[np.intp] | None = None,
    stopped: Collection[int] = (),
) -> list[dict[str, Any]]:
    """Rows of the table `whole_photo`, one per property and class, with tests corrected over all of them.

    A property that was given up has p = 1: it accuses nobody, and makes no other accusation easier.

    Args:
        seen: result of `measure.exchange`.
        properties: names of the properties; the field "property" of `seen` is an index into them.
        class_names: all classes, by index.
        min_photos: photos (or groups) that a test needs, both of the class and of other classes with its property.
        seed: seed of bootstrap and permutations.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.
        planned: (properties, classes) photos of other classes that were to get the property; None = all of `seen`.
        stopped: indices of properties that were given up before all photos were changed.

    Returns:
        rows with the columns `columns.WHOLE_PHOTO`.
    """
    frame = pd.DataFrame({name: np.asarray(values) for name, values in seen.items()})
    frame["arm"] = np.where(frame["label"] == frame["donor_label"], "same", "other")
    draws = stats.draws_for(len(properties) * len(class_names))
    rows = []
    for number, name_of_property in enumerate(properties):
        part = frame[frame["property"] == number]
        pulls = photo_pulls(part)
        ends = attraction(pulls, len(class_names), seed=seed, groups=groups)
        own = _shares_right(part)
        of_labels = _Rows(own["label"])
        of_photos, of_culprits = _Rows(part["photo"]), _Rows(pd.Series(pulls.culprit))
        for label, name in enumerate(class_names):
            row: dict[str, Any] = {"property": name_of_property, "class_name": name}
            row["attract"], row["attract_low"], row["attract_high"] = (float(values[label]) for values in ends)
            row.update(_own(own.iloc[of_labels.of([label])], min_photos, groups))
            on_it = of_culprits.of([label])
            photos = pulls.photos[pulls.row[on_it]]
            asked = part.iloc[of_photos.of(photos)]  # of all photos these alone were asked about the class
            row.update(_pulled(pulls.pull[on_it], photos, asked, label, seed, draws, groups))
            pulled = row.pop("pulled_units")
            row["n_planned"] = row["n_pulled"] if planned is None else int(planned[number, label])
            row["screening"] = STOPPED if number in stopped else FULL
            if row["reason_code"] == OK and pulled < min_photos:
                what = "photos" if groups is None else "groups of photos"
                row["reason"] = f"only {pulled} {what} of other classes, {min_photos} needed for a test"
                row["reason_code"] = TOO_FEW if groups is None else TOO_FEW_GROUPS
            if row["reason_code"] != OK:
                row["p_pull"] = np.nan
            elif number in stopped:
                row["p_pull"] = 1.0
            rows.append(row)
    corrected = stats.benjamini_hochberg(np.array([row["p_pull"] for row in rows], float))
    for row, p in zip(rows, corrected, strict=True):
        row["p_fdr"] = float(p)
    return rows


def called(part: pd.DataFrame, label: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """How often the photos of other classes are called a class: with its property, and with that of their own class.

    Args:
        part: changed photos of one property, with the columns photo, arm, label, donor_label and predicted.
        label: index of the class.

    Returns:
        (shares with its property, shares with their own's, positions of the photos), of those that got both; their mean
        difference is the column `pulled`.
    """
    others = part[part["label"] != label]
    hits = (others["predicted"] == label).astype(float)
    got, own = others["donor_label"] == label, others["arm"] == "same"
    shares = [hits[chosen].groupby(others.loc[chosen, "photo"]).mean() for chosen in (got, own)]
    both = pd.concat(shares, axis=1, join="inner")
    return both.iloc[:, 0].to_numpy(float), both.iloc[:, 1].to_numpy(float), both.index.to_numpy(np.intp)


def _shares_right(part: pd.DataFrame) -> pd.DataFrame:
    """Share of the changed photos of each photo that are recognised, in both arms, and its label, by the photo."""
    right = (part["predicted"] == part["label"]).groupby([part["photo"], part["arm"]]).mean().unstack()
    right = right.reindex(columns=["same", "other"])
    return right.assign(label=part.groupby("photo")["label"].first()).dropna()


def _own(right: pd.DataFrame, min_photos: int, groups: NDArray[np.intp] | None) -> dict[str, Any]:
    """Columns on the class's own photos: accuracy with properties of their own and of other classes, and the loss.

    Args:
        right: rows of `_shares_right` of the class.
        min_photos, groups: as of `property_rows`.
    """
    row: dict[str, Any] = {"n": len(right), "reason": OK, "reason_code": OK}
    codes = None if groups is None else groups[right.index.to_numpy(int)]
    units = stats.count_units(len(right), codes)
    if units < min_photos:
        what = "photos" if codes is None else "groups of photos"
        row["reason"] = f"only {units} {what}, {min_photos} needed for a test"
        row["reason_code"] = TOO_FEW if codes is None else TOO_FEW_GROUPS
    if not len(right):
        return row
    same, other = right["same"].to_numpy(float), right["other"].to_numpy(float)
    for arm, values in (("same", same), ("other", other)):
        row[f"{arm}_accuracy"] = float(values.mean())
        row[f"{arm}_low"], row[f"{arm}_high"] = stats.rate_interval(values, groups=codes)
    row["loss"] = float((same - other).mean())
    row["loss_low"], row["loss_high"] = stats.paired_difference_interval(same, other, groups=codes)
    return row


def _pulled(
    values: NDArray[np.float64],
    photos: NDArray[np.intp],
    asked: pd.DataFrame,
    label: int,
    seed: int,
    draws: int,
    groups: NDArray[np.intp] | None,
) -> dict[str, Any]:
    """Columns on photos of other classes: how many more are predicted as this class when they get its property.

    "pulled_units" is no column: how many independent photos, or groups of photos, these are. The comparison
    is with the property of another photo of their own class.

    Args:
        values, photos: pull of the class on each photo, and position of the photo.
        asked: what was said of these photos.
        label: index of the class.
        seed, draws, groups: as in `stats.sign_flip`; groups by sample position.
    """
    row: dict[str, Any] = {"n_pulled": len(values), "pulled_units": 0, "pulled": np.nan, "p_pull": np.nan}
    if len(values):
        codes = None if groups is None else groups[photos]
        row["pulled_units"] = stats.count_units(len(values), codes)
        on_it, on_own, of_photo = called(asked, label)
        together = None if groups is None else groups[of_photo]
        row["pulled_high"] = stats.paired_difference_interval(on_it, on_own, groups=together)[1]
        row["pulled"] = float(values.mean())
        row["p_pull"] = stats.sign_flip(values, seed=seed, permutations=draws, groups=codes)
    return row


class _Rows:
    """Places of the rows of a table by a code in them, without a look at every row for each code.

    Args:
        codes: code of each row.
    """

    def __init__(self, codes: pd.Series) -> None:
        values = codes.to_numpy(np.intp)
        self._order = np.argsort(values, kind="stable")
        self._sorted = values[self._order]

    def of(self, codes: Sequence[int] | NDArray[np.intp]) -> NDArray[np.intp]:
        """Places of the rows with one of these codes, ascending."""
        first, last = (np.searchsorted(self._sorted, codes, side) for side in ("left", "right"))
        parts = [self._order[start:end] for start, end in zip(first, last, strict=True)]
        return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.intp)
