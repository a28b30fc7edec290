"""Rates of accusations, of all rules and of the verdict, beside simple baselines; and what they must reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.planted.benchmark.accusations import TRIAGE
from bias_audit.planted.benchmark.grid import TWIN_KINDS
from bias_audit.planted.benchmark.truth import STRONG

HIGH_RHO = 0.9
"""Strength rho of a planted cue from which on the bias must be detected."""

FOUND_AT_LEAST = 0.95
"""Least share of biased classes at a rho of at least HIGH_RHO that must be accused."""

CLEAN_AT_MOST = 1 / 35
"""Largest share of clean and null audits that may hold an accusation."""

TRIAGE_AT_MOST = 1 / 4
"""Largest share of clean and null audits in which the rules TRIAGE may speak at all (WATCH)."""

PLANTED = ("planted", "two_classes", "all_planted")
"""Kinds of worlds whose guilty classes must be found."""

ANY_RULE, VERDICT = "any rule", "verdict"
"""Keys of FLAGS: accused by any rule, and convicted by the rule that tests reliance."""


@dataclass(frozen=True)
class Rate:
    """A rate: k of n, with a 95 % Wilson interval."""

    k: int
    n: int

    @property
    def value(self) -> float:
        """The rate k / n in 0..1; NaN for n = 0."""
        return self.k / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high) of the 95 % Wilson interval; (nan, nan) for n = 0."""
        return stats.wilson(self.k, self.n)


@dataclass(frozen=True)
class Flag:
    """A way to accuse classes: by the audit, or by a baseline that it is compared with.

    Attributes:
        of: units -> (N,) whether each class is accused.
        truth: column of the units that says who is guilty: "truth" by the background, "truth_any" by any cue.
        model: column that says whether the model as a whole is accused; None = where any of its classes is.
    """

    of: Callable[[pd.DataFrame], NDArray[np.bool_]]
    truth: str = "truth"
    model: str | None = None

    def fits(self, units: pd.DataFrame) -> bool:
        """Whether the units have the columns that this needs; an audit with other settings may not."""
        try:
            self.of(units)
        except KeyError:
            return False
        return self.model is None or self.model in units


FLAGS: dict[str, Flag] = {
    ANY_RULE: Flag(lambda units: units["accused"].to_numpy(bool), "truth_any", "model_accused"),
    VERDICT: Flag(lambda units: units["flagged"].to_numpy(bool)),
    "background share > .5": Flag(lambda units: (units["background_share"] > 0.5).to_numpy(bool)),
    "IoU at half maximum < .5": Flag(lambda units: (units["iou_half_maximum"] < 0.5).to_numpy(bool)),
    "lowest accuracy of the model": Flag(
        lambda units: (units["accuracy"] <= units.groupby("model")["accuracy"].transform("min")).to_numpy(bool)
    ),
}
"""Name -> way to accuse classes: all rules together, the verdict, and the baselines that they are compared with."""


def rates(units: pd.DataFrame, flag: Flag) -> dict[str, Rate]:
    """The rates of a way to accuse; names as `table.RATES`.

    Args:
        units: table of `units.read_units`, without the kinds that count in no rate.
        flag: the way.
    """
    units = units.assign(flag=flag.of(units))
    positive, negative = units[flag.truth] == "positive", units[flag.truth] == "negative"
    strong_cue = units["rho"] >= HIGH_RHO
    twins = units["kind"].isin(TWIN_KINDS)
    planted = units["kind"].isin(PLANTED)
    whole = units.groupby("model")[flag.model or "flag"].any()

    def rate(rows: pd.Series) -> Rate:
        return Rate(int(units.loc[rows, "flag"].sum()), int(rows.sum()))

    def of_models(rows: pd.Series) -> Rate:
        chosen = whole.reindex(units.loc[rows, "model"].unique())
        return Rate(int(chosen.sum()), len(chosen))

    return {
        "tpr": rate(positive & strong_cue & planted),
        "guilty_models": of_models(positive & strong_cue & planted),
        "tpr_strong": rate(positive & (units["reliance"] >= STRONG) & planted),
        "tpr_weaker": rate(positive & ~strong_cue & planted),
        "fpr_clean": rate(negative & twins),
        "clean_models": of_models(twins),
        "fpr_others": rate(negative & planted & ~units["guilty"]),
        "fpr_on_object": rate(negative & (units["kind"] == "on_object")),
        "fpr_tiny": rate(negative & (units["kind"] == "tiny")),
    }


def first(units: pd.DataFrame) -> dict[str, Rate]:
    """How often a guilty class comes first among the classes of its model, by two scores and by the verdict.

    Counted are models with one planted class at a rho of at least HIGH_RHO that is verified as biased.
    """
    chosen = units[(units["kind"] == "planted") & (units["rho"] >= HIGH_RHO)]
    guilty = chosen[chosen["truth"] == "positive"]
    result = {}
    for column in ("attract", "background_gap"):
        if column in units:
            best = chosen.groupby("model")[column].max()
            hits = (guilty[column].to_numpy() >= best.reindex(guilty["model"]).to_numpy()).sum()
            result[column] = Rate(int(hits), len(guilty))
    result["verdict"] = Rate(int(guilty["named_first"].sum()), len(guilty))
    return result


def triage(units: pd.DataFrame, findings: pd.DataFrame) -> Rate:
    """In how many clean and null audits any of the rules TRIAGE speaks, at a level of WATCH."""
    clean = units.loc[units["kind"].isin(TWIN_KINDS), "model"].unique()
    spoke = findings[findings["code"].isin(TRIAGE) & (findings["level"] == "WATCH")]["model"].unique()
    return Rate(len(set(clean) & set(spoke)), len(clean))


@dataclass(frozen=True)
class Requirement:
    """A figure that the benchmark must reach.

    Attributes:
        name: what is counted.
        rate: the rate that was measured.
        bound: what it must be, in words.
        holds: whether it is.
    """

    name: str
    rate: Rate
    bound: str
    holds: bool


def requirements(rules: Mapping[str, Mapping[str, Rate]], firsts: Mapping[str, Rate], hints: Rate) -> list[Requirement]:
    """The figures that must be reached, with what was measured; those that nothing was measured for are left out.

    Args:
        rules: name of FLAGS -> `rates`.
        firsts: result of `first`.
        hints: result of `triage`.
    """
    found, clean, named = rules[ANY_RULE]["tpr"], rules[ANY_RULE]["clean_models"], firsts["verdict"]
    rows = [
        Requirement(
            f"biased classes accused by any rule, rho >= {HIGH_RHO}", found, f"at least {FOUND_AT_LEAST}",
            found.value >= FOUND_AT_LEAST,
        ),
        Requirement("guilty class comes first by the verdict", named, "all", named.k == named.n),
        Requirement(
            "clean and null audits with an accusation", clean, "at most 1 of 35", clean.value <= CLEAN_AT_MOST
        ),
        Requirement(
            f"clean and null audits with WATCH of {', '.join(TRIAGE)}", hints, "at most 1 of 4",
            hints.value <= TRIAGE_AT_MOST,
        ),
    ]  # fmt: skip
    return [row for row in rows if row.rate.n]
