"""The evidence that rules are judged on: tables, measurements and thresholds, with the comparisons many rules share."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bias_audit.checks.outcomes import MOST_IDS, RuleOutcome, answered, not_excluded, number
from bias_audit.config import Thresholds

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from bias_audit.checks.base import Measured, Rule


@dataclass(frozen=True)
class Compared:
    """Comparison of a class's attention on the background with that of all other classes.

    Attributes:
        n: images of the class that have a background excess.
        units, rest_units: groups (patients, scenes) of these images, and of those of the other classes, each with the
            mean of its images on that side; the images themselves where none belong together.
        rest_mean: mean background excess of the images of the other classes.
        delta: Cliff's delta of the units, -1..1; positive where the class's values are higher.
        p_fdr: one-sided Mann-Whitney p of the units after Benjamini-Hochberg over the classes compared; NaN where the
            images of the class, or of the others, are of too few groups.
    """

    n: int
    units: int
    rest_units: int
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
        groups: group code per image (patient, scene), in the order of `images`; None = every photo is a group of its
            own.
    """

    images: pd.DataFrame
    classes: pd.DataFrame
    thresholds: Thresholds
    measured: Mapping[str, Measured] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    outcomes: tuple[RuleOutcome, ...] = ()
    groups: pd.Series | None = None

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

        Holds only classes with at least `Thresholds.min_attention` scored images. A group counts once on either side,
        by the mean of its images there. Computed once and kept.
        """
        import numpy as np

        from bias_audit import stats

        scored = self.images["background_excess_label"].notna().to_numpy()
        excess = self.images["background_excess_label"].to_numpy(float)[scored]
        codes = None if self.groups is None else self.groups.to_numpy()[scored]
        names, of, sizes = np.unique(self.images["label"].to_numpy()[scored], return_inverse=True, return_counts=True)
        sums = np.bincount(of, weights=excess, minlength=len(names))
        compared = _each_with_the_rest(excess, of, codes)
        found: dict[str, Compared] = {}
        for label, name in enumerate(names):
            others = len(excess) - int(sizes[label])
            if sizes[label] < self.thresholds.min_attention or not others:
                continue
            own, rest, delta, p = compared(label)
            enough = codes is None or min(own, rest) >= stats.ENOUGH_GROUPS
            mean = float(excess.sum() - sums[label]) / others
            found[str(name)] = Compared(int(sizes[label]), own, rest, mean, delta, p if enough else float("nan"))
        corrected = stats.benjamini_hochberg(np.array([each.p_fdr for each in found.values()]))
        return {
            name: dataclasses.replace(each, p_fdr=float(p))
            for (name, each), p in zip(found.items(), corrected, strict=True)
        }

    def rows(self) -> list[tuple[str, pd.Series]]:
        """Pairs of a class name and its row of the class table, for every class."""
        return [(str(name), row) for name, row in self.classes.iterrows()]

    def of_class(self, name: str) -> pd.DataFrame:
        """Rows of the images table whose label is this class."""
        found: pd.DataFrame = self.images.iloc[self._of_classes.get(name, [])]
        return found

    @functools.cached_property
    def _of_classes(self) -> Mapping[Any, Any]:
        """Class name -> places of its images."""
        return self.images.groupby("label").indices

    def worst(self, name: str, column: str) -> tuple[str, ...]:
        """Ids of the class's images with the largest values of a column, largest first, at most MOST_IDS.

        Args:
            name: the class.
            column: column of the images table; images without a value are left out.
        """
        group = self.of_class(name)
        group = group[group[column].notna()]
        return tuple(group.sort_values(column, ascending=False, kind="stable").index[:MOST_IDS])


def _each_with_the_rest(
    values: NDArray[np.float64], of: NDArray[np.intp], codes: NDArray[np.intp] | None
) -> Callable[[int], tuple[int, int, float, float]]:
    """Compares the values of a class with those of all others: (own units, other units, Cliff's delta, one-sided p).

    Args:
        values: (n,) value of each image.
        of: (n,) index of its class.
        codes: (n,) group of each image, which counts once on either side; None = no images belong together.
    """
    import numpy as np

    from bias_audit import stats

    units, first, unit = np.unique(
        np.arange(len(of)) if codes is None else codes, return_index=True, return_inverse=True
    )
    if (of[first][unit] == of).all():
        p, delta = stats.greater_than_rest(stats.group_means(values, unit), of[first])
        own = np.bincount(of[first], minlength=len(p))
        return lambda label: (int(own[label]), len(units) - int(own[label]), float(delta[label]), float(p[label]))

    def compared(label: int) -> tuple[int, int, float, float]:  # a group of several classes has a mean for each side
        one, rest = (stats.group_means(values[side], unit[side]) for side in (of == label, of != label))
        return len(one), len(rest), stats.cliffs_delta(one, rest), stats.mann_whitney_greater(one, rest)

    return compared


def images_found(
    rule: Rule,
    name: str,
    chosen: pd.DataFrame,
    judged: pd.DataFrame,
    sentence: str,
    evidence: Evidence,
    still: str = "",
) -> RuleOutcome:
    """Outcome of a rule that picks single images of a class: found, at level WATCH, where it picked any.

    The measured number is the share of picked images, with a 95 % Wilson interval in which a group counts as one.

    Args:
        rule: the rule.
        name: the class.
        chosen: rows of the images that were picked, most telling first.
        judged: rows of the images that could be judged, at least one, those of `chosen` among them.
        sentence: what was found, in words.
        evidence: what the rule was judged on.
        still: sentence on what the negative leaves open where nothing was picked; "" = how large the share could be.
    """
    from bias_audit import stats

    picked = judged.index.isin(chosen.index).astype(float)
    low, high = stats.rate_interval(picked, groups=stats.codes_of(evidence.groups, judged.index))
    if chosen.empty:
        sentence += f" {still or not_excluded('a share of such photos', high, 'share', len(judged))}"
    return answered(
        rule,
        "image",
        name,
        len(chosen) > 0,
        "WATCH",
        sentence,
        measured=len(chosen) / len(judged),
        low=number(low),
        high=number(high),
        n=len(judged),
        image_ids=tuple(chosen.index[:MOST_IDS]),
    )
