"""What two runs are compared by, and the statistics of one difference."""

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
"""Of bootstrap and sign flips: the same two runs always give the same page."""


@dataclass(frozen=True)
class Measure:
    """A mean over images.

    Attributes:
        title: in a few words.
        worse: 1 where high is worse, -1 where low is.
        unit: "share", "points" (a difference of shares) or "number", as the report writes it.
        least, most: lowest and highest possible value of an image; None = unbounded.
        values: images table -> value per image, NaN where an image has none.
        low, high, n: columns of the classes table beside the measure's own.
        slices: columns of the slices table: mean, low, high, n; empty = slices are not compared by it.
        test: the test of paired images.
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
    """A number of both runs.

    Attributes:
        scope: "data set", "class" or "slice".
        subject: class, or column = value, "" for the data set.
        measure: key of MEASURES.
        old, new: the means; over the same images where `method` is PAIRED.
        difference, low, high: new minus old with its 95 % interval, NaN where there is none.
        p, p_fdr: two-sided test of no difference, and after Benjamini-Hochberg over the subjects of the scope.
        n: images behind it, of the smaller run where they are two samples.
        method: PAIRED or APART.
        verdict: one of VERDICTS.
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
    """A column of a table, NaN where it has no value."""
    return np.asarray(values.astype(float).to_numpy(np.float64, na_value=np.nan), np.float64)


def _column(name: str) -> Callable[[pd.DataFrame], Floats]:
    return lambda images: floats(images[name])


def _without_object(images: pd.DataFrame) -> Floats:
    """1 where the label is still predicted with the object inpainted."""
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


def paired(scope: str, subject: str, name: str, old: Floats, new: Floats, groups: Codes | None = None) -> Change:
    """The change over the same images, without a verdict yet.

    Shares: Newcombe's interval of a paired difference (1998, method 10), and the exact McNemar test where every score
    is 0 or 1 and the images stand for themselves. Otherwise a BCa bootstrap of the mean difference and the sign-flip
    test. Where all gaps differ equally the bootstrap has no width; Newcombe's interval on (gap + 1) / 2 stands there.

    Args:
        scope, subject, name: see `Change`.
        old, new: (n,) values per image in the same order; NaN where a run has none.
        groups: (n,) code per image of photos that belong together; None = each by itself.
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
        p = stats.sign_flip(differences, seed=SEED, groups=codes)
    if measure.unit == "share":
        low, high = stats.paired_difference_interval(new, old, groups=codes)
    elif measure.least is not None and measure.most is not None and np.ptp(differences) <= 1e-9:
        width = measure.most - measure.least
        low, high = stats.paired_difference_interval(
            (new - measure.least) / width, (old - measure.least) / width, groups=codes
        )
        low, high = low * width, high * width
    else:
        low, high = stats.bca_mean_interval(differences, seed=SEED, groups=codes)
    means = float(old.mean()), float(new.mean())
    return Change(scope, subject, name, *means, float(differences.mean()), low, high, p, p, int(old.size), PAIRED)


def apart(
    scope: str, subject: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any], columns: Sequence[str]
) -> Change:
    """The change between two samples, from the intervals of both runs (MOVER: Zou & Donner 2008, Stat. Med. 27).

    Wilson intervals give Newcombe's interval of two independent proportions (1998, method 10 of pp. 873-890). p is the
    normal tail at which that end of the interval that faces zero would reach it.

    Args:
        old, new: rows of a table.
        columns: of the mean, the ends of its interval and the images behind it.
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
    """Corrected p-values and verdicts of all subjects of one scope; each measure is a family of its own.

    Args:
        changes: of one scope.
        least: images below which nothing is said.
        fdr: rate of false discoveries among "better" and "worse".
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
