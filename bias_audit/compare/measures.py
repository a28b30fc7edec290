"""The numbers by which two runs are compared, and the statistics of one difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

BETTER, WORSE, NO_DIFFERENCE, TOO_FEW = "better", "worse", "no difference shown", "not enough images"
VERDICTS = (WORSE, BETTER, NO_DIFFERENCE, TOO_FEW)

PAIRED, APART = "paired", "two samples"

SEED = 0
"""Seed of bootstrap and sign flips: the same two runs always give the same page."""


@dataclass(frozen=True)
class Measure:
    """A mean over images by which two runs are compared.

    Attributes:
        title: name of the measure in a few words.
        worse: 1 where a high value is worse, -1 where a low one is.
        unit: "share", "points" (a difference of shares) or "number", as the report writes it.
        least, most: lowest and highest possible value of an image; None = unbounded.
        values: images table -> (n,) value per image, NaN where an image has none.
        low, high, n: columns of the classes table with the ends of the interval and the number of images; the mean
            stands in the column that is the key in MEASURES.
        slices: columns of the slices table with mean, low, high and n; empty = slices are not compared by this measure.
        test: name of the test for paired images.
    """

    title: str
    worse: int
    unit: str
    least: float | None
    most: float | None
    values: Callable[[pd.DataFrame], Floats]
    low: str
    high: str
    n: str
    slices: tuple[str, str, str, str] | tuple[()] = ()
    test: str = "sign flips of the images' differences"


@dataclass(frozen=True)
class Change:
    """The difference in one measure between two runs, for one class, one slice or the whole data set.

    Attributes:
        scope: "data set", "class" or "slice".
        subject: the class, or "column = value" for a slice; "" for the data set.
        measure: key of MEASURES.
        old, new: the means of the runs; over the same images where `method` is PAIRED.
        difference, low, high: new minus old with its 95 % interval, NaN where there is none.
        p: p-value of the two-sided test of no difference.
        p_fdr: the p-value after Benjamini-Hochberg over the subjects of the scope; NaN where too few images were
            tested.
        n: number of images in both runs where `method` is PAIRED; else in the smaller sample.
        method: PAIRED or APART.
        verdict: one of VERDICTS; "" before `judged`.
    """

    scope: str
    subject: str
    measure: str
    old: float
    new: float
    difference: float
    low: float
    high: float
    p: float
    p_fdr: float
    n: int
    method: str
    verdict: str = ""


def floats(values: pd.Series) -> Floats:
    """A column of a table as (n,) floats, NaN where a cell is empty."""
    return np.asarray(values.astype(float).to_numpy(np.float64, na_value=np.nan), np.float64)


def _column(name: str) -> Callable[[pd.DataFrame], Floats]:
    return lambda images: floats(images[name])


def _without_object(images: pd.DataFrame) -> Floats:
    """(n,) 1 where the label is still predicted with the object inpainted, else 0; NaN where this was not tried."""
    predicted = images["background_only_predicted"]
    right = (predicted == images["label"]).to_numpy(np.float64)
    return np.where(predicted.to_numpy(str) == "", np.nan, right)


_MCNEMAR = "exact McNemar test"

MEASURES: dict[str, Measure] = {
    "accuracy": Measure(
        "accuracy", -1, "share", 0.0, 1.0, _column("correct"), "accuracy_low", "accuracy_high", "n_read",
        ("accuracy", "accuracy_low", "accuracy_high", "n"), _MCNEMAR,
    ),
    "background_gap": Measure(
        "background gap", 1, "points", -1.0, 1.0, _column("background_gap"), "gap_low", "gap_high", "n_interventions",
        ("background_gap", "gap_low", "gap_high", "n_interventions"),
    ),
    "background_excess": Measure(
        "background excess", 1, "number", None, None, _column("background_excess_label"), "excess_low", "excess_high",
        "n_attention", ("background_excess", "excess_low", "excess_high", "n_attention"),
    ),
    "other_background_accuracy": Measure(
        "accuracy on other backgrounds", -1, "share", 0.0, 1.0, _column("other_background_accuracy"), "other_low",
        "other_high", "n_interventions",
    ),
    "background_only_accuracy": Measure(
        "right without the object", 1, "share", 0.0, 1.0, _without_object, "background_only_low",
        "background_only_high", "n_interventions", (), _MCNEMAR,
    ),
}  # fmt: skip


def paired(
    scope: str,
    subject: str,
    name: str,
    old: Floats,
    new: Floats,
    groups: Codes | None = None,
    tests: int = 1,
) -> Change:
    """The change of a measure over the images that both runs have, without a verdict yet.

    Interval: Newcombe's interval of a paired difference (1998, method 10) for shares, else the bootstrap-t interval of
    the mean difference. Test: the exact McNemar test where every score is 0 or 1 and photos are not
    grouped, else the sign-flip test.

    Args:
        scope, subject, name: scope, subject and measure of the `Change`.
        old, new: (n,) value per image in the same order; NaN where a run has none.
        groups: (n,) code per image, equal for photos that belong together; None = no photos belong together.
        tests: subjects whose p-values are corrected together.
    """
    both = np.isfinite(old) & np.isfinite(new)
    old, new = old[both], new[both]
    codes = None if groups is None else groups[both]
    if old.size == 0:
        none = math.nan
        return Change(scope, subject, name, none, none, none, none, none, none, none, 0, PAIRED)
    measure, differences = MEASURES[name], new - old
    binary = measure.test == _MCNEMAR and codes is None
    if binary:
        p = stats.mcnemar(int((differences > 0).sum()), int((differences < 0).sum()))
    else:
        p = stats.sign_flip(differences, seed=SEED, permutations=stats.draws_for(tests), groups=codes)
    if measure.unit == "share":
        low, high = stats.paired_difference_interval(new, old, groups=codes)
    else:
        width = None if measure.least is None or measure.most is None else measure.most - measure.least
        low, high = stats.mean_interval(
            differences, seed=SEED, groups=codes, least=None if width is None else -width, most=width
        )
    means = float(old.mean()), float(new.mean())
    return Change(scope, subject, name, *means, float(differences.mean()), low, high, p, p, int(old.size), PAIRED)


def apart(
    scope: str, subject: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any], columns: Sequence[str]
) -> Change:
    """The change of a measure between two independent samples, from the intervals of both runs.

    The interval is made by MOVER (Zou & Donner 2008, Stat. Med. 27). From Wilson intervals this gives Newcombe's
    interval of two independent proportions (1998, method 10 of pp. 873-890). p is two-sided: the level at which, on the
    normal scale, the end of the interval on zero's side would just reach zero.

    Args:
        scope, subject, name: scope, subject and measure of the `Change`.
        old, new: the subject's row in a table of the old and of the new run.
        columns: names of the columns with the mean, the lower and upper end of its 95 % interval and the number of
            images.
    """
    one, two = ([_float(row.get(column)) for column in columns] for row in (old, new))
    (old_value, old_low, old_high, old_n), (new_value, new_low, new_high, new_n) = one, two
    difference = new_value - old_value
    low = difference - math.hypot(new_value - new_low, old_high - old_value)
    high = difference + math.hypot(new_high - new_value, old_value - old_low)
    facing = difference - low if difference > 0 else high - difference
    p = math.nan
    if math.isfinite(facing):
        z = abs(difference) / facing * NormalDist().inv_cdf(0.975) if facing > 0 else (math.inf if difference else 0.0)
        p = math.erfc(z / math.sqrt(2))
    n = min(old_n, new_n)
    count = int(n) if math.isfinite(n) else 0
    return Change(scope, subject, name, old_value, new_value, difference, low, high, p, p, count, APART)


def judged(changes: Sequence[Change], least: int, fdr: float) -> list[Change]:
    """The changes of one scope with corrected p-values and verdicts.

    P-values are corrected within each measure, over its subjects.

    Args:
        changes: changes of one scope.
        least: with fewer images the verdict is TOO_FEW.
        fdr: rate of false discoveries among "better" and "worse", 0..1.
    """
    done: dict[int, Change] = {}
    for name in MEASURES:
        own = [i for i, change in enumerate(changes) if change.measure == name and change.n and math.isfinite(change.p)]
        tested = [i for i in own if changes[i].n >= least]
        corrected = stats.benjamini_hochberg([changes[i].p for i in tested])
        for i, p in zip(tested, corrected, strict=True):
            done[i] = replace(changes[i], p_fdr=float(p), verdict=_verdict(changes[i], float(p), fdr))
    return [done.get(i, replace(change, p_fdr=math.nan, verdict=TOO_FEW)) for i, change in enumerate(changes)]


def _verdict(change: Change, p: float, fdr: float) -> str:
    if not math.isfinite(change.low) or not math.isfinite(change.high):
        return TOO_FEW
    if p > fdr or change.low <= 0 <= change.high:
        return NO_DIFFERENCE
    return WORSE if change.difference * MEASURES[change.measure].worse > 0 else BETTER


def _float(value: Any) -> float:
    return math.nan if value is None or pd.isna(value) else float(value)
