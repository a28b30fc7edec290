"""What rules look at, and how they word an outcome."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bias_audit.checks.outcomes import MOST_IDS, RuleOutcome, answered
from bias_audit.config import Thresholds

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Measured, Rule


@dataclass(frozen=True)
class Compared:
    """A class's attention on the background against that of the other classes.

    Attributes:
        n: images of the class with a background excess.
        rest_mean: mean excess of the others.
        delta: Cliff's delta, -1..1; positive where the class lies higher.
        p_fdr: one-sided Mann-Whitney p after Benjamini-Hochberg over the classes compared.
    """

    n: int
    rest_mean: float
    delta: float
    p_fdr: float

    def stands_out(self, bounds: Thresholds) -> bool:
        """Significantly above the others, and by enough."""
        return self.p_fdr <= bounds.fdr and self.delta >= bounds.cliffs_delta


@dataclass(frozen=True)
class Evidence:
    """What the rules may look at.

    Attributes:
        images, classes: the shared tables.
        thresholds: bounds.
        measured: name of a check -> what it measured.
        tables: name -> table that a check has made from other tables.
        rules: every rule by its code.
        outcomes: of the checks that were judged before.
    """

    images: pd.DataFrame
    classes: pd.DataFrame
    thresholds: Thresholds
    measured: Mapping[str, Measured] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    outcomes: tuple[RuleOutcome, ...] = ()

    def table(self, name: str) -> pd.DataFrame | None:
        """A table of a check, None where no check made it."""
        if name in self.tables:
            return self.tables[name]
        found = (each.tables[name] for each in self.measured.values() if name in each.tables)
        return next(found, None)

    def own(self, check: str) -> Any:
        """What a check measured beside its tables, None where it measured nothing."""
        measured = self.measured.get(check)
        return None if measured is None else measured.own()

    @functools.cached_property
    def failed_tests(self) -> tuple[str, ...]:
        """The tests that the heatmaps failed; then no rule reads an attention column."""
        return tuple(
            outcome.subject
            for outcome in self.outcomes
            if outcome.found and self.rules[outcome.code].role == "doubts the maps"
        )

    @property
    def doubt(self) -> str:
        """Why the attention columns are not to be used; "" where they may be."""
        return f"The maps failed: {', '.join(self.failed_tests)} (BA908)." if self.failed_tests else ""

    @functools.cached_property
    def attention(self) -> dict[str, Compared]:
        """Background excess of every class with enough images against that of all others; compared once."""
        import numpy as np

        from bias_audit import stats

        groups = {
            str(name): group["background_excess_label"].dropna().to_numpy(float)
            for name, group in self.images.groupby("label")
        }
        against: dict[str, tuple[float, float, float]] = {}
        for name, values in groups.items():
            others = [excess for other, excess in groups.items() if other != name and len(excess)]
            if len(values) >= self.thresholds.min_attention and others:
                rest = np.concatenate(others)
                p = stats.mann_whitney_greater(values, rest)
                against[name] = p, stats.cliffs_delta(values, rest), float(rest.mean())
        corrected = stats.benjamini_hochberg(np.array([p for p, _, _ in against.values()]))
        return {
            name: Compared(len(groups[name]), rest_mean, delta, float(p_fdr))
            for (name, (_, delta, rest_mean)), p_fdr in zip(against.items(), corrected, strict=True)
        }

    def rows(self) -> list[tuple[str, pd.Series]]:
        """Class name and row of every class."""
        return [(str(name), row) for name, row in self.classes.iterrows()]

    def of_class(self, name: str) -> pd.DataFrame:
        """The images with this label."""
        return self.images[self.images["label"] == name]

    def worst(self, name: str, column: str) -> tuple[str, ...]:
        """Ids of a class's images, largest value first."""
        group = self.of_class(name)
        group = group[group[column].notna()]
        return tuple(group.sort_values(column, ascending=False, kind="stable").index[:MOST_IDS])


def images_found(rule: Rule, name: str, chosen: pd.DataFrame, judged: int, sentence: str) -> RuleOutcome:
    """Outcome of a rule that picks images of a class: found at WATCH where it picked any; their share with interval."""
    from bias_audit import stats

    low, high = stats.wilson(len(chosen), judged)
    return answered(
        rule,
        "image",
        name,
        len(chosen) > 0,
        "WATCH",
        sentence,
        measured=len(chosen) / judged,
        low=low,
        high=high,
        n=judged,
        image_ids=tuple(chosen.index[:MOST_IDS]),
    )
