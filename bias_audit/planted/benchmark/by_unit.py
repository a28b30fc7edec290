"""Judges every unit of the benchmark by itself: who was found, who was accused wrongly, and what must be reached.

The intervals take the seed as the unit that varies: models of one seed share their scenes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.planted.benchmark.catalogue import (
    COMPLETE_MASKS,
    COMPLETE_NEEDED,
    MASKS_NEEDED,
    UNIT_REPORT_SEEDS,
    UNITS,
)
from bias_audit.planted.benchmark.grid import SEPARATE
from bias_audit.planted.benchmark.rates import HIGH_RHO, PLANTED

MASKS = "masks_"
"""Begin of the names of units whose masks are spoiled or estimated."""


@dataclass(frozen=True)
class Trials:
    """What a figure counts.

    Attributes:
        hits: (n,) whether each class or model is one of those that are counted.
        seeds: (n,) its seed.
    """

    hits: NDArray[np.bool_]
    seeds: NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """A figure of a unit.

    Attributes:
        title: what is counted.
        of: classes of a unit, as `read_units` gives them -> what is counted.
        at_least: whether it must be large; else it must be small.
    """

    title: str
    of: Callable[[pd.DataFrame], Trials]
    at_least: bool


@dataclass(frozen=True)
class Measured:
    """A figure as it was measured.

    Attributes:
        k, n: hits and trials.
        low, high: 95 % interval of k / n with the seed as the unit; NaN with too few seeds.
        bound: what it must reach; None = nothing.
        at_least: as `Figure.at_least`.
    """

    k: int
    n: int
    low: float
    high: float
    bound: float | None
    at_least: bool

    @property
    def value(self) -> float:
        """The share k / n in 0..1; NaN for n = 0."""
        return self.k / self.n if self.n else math.nan

    @property
    def shortfall(self) -> float:
        """By how much the bound is missed, as a share; below 0 where it is kept, NaN without a bound or any trial."""
        if self.bound is None or not self.n:
            return math.nan
        return self.bound - self.value if self.at_least else self.value - self.bound

    @property
    def holds(self) -> bool:
        """Whether the bound is reached; true without a bound, false without any trial."""
        return self.bound is None or self.shortfall <= 1e-9


@dataclass(frozen=True)
class UnitResult:
    """A unit as it was measured.

    Attributes:
        name: key of UNITS, or the name of a group of units.
        title: what is unusual about it.
        models: audited models.
        reliant: models among them with a class that is verified as biased.
        watched: reason code of the verdict, "" for none -> number of biased classes that no rule accuses, but that the
            verdict shows as WATCH.
        figures: key of FIGURES -> what was measured.
    """

    name: str
    title: str
    models: int
    reliant: int
    watched: Mapping[str, int]
    figures: Mapping[str, Measured]

    @property
    def shortfall(self) -> float:
        """The largest shortfall of its figures; -inf where none has a bound and a trial."""
        known = [each.shortfall for each in self.figures.values() if not math.isnan(each.shortfall)]
        return max(known, default=-math.inf)


@dataclass(frozen=True)
class UnitsScored:
    """All units as they were measured.

    Attributes:
        seeds: the seeds of the cases.
        models: audited models.
        core_minutes: minutes that one core was busy to draw, train, ask and audit all models.
        units: the units, the worst first.
        groups: all units with complete masks together, and all with other masks.
        wrong: models whose accused classes are not the guilty ones: unit, model, guilty, missed, innocent, levels.
    """

    seeds: tuple[int, ...]
    models: int
    core_minutes: float
    units: tuple[UnitResult, ...]
    groups: tuple[UnitResult, ...]
    wrong: pd.DataFrame

    @property
    def reportable(self) -> bool:
        """Whether all seeds are those on which units are reported."""
        return set(self.seeds) <= set(UNIT_REPORT_SEEDS)


def score_units(units: pd.DataFrame) -> UnitsScored:
    """Measure the figures of all units that have a model.

    Args:
        units: table of `units.read_units`.
    """
    per_model = units.drop_duplicates("model")
    spoiled = units["unit"].str.startswith(MASKS)
    groups = {
        "complete": (units[~spoiled], "all units with complete masks", COMPLETE_NEEDED),
        "degraded": (units[spoiled], "all units with degraded or estimated masks", MASKS_NEEDED),
    }
    there = [name for name in UNITS if (units["unit"] == name).any()]
    results = [_result(name, UNITS[name].title, units[units["unit"] == name], UNITS[name].needs) for name in there]
    return UnitsScored(
        seeds=tuple(sorted(int(seed) for seed in units["seed"].unique())),
        models=len(per_model),
        core_minutes=float(per_model["cpu_seconds"].sum() / 60),
        units=tuple(sorted(results, key=lambda each: each.shortfall, reverse=True)),
        groups=tuple(_result(name, title, rows, needs) for name, (rows, title, needs) in groups.items() if len(rows)),
        wrong=_wrong_sets(units),
    )


def counted(units: pd.DataFrame) -> pd.DataFrame:
    """The classes of models with a cue that is strong enough to be found; of COMPLETE_MASKS not all are."""
    old = units["unit"] == COMPLETE_MASKS
    return units[~old | (units["kind"].isin(PLANTED) & (units["rho"] >= HIGH_RHO))]


def _found(units: pd.DataFrame) -> Trials:
    """Biased classes; hits are those that any rule accuses."""
    rows = counted(units)
    rows = rows[rows["truth_any"] == "positive"]
    return Trials(rows["accused"].to_numpy(bool), rows["seed"].to_numpy(np.int64))


def _exact(units: pd.DataFrame) -> Trials:
    """Models with a biased class; hits are those of which every biased class is accused and no innocent one.

    A class between biased and innocent may be accused or not.
    """
    models = _sets(counted(units))
    return Trials(~(models["missed"] | models["innocent"]).to_numpy(bool), models["seed"].to_numpy(np.int64))


def _innocents(units: pd.DataFrame) -> Trials:
    """Innocent classes of all models; hits are those that any rule accuses."""
    rows = units[(units["truth_any"] == "negative") & ~units["kind"].isin(SEPARATE)]
    return Trials(rows["accused"].to_numpy(bool), rows["seed"].to_numpy(np.int64))


def _clean(units: pd.DataFrame) -> Trials:
    """Models of clean worlds; hits are those in which any rule accuses any class, or the model as a whole."""
    rows = units[units["clean"].astype(bool)].drop_duplicates("model")
    return Trials(rows["model_accused"].to_numpy(bool), rows["seed"].to_numpy(np.int64))


def _green(units: pd.DataFrame) -> Trials:
    """Models with a biased class; hits are those that the gate lets pass by its defaults."""
    models = _sets(counted(units))
    return Trials(models["gate_passes"].to_numpy(bool), models["seed"].to_numpy(np.int64))


def _sets(units: pd.DataFrame) -> pd.DataFrame:
    """One row per model with a biased class: seed, gate_passes, missed (a biased class), innocent (is accused)."""
    accused = units["accused"].astype(bool)
    rows = units.assign(
        guilty=units["truth_any"] == "positive",
        missed=(units["truth_any"] == "positive") & ~accused,
        innocent=(units["truth_any"] == "negative") & accused,
    )
    models = rows.groupby("model", sort=False)[["guilty", "missed", "innocent"]].any()
    models = models.join(rows.drop_duplicates("model").set_index("model")[["seed", "gate_passes"]])
    return models[models["guilty"]]


def _result(name: str, title: str, units: pd.DataFrame, needs: Mapping[str, float]) -> UnitResult:
    biased = counted(units)
    biased = biased[biased["truth_any"] == "positive"]
    watched = biased[~biased["accused"].astype(bool) & (biased["level"] == "WATCH")]
    return UnitResult(
        name=name,
        title=title,
        models=units["model"].nunique(),
        reliant=biased["model"].nunique(),
        watched={str(reason): int(count) for reason, count in watched["reason"].value_counts().items()},
        figures={key: _measured(figure, figure.of(units), needs.get(key)) for key, figure in FIGURES.items()},
    )


def _measured(figure: Figure, trials: Trials, bound: float | None) -> Measured:
    codes = np.unique(trials.seeds, return_inverse=True)[1]
    low, high = stats.rate_interval(trials.hits.astype(float), groups=codes) if len(codes) else (math.nan, math.nan)
    return Measured(int(trials.hits.sum()), len(trials.hits), low, high, bound, figure.at_least)


def _wrong_sets(units: pd.DataFrame) -> pd.DataFrame:
    """Models whose accused classes are not the guilty ones, one row each; of those that count in any figure.

    An accusation that names no class shows as "(the model)" where the model is clean.
    """
    rows = []
    chosen = units[units["clean"].astype(bool) | units.index.isin(counted(units).index)]
    for (unit, model), group in chosen.groupby(["unit", "model"], sort=False):
        accused = group["accused"].astype(bool)
        missed = group[(group["truth_any"] == "positive") & ~accused]
        innocent = group[(group["truth_any"] == "negative") & accused]
        whole = bool(group["clean"].iloc[0]) and bool(group["model_accused"].iloc[0]) and innocent.empty
        if missed.empty and innocent.empty and not whole:
            continue
        told = pd.concat([missed, innocent])[["class_name", "accused_by", "level"]].to_numpy(str).tolist()
        rows.append(
            {
                "unit": unit,
                "model": model,
                "guilty": " ".join(group["class_name"][group["truth_any"] == "positive"]),
                "missed": " ".join(missed["class_name"]),
                "innocent": "(the model)" if whole else " ".join(innocent["class_name"]),
                "levels": ", ".join(f"{name} {codes or level or 'passed'}" for name, codes, level in told),
            }
        )
    return pd.DataFrame(rows, columns=["unit", "model", "guilty", "missed", "innocent", "levels"])


FIGURES: dict[str, Figure] = {
    "found": Figure("biased classes found", _found, True),
    "exact": Figure("guilty set exact", _exact, True),
    "innocents": Figure("innocent classes accused", _innocents, False),
    "clean": Figure("clean audits with an accusation", _clean, False),
    "green": Figure("gate green beside proven reliance", _green, False),
}
"""Figures by name, in the order of the table."""
