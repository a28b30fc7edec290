"""Whose backgrounds pull whose objects: the culprits behind a background gap.

If the model uses a cue in the backgrounds of class b, objects of other classes are called b there, and not on the
backgrounds of third classes or on neutral backdrops. Their own backgrounds are no measure: an object that has lost the
cue of its own class is called something else wherever it is put. See docs/science.md#attract.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background import composites as arms
from bias_audit.config import FIRST_FILL

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

SEEN_BY = 5
"""Photos that a reference needs to count among those of which the median is taken."""

RESAMPLES = 500
_MOST_NUMBERS = 20_000_000
"""Largest number of resampled values held in memory; with many photos fewer resamples are drawn."""


@dataclass(frozen=True)
class Contrasts:
    """How much more often objects are called a class on its backgrounds than elsewhere.

    One entry per photo, class whose backgrounds it was put on (culprit), and reference: a third class, or the neutral
    backdrops together (K).

    Attributes:
        photo: (n,) position of the photo's sample.
        label: (n,) class of the photo.
        culprit: (n,) class of the backgrounds.
        reference: (n,) third class, or K.
        difference: (n,) share of the photo's composites on the culprit's backgrounds that are called the culprit, minus
            that share on the reference; -1..1.
    """

    photo: Codes
    label: Codes
    culprit: Codes
    reference: Codes
    difference: Floats

    def of(self, chosen: NDArray[np.bool_] | Codes) -> Contrasts:
        """The chosen entries."""
        return Contrasts(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class Attraction:
    """The pull of each class's backgrounds on the objects of all other classes together; all (K,).

    Attributes:
        attract: the pull, -1..1; NaN where no object was put on backgrounds of the class.
        low, high: 95 % percentile bootstrap interval over photos or groups.
        p: two-sided sign-flip test over photos or groups, not corrected.
    """

    attract: Floats
    low: Floats
    high: Floats
    p: Floats


def contrasts(composites: pd.DataFrame, classes: int, arm: str = arms.OTHER) -> Contrasts:
    """Compare the predictions of the same objects on backgrounds of a class with those on all other backgrounds.

    All are pasted, so the cost of pasting cancels.

    Args:
        composites: one row per `composites.Composite`, with the column `label` of its photo (class indices).
        classes: number of classes, K.
        arm: the arm of backgrounds of other classes that is used.

    Returns:
        the contrasts, by photo.
    """
    other = (composites["arm"] == arm) & (composites["fill"] == FIRST_FILL)
    used = composites[other | (composites["arm"] == arms.FOREGROUND)]
    backdrop = (used["arm"] == arms.FOREGROUND).to_numpy()
    place = np.where(backdrop, classes, used["donor_label"].to_numpy(np.intp))
    photo, row = np.unique(used["photo"].to_numpy(np.intp), return_inverse=True)
    label = np.zeros(len(photo), np.intp)
    label[row] = used["label"].to_numpy(np.intp)
    cells, cell = np.unique(row * (classes + 1) + place, return_inverse=True)
    cell_row, cell_place = np.divmod(cells, classes + 1)
    slot = _rank(cell_row)
    places = np.full((len(photo), slot.max(initial=-1) + 1), -1, np.intp)
    places[cell_row, slot] = cell_place
    order = np.argsort(cell, kind="stable")
    called = np.full((*places.shape, np.bincount(cell).max(initial=0)), -1, np.intp)
    called[row[order], slot[cell[order]], _rank(cell[order])] = used["predicted"].to_numpy(np.intp)[order]
    made = np.maximum((called >= 0).sum(axis=2), 1)
    parts = []
    for one in range(places.shape[1]):
        culprit = places[:, one]
        on_it = (called[:, one] == culprit[:, None]).sum(axis=1) / made[:, one]
        for two in range(places.shape[1]):
            known = np.flatnonzero((culprit >= 0) & (culprit < classes) & (places[:, two] >= 0) & (one != two))
            there = (called[known, two] == culprit[known, None]).sum(axis=1) / made[known, two]
            parts.append((photo[known], label[known], culprit[known], places[known, two], on_it[known] - there))
    if not parts:
        none = np.zeros(0, np.intp)
        return Contrasts(none, none, none, none, np.zeros(0))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Contrasts(*columns).of(np.argsort(columns[0], kind="stable"))


def fair_contrasts(composites: pd.DataFrame, classes: int, *, strong: float, arm: str = arms.OTHER) -> Contrasts:
    """The `contrasts` without references on which a strong culprit speaks for itself.

    Where everything on backgrounds of `s` is called `s`, nothing is called anything else there, and against that
    reference any class would pull. So classes of which the pull on all others is at least `strong`, and half of the
    strongest, are no reference for the other classes.

    Args:
        composites, classes, arm: see `contrasts`.
        strong: pull from which a culprit is strong, 0..1.
    """
    found = contrasts(composites, classes, arm)
    pulls = np.full(classes, -1.0)
    for culprit, own in _by(found, found.culprit):
        pulls[culprit] = _together(own, classes - 1)[0]
    culprits = pulls >= max(strong, pulls.max(initial=-1.0) / 2)
    third = np.append(culprits, False)[found.reference]
    return found.of(~third | culprits[found.culprit])


def attraction(
    found: Contrasts, classes: int, *, seed: int, groups: Codes | None = None, draws: int = stats.ENOUGH_DRAWS
) -> Attraction:
    """The pull of each class's backgrounds on the objects of all other classes together.

    It is the mean over those classes, or that of all their photos as of one class where there are too few of each.

    Args:
        found: the contrasts.
        classes: number of classes, K.
        seed: seed of resampling and random signs.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.
        draws: most random sign patterns of a test, see `stats.draws_for`.
    """
    rows = np.full((classes, 4), np.nan)
    for culprit, own in _by(found, found.culprit):
        most = _references(own)
        pull, victims = _together(own, most)
        resamples = int(np.clip(_MOST_NUMBERS // sum(table.size for _, table in victims), 50, RESAMPLES))
        rng = np.random.default_rng(seed)
        drawn = [
            _resampled(table, most, None if groups is None else groups[photos], resamples, rng)
            for photos, table in victims
        ]
        low, high = np.nanpercentile(np.mean(drawn, axis=0), [2.5, 97.5])
        photos, together = _table(own)
        codes = None if groups is None else groups[photos]
        p = stats.sign_flip(np.nanmean(together, axis=1), seed=seed, permutations=draws, groups=codes)
        rows[culprit] = pull, low, high, p
    return Attraction(*rows.T)


def gap_matrix(found: Contrasts, class_names: Sequence[str], *, seed: int, groups: Codes | None = None) -> pd.DataFrame:
    """The gap matrix in long form: one row per pair of object class and background class that was tried.

    Args:
        found: the contrasts.
        class_names: all classes, by index.
        seed: seed of the random signs of the tests.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.

    Returns:
        columns object_class, background_class, n (photos), n_groups (photos or groups), pull (-1..1) and p_pull
        (two-sided sign-flip test over the photos or groups, not corrected: which pairs are asked about depends on
        the rule).
    """
    classes, rows = len(class_names), []
    flips = stats.draws_for(classes * (classes - 1))
    most = {culprit: _references(own) for culprit, own in _by(found, found.culprit)}
    for label, victims in _by(found, found.label):
        photos, culprits = np.unique(victims.photo), np.unique(victims.culprit)
        means = np.full((len(photos), len(culprits)), np.nan)
        counts, pulls = [], []
        for column, (culprit, both) in enumerate(_by(victims, victims.culprit)):
            own, table = _table(both)
            means[np.searchsorted(photos, own), column] = np.nanmean(table, axis=1)
            counts.append((len(own), stats.count_units(len(own), None if groups is None else groups[own])))
            pulls.append(float(_pull(table, most[culprit])))
        codes = None if groups is None else groups[photos]
        p_values = stats.sign_flip_columns(means, seed=seed, groups=codes, permutations=flips)
        for culprit, count, pull, p in zip(map(int, culprits), counts, pulls, map(float, p_values), strict=True):
            rows.append((class_names[label], class_names[culprit], *count, pull, p))
    kinds = {
        "object_class": "str", "background_class": "str", "n": "Int64", "n_groups": "Int64", "pull": "float64",
        "p_pull": "float64",
    }  # fmt: skip
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def largest_pulls(matrix: pd.DataFrame, *, rate: float) -> dict[str, dict[str, float | str]]:
    """The strongest certain pull of each class's backgrounds on the objects of another class.

    Args:
        matrix: the table `gap_matrix`.
        rate: bound of the corrected p below which a pull is certain.

    Returns:
        class of the backgrounds -> columns pulls_most, largest_pull and p_largest_pull_fdr (corrected over the classes
        of the objects), of the strongest of the certain pulls; of the most certain one where none is.
    """
    largest: dict[str, dict[str, float | str]] = {}
    for culprit, own in matrix.groupby("background_class", sort=False):
        tested = own.assign(p_fdr=stats.benjamini_hochberg(own["p_pull"].to_numpy(float)))
        certain = tested[tested["p_fdr"] <= rate]
        by, ascending = (["pull"], [False]) if len(certain) else (["p_fdr", "pull"], [True, False])
        row = (certain if len(certain) else tested).sort_values(by, ascending=ascending, kind="stable").iloc[0]
        largest[str(culprit)] = {
            "pulls_most": str(row["object_class"]) if len(certain) else "",
            "largest_pull": float(row["pull"]),
            "p_largest_pull_fdr": float(row["p_fdr"]),
        }
    return largest


def _references(own: Contrasts) -> int:
    """Number of references that a class is compared with for one victim: third classes, and neutral backdrops."""
    return len(np.unique(own.reference)) - (len(np.unique(own.label)) > 1)


def _together(own: Contrasts, most: int) -> tuple[float, list[tuple[Codes, Floats]]]:
    """Pull of a class on all others, and (photos, contrasts) of each: one for all where photos are too few of each."""
    victims = [_table(part) for _, part in _by(own, own.label)]
    if not all(_seen(table, most).any() for _, table in victims):
        victims = [_table(own)]
    return float(np.mean([_pull(table, most) for _, table in victims])), victims


def _pull(table: Floats, most: int) -> float:
    """The pull of a background: the smaller of the mean contrast and the contrast with the median reference.

    A mean over references would accuse the class to which an object goes that has lost its cue, where another class
    shares this cue: there the object keeps its class, on one reference of several. The median is taken over references
    with SEEN_BY photos where these are at least half of all references, `most`; of an even number the lower contrast.

    Args:
        table: (photos, references) contrasts, NaN where a photo was not put on the reference.
        most: references that there can be.
    """
    mean = float(np.nanmean(np.nanmean(table, axis=1)))
    seen = _seen(table, most)
    return min(mean, float(_low_median(np.nanmean(table[:, seen], axis=0)[None])[0])) if seen.any() else mean


def _seen(table: Floats, most: int) -> NDArray[np.bool_]:
    """(references,) those of which the median is taken; none where they are less than half of all references."""
    seen = (~np.isnan(table)).sum(axis=0) >= SEEN_BY
    return np.asarray(seen & (2 * seen.sum() >= most))


def _resampled(table: Floats, most: int, groups: Codes | None, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples,) `_pull` of photos, or groups of photos, that are drawn with replacement."""
    _, members = np.unique(np.arange(len(table)) if groups is None else groups, return_inverse=True)
    drawn = members.max() + 1
    weights = rng.multinomial(drawn, np.full(drawn, 1 / drawn), size=resamples).astype(float)[:, members]
    known, seen = ~np.isnan(table), _seen(table, most)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.asarray(weights @ np.nanmean(table, axis=1) / weights.sum(axis=1))
        if not seen.any():
            return means
        single = (weights @ np.where(known, table, 0.0)[:, seen]) / (weights @ known[:, seen])
        return np.asarray(np.fmin(means, _low_median(single)))


