"""The evidence that rules are judged on: tables, measurements and thresholds, with the comparisons many rules share."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bias_audit.checks.outcomes import MOST_IDS, RuleOutcome, answered, not_excluded
from bias_audit.config import Thresholds

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Measured, Rule


@dataclass(frozen=True)
class Compared:
    """Comparison of a class's attention on the background with that of all other classes.

    Attributes:
        n: images of the class that have a background excess.
        rest_mean: mean background excess of the images of the other classes.
        delta: Cliff's delta, -1..1; positive where the class's values are higher.
        p_fdr: one-sided Mann-Whitney p after Benjamini-Hochberg over the classes compared.
    """

    n: int
    rest_mean: float
    delta: float
    p_fdr: float

    def stands_out(self, bounds: Thresholds) -> bool:
        """Whether the class's background excess is significantly higher than the others', by a large enough effect."""
        return self.p_fdr <= bounds.fdr and self.delta >= bounds.cliffs_delta


@dataclass(frozen=True)
class Evidence:
    """Everything that a rule may use to judge; the model is not part of it.

    Attributes:
        images: the shared table with a row per image, index image id.
        classes: the shared table with a row per class, index class name.
        thresholds: bounds of the rules.
        measured: name of a check -> its measurement.
        tables: name -> table that a check has made from other tables.
        rules: code -> rule, for every known rule.
        outcomes: outcomes of the checks that were judged before this one.
    """

    images: pd.DataFrame
    classes: pd.DataFrame
    thresholds: Thresholds
    measured: Mapping[str, Measured] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    outcomes: tuple[RuleOutcome, ...] = ()

    def table(self, name: str) -> pd.DataFrame | None:
        """The table of this name that a check measured or made; None where there is none."""
        if name in self.tables:
            return self.tables[name]
        found = (each.tables[name] for each in self.measured.values() if name in each.tables)
        return next(found, None)

    def own(self, check: str) -> Any:
        """The data that a check keeps beside its tables (`Measured.own`); None where it measured nothing.

        Args:
            check: name of the check.
        """
        measured = self.measured.get(check)
        return None if measured is None else measured.own()

    @functools.cached_property
    def failed_tests(self) -> tuple[str, ...]:
        """Names of the reliability tests that the heatmaps failed; if any, no rule reads an attention column."""
        return tuple(
            outcome.subject
            for outcome in self.outcomes
            if outcome.found and self.rules[outcome.code].role == "doubts the maps"
        )

    @property
    def doubt(self) -> str:
        """Why the attention columns must not be used, as a sentence; "" where they may be used."""
        return f"The maps failed: {', '.join(self.failed_tests)} (BA908)." if self.failed_tests else ""

    @functools.cached_property
    def attention(self) -> dict[str, Compared]:
        """Class name -> comparison of its background excess with that of all other classes.

        Holds only classes with at least `Thresholds.min_attention` scored images. Computed once and kept.
        """
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
        """Pairs of a class name and its row of the class table, for every class."""
        return [(str(name), row) for name, row in self.classes.iterrows()]

    def of_class(self, name: str) -> pd.DataFrame:
        """Rows of the images table whose label is this class."""
        return self.images[self.images["label"] == name]

    def worst(self, name: str, column: str) -> tuple[str, ...]:
        """Ids of the class's images with the largest values of a column, largest first, at most MOST_IDS.

        Args:
            name: the class.
            column: column of the images table; images without a value are left out.
        """
        group = self.of_class(name)
        group = group[group[column].notna()]
        return tuple(group.sort_values(column, ascending=False, kind="stable").index[:MOST_IDS])


def images_found(
    rule: Rule, name: str, chosen: pd.DataFrame, judged: int, sentence: str, still: str = ""
) -> RuleOutcome:
    """Outcome of a rule that picks single images of a class: found, at level WATCH, where it picked any.

    The measured number is the share of picked images, with a 95 % Wilson interval.

    Args:
        rule: the rule.
        name: the class.
        chosen: rows of the images that were picked, most telling first.
        judged: number of images that could be judged, at least 1.
        sentence: what was found, in words.
        still: sentence on what the negative leaves open where nothing was picked; "" = how large the share could be.
    """
    from bias_audit import stats

    low, high = stats.wilson(len(chosen), judged)
    if chosen.empty:
        sentence += f" {still or not_excluded('a share of such photos', high, 'share', judged)}"
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
