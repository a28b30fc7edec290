"""The table of slices: images split by the user's own columns (hospital, camera, season), each slice against the rest.

Three measures, each with its own interval, test and correction: accuracy, attention (background excess) and reliance
(background gap). Tests and differences compare images of the same class only. A hospital whose images are of one class
that no other hospital has cannot be told from that class, and its row says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.base import Photos
from bias_audit.checks.reasons import NO_COMPARISON, OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.checks.slices.columns import SLICES
from bias_audit.run.tables import user_columns

PERMUTATIONS = 2000
"""Least number of random permutations of a test; many slices need more (docs/science.md#permutation-counts)."""

MIN_SLICE = 10
"""Smallest number of images of a slice that is tested; smaller slices are only listed
(docs/science.md#minimum-numbers).
"""

MOST_VALUES = 50
"""Largest number of different values of a column; a column with more names images, not slices."""

QUARTILES_FROM = 13
"""Numbers with at least this many different values are cut into quartiles."""

CONFIDENCE = 0.95

Codes = NDArray[np.intp]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Measure:
    """A measure by which slices are compared, and the names of its columns.

    Attributes:
        scores, status: columns of the images table: the measure, and why an image does not have it.
        worse: 1 where high values are worse, -1 where low values are.
        prefix: X in the columns rest_X, X_low, X_high, X_within, X_against...
        n, mean, p, fdr, reason: columns of `columns.SLICES`: number of images, mean, p, corrected p, and why it is
            missing.
        interval: (members, seed, group codes) -> 95 % interval of their mean.
    """

    scores: str
    status: str
    worse: int
    prefix: str
    n: str
    mean: str
    p: str
    fdr: str
    reason: str
    interval: Callable[[pd.DataFrame, int, Codes | None], Interval]


def _accuracy(members: pd.DataFrame, seed: int, groups: Codes | None) -> Interval:
    return stats.rate_interval(members["correct"].to_numpy(float), groups=groups, confidence=CONFIDENCE)


def _attention(members: pd.DataFrame, seed: int, groups: Codes | None) -> Interval:
    scores = members["background_excess_label"].to_numpy(float)
    return stats.mean_interval(scores, seed=seed, groups=groups, confidence=CONFIDENCE)


def _reliance(members: pd.DataFrame, seed: int, groups: Codes | None) -> Interval:
    same, other = (members[f"{arm}_background_accuracy"].to_numpy(float) for arm in ("same", "other"))
    return stats.paired_difference_interval(same, other, CONFIDENCE, groups=groups)


ACCURACY = Measure(
    "correct", "status", -1, "accuracy", "n", "accuracy", "p_fisher", "p_fdr", "reason", _accuracy
)  # fmt: skip
ATTENTION = Measure(
    "background_excess_label", "attention_status", 1, "excess", "n_attention", "background_excess", "p_excess",
    "p_excess_fdr", "excess_reason", _attention,
)  # fmt: skip
RELIANCE = Measure(
    "background_gap", "intervention_status", 1, "gap", "n_interventions", "background_gap", "p_gap", "p_gap_fdr",
    "gap_reason", _reliance,
)  # fmt: skip

MEASURES: tuple[Measure, ...] = (ACCURACY, ATTENTION, RELIANCE)


def summarise(photos: Photos) -> pd.DataFrame:
    """The table `slices` for all columns of the user.

    Args:
        photos: input of the tables, with the complete table of the images.
    """
    images = photos.images
    return slices_table(images, user_columns(images), seed=photos.seed, groups=photos.groups)


def of_classes(photos: Photos) -> pd.DataFrame:
    """The columns that the user's columns add to the table of the classes, see `conflicts.losses`.

    Args:
        photos: input of the tables, with the complete table of the images.
    """
    from bias_audit.checks.slices.conflicts import losses  # which cuts columns as this file does

    return losses(photos)


def slices_table(
    images: pd.DataFrame, columns: Sequence[str], *, seed: int = 0, groups: pd.Series | None = None
) -> pd.DataFrame:
    """The table `slices` for some columns: accuracy, attention and reliance of each value against the rest.

    Accuracy is tested by Fisher's exact test, attention by a Mann-Whitney test on permutations, and the gap by a
    permutation test of its mean, all within classes. With groups the unit of the tests is the mean of a group's images
    of one class and slice, and accuracy is tested by permutation too; a group that spans classes has a unit in each,
    which are exchanged together.

    Args:
        images: the images table; unreadable images are left out.
        columns: columns of the user in this table.
        seed: seed of bootstrap and permutations.
        groups: group code per image (patient, scene), index as `images`; None = every photo is a group of its own.

    Returns:
        one row per column and value, with the columns `columns.SLICES`; p-values are corrected by Benjamini-Hochberg
        over all slices tested, separately for each measure. Columns that `grouped` rejects give no rows.
    """
    read = images[images["status"] == OK]
    rows: list[dict[str, Any]] = []
    cut = {column: values for column in columns if (values := grouped(read[column])) is not None}
    draws = stats.draws_for(sum(values.nunique() for values in cut.values()), least=PERMUTATIONS)
    for column, values in cut.items():
        known = read[values.notna()]
        slices = values[values.notna()]
        by_measure = [_compare(known, slices, measure, seed, draws, groups) for measure in MEASURES]
        for value in sorted(slices.unique()):
            row: dict[str, Any] = {"column": column, "value": str(value)}
            for compared in by_measure:
                row.update(compared[value])
            row["difference"] = row["accuracy"] - row["rest_accuracy"]
            rows.append(row)
    frame = pd.DataFrame(rows, columns=[column.name for column in SLICES])
    for measure in MEASURES:
        frame[measure.fdr] = stats.benjamini_hochberg(frame[measure.p].to_numpy(float))
    text = [column.name for column in SLICES if column.kind == "string"]
    frame[text] = frame[text].astype("object").fillna("")
    kinds = {"string": "str", "float": "float64", "int": "Int64"}
    return frame.astype({column.name: kinds[column.kind] for column in SLICES})


def grouped(values: pd.Series) -> pd.Series | None:
    """The slice to which each value of a column belongs.

    Numbers with QUARTILES_FROM or more different values are cut into quartiles; otherwise each value is a slice.

    Args:
        values: the column; NaN belongs to no slice.

    Returns:
        name of the slice of each value, or None where the column makes no slices: fewer than two values, more than
        MOST_VALUES, or no value twice.
    """
    known = values.dropna()
    distinct = known.nunique()
    if pd.api.types.is_numeric_dtype(known.infer_objects()) and distinct >= QUARTILES_FROM:
        return pd.qcut(values.astype(float), 4, duplicates="drop").astype("str").where(values.notna())
    if not 2 <= distinct <= MOST_VALUES or distinct == len(known):
        return None
    return values.astype("str").where(values.notna())


def _compare(
    read: pd.DataFrame, slices: pd.Series, measure: Measure, seed: int, draws: int, groups: pd.Series | None
) -> dict[str, dict[str, Any]]:
    """Cells of one measure for each slice of one column: slice -> column name -> value."""
    scored = read[read[measure.scores].notna()]
    rows: dict[str, dict[str, Any]] = {}
    for value in slices.unique():
        members = scored[slices[scored.index] == value]
        rest = scored[slices[scored.index] != value]
        row: dict[str, Any] = {measure.n: len(members), measure.reason: OK, code_of(measure): OK}
        if len(members):
            codes = stats.codes_of(groups, members.index)
            row[measure.mean] = float(members[measure.scores].astype(float).mean())
            row[f"{measure.prefix}_low"], row[f"{measure.prefix}_high"] = measure.interval(members, seed, codes)
        row[f"rest_{measure.prefix}"] = float(rest[measure.scores].astype(float).mean()) if len(rest) else np.nan
        rows[value] = row
        if members.empty:
            row[measure.reason] = row[code_of(measure)] = _why_missing(read.loc[slices == value, measure.status])
    units = _units(scored, slices, measure, groups)
    if units.empty:
        return rows
    names, group = np.unique(units["slice"].to_numpy(str), return_inverse=True)
    label = np.unique(units["label"].to_numpy(str), return_inverse=True)[1]
    scores = units["score"].to_numpy(float)
    together = units["group"].to_numpy() if groups is not None else None
    p_values = _p_values(scores, group, label, measure, together, seed, draws)
    cells = stats.Cells.of(scores, group, label)
    pairs = _pairs(cells, measure, names)
    for value, row in rows.items():
        if value not in names:
            continue
        code = int(np.flatnonzero(names == value)[0])
        against_rest = stats.standardise(cells.counts[code], cells.sums[code], *cells.rest(code))
        row[f"{measure.prefix}_within"] = against_rest.difference
        ends = _difference_interval(against_rest, cells, measure, CONFIDENCE)
        row[f"{measure.prefix}_within_low"], row[f"{measure.prefix}_within_high"] = ends
        small = int(min(cells.counts[code].sum(), cells.rest(code)[0].sum()))
        unit = "images" if groups is None else "groups"
        if small < MIN_SLICE:
            row[measure.reason] = f"only {small} {unit} in the slice or the rest, {MIN_SLICE} needed"
            row[code_of(measure)] = TOO_FEW if groups is None else TOO_FEW_GROUPS
        elif against_rest.shared < MIN_SLICE:
            few = f"only {against_rest.shared} {unit} of classes" if against_rest.shared else "no class"
            row[measure.reason] = f"{few} that slice and rest share: the slice cannot be told from its class"
            row[code_of(measure)] = TOO_FEW if against_rest.shared else NO_COMPARISON
        else:
            row[measure.p] = float(p_values[code])
            if measure is ATTENTION:
                inside = group == code
                row["excess_delta"] = stats.cliffs_delta_within(
                    scores[inside], label[inside], scores[~inside], label[~inside]
                )
        row.update(pairs.get(value, {}))
    return rows


def code_of(measure: Measure) -> str:
    """Name of the column that holds the code of a measure's reason."""
    return f"{measure.reason}_code"


def _why_missing(statuses: pd.Series) -> str:
    """The most frequent reason why images lack a measure, from their statuses."""
    said = statuses.replace("", pd.NA).dropna()
    return str(said.mode().iloc[0]) if len(said) else "not computed"


def _units(scored: pd.DataFrame, slices: pd.Series, measure: Measure, groups: pd.Series | None) -> pd.DataFrame:
    """The units of the tests, with slice, label and score: images, or means of a group's images in class and slice."""
    units = pd.DataFrame(
        {
            "slice": slices[scored.index].astype("str"),
            "label": scored["label"].astype("str"),
            "score": scored[measure.scores].astype(float),
        }
    )
    if groups is None:
        return units
    return units.groupby(["slice", "label", groups.loc[scored.index].rename("group")])["score"].mean().reset_index()


def _p_values(
    scores: NDArray[np.float64],
    group: Codes,
    label: Codes,
    measure: Measure,
    together: NDArray[np.generic] | None,
    seed: int,
    draws: int,
) -> NDArray[np.float64]:
    """(slices,) p-value of each slice against the rest, within classes.

    Where a group of photos (`together`: of each unit; None = there are none) has units of several classes in a slice,
    these are no independent units: what they lie above their classes is added, and whole groups are exchanged.
    """
    if measure is ACCURACY and together is None:
        cells = stats.Cells.of(scores, group, label)
        p_values = []
        for code in range(len(cells.counts)):
            counts, hits = cells.rest(code)
            p_values.append(stats.fisher_within(cells.sums[code], cells.counts[code], hits, counts))
        return np.array(p_values)
    if measure is ATTENTION:  # skewed: ranks, in each class of the same spread (van Elteren 1960)
        ranks = pd.Series(scores).groupby(label)
        scores = (ranks.rank() / (ranks.transform("size") + 1)).to_numpy(float)
    if together is None or not pd.DataFrame({"slice": group, "group": together}).duplicated().any():
        return stats.permutation_within(scores, group, label, seed=seed, permutations=draws)
    units = pd.DataFrame({"slice": group, "group": together, "label": label, "score": scores})
    above = units["score"] - units.groupby("label")["score"].transform("mean")
    shared = units.groupby("label")["slice"].transform("nunique") > 1  # a class of one slice compares nothing
    summed = above.where(shared, 0.0).groupby([units["slice"], units["group"]]).sum()
    slices = summed.index.get_level_values("slice").to_numpy(np.intp)
    return stats.permutation_within(
        summed.to_numpy(float), slices, np.zeros_like(slices), seed=seed, permutations=draws
    )


def _difference_interval(pair: stats.Standardised, cells: stats.Cells, measure: Measure, confidence: float) -> Interval:
    """Interval of the difference of two standardised groups: of rates for the accuracy, else of means."""
    if measure is ACCURACY:
        return stats.rates_interval(pair, confidence)
    return stats.means_interval(pair, cells, confidence)


def _pairs(cells: stats.Cells, measure: Measure, names: NDArray[np.str_]) -> dict[str, dict[str, Any]]:
    """For each slice the other slice from which it differs most, with an interval valid for all pairs (Bonferroni).

    Returns:
        name of the slice -> column name -> value; slices that cannot be compared are left out.
    """
    compared = {}
    for i, j in combinations(range(len(names)), 2):
        pair = stats.standardise(cells.counts[i], cells.sums[i], cells.counts[j], cells.sums[j])
        if pair.shared >= MIN_SLICE:
            compared[i, j] = pair
    confidence = 1 - (1 - CONFIDENCE) / max(len(compared), 1)
    furthest: dict[str, dict[str, Any]] = {}
    for (i, j), pair in sorted(compared.items(), key=lambda item: -abs(item[1].difference)):
        low, high = _difference_interval(pair, cells, measure, confidence)
        for one, other, sign, ends in ((i, j, 1, (low, high)), (j, i, -1, (-high, -low))):
            furthest.setdefault(
                str(names[one]),
                {
                    f"{measure.prefix}_against": str(names[other]),
                    f"{measure.prefix}_against_difference": sign * pair.difference,
                    f"{measure.prefix}_against_low": ends[0],
                    f"{measure.prefix}_against_high": ends[1],
                },
            )
    return furthest