def _table(found: Contrasts) -> tuple[Codes, Floats]:
    """(photos, their contrasts with each reference); a photo has one contrast with a reference at most."""
    photos, rows = np.unique(found.photo, return_inverse=True)
    references, columns = np.unique(found.reference, return_inverse=True)
    table = np.full((len(photos), len(references)), np.nan)
    table[rows, columns] = found.difference
    return photos, table


def _by(found: Contrasts, key: Codes) -> Iterator[tuple[int, Contrasts]]:
    """The contrasts by one of their codes, in its order."""
    order = np.argsort(key, kind="stable")
    values, sizes = np.unique(key, return_counts=True)
    ends = np.cumsum(sizes)
    for value, start, end in zip(values, ends - sizes, ends, strict=True):
        yield int(value), found.of(order[start:end])


def _low_median(rows: NDArray[np.floating]) -> Floats:
    """Lower median of each row without its NaN; NaN for a row without any number."""
    ordered = np.sort(rows, axis=1)  # NaN last
    middle = np.maximum((~np.isnan(ordered)).sum(axis=1) - 1, 0) // 2
    return np.asarray(np.take_along_axis(ordered, middle[:, None], axis=1)[:, 0], np.float64)


def _rank(codes: Codes) -> Codes:
    """Place of each entry among those of the same code; the codes are sorted."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    sizes = np.diff(np.append(starts, len(codes)))
    return np.arange(len(codes)) - np.repeat(starts, sizes)
