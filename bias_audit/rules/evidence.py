"""What rules look at, and how they word an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bias_audit import stats
from bias_audit.config import Thresholds
from bias_audit.result import RuleOutcome

MOST_IDS = 200
"""Image ids kept per outcome; the tables hold them all."""


@dataclass(frozen=True)
class Evidence:
    """What the rules may look at.

    Attributes:
        images, classes, gap_matrix, slices: tables of `schema`.
        thresholds: bounds.
    """

    images: pd.DataFrame
    classes: pd.DataFrame
    gap_matrix: pd.DataFrame
    slices: pd.DataFrame
    thresholds: Thresholds

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


def not_applicable(code: str, title: str, scope: str, subject: str, reason: str) -> RuleOutcome:
    """The rule could not judge this subject, and why."""
    return RuleOutcome(code, title, scope, subject, "not applicable", reason)


def images_found(code: str, title: str, name: str, chosen: pd.DataFrame, judged: int, sentence: str) -> RuleOutcome:
    """Outcome of a rule that picks images of a class: found at WATCH where it picked any; their share with interval."""
    low, high = stats.wilson(len(chosen), judged)
    return RuleOutcome(
        code,
        title,
        "image",
        name,
        *status_of(len(chosen) > 0, "WATCH", sentence),
        measured=len(chosen) / judged,
        low=low,
        high=high,
        n=judged,
        image_ids=tuple(chosen.index[:MOST_IDS]),
    )


def status_of(found: bool, level: str, sentence: str) -> tuple[str, str, str | None]:
    """status, sentence and level of a RuleOutcome, in its order."""
    return ("found", sentence, level) if found else ("passed", sentence, None)


def number(value: Any) -> float | None:
    """A finite float, or None."""
    value = as_float(value)
    return value if np.isfinite(value) else None


def as_float(value: Any, missing: float = float("nan")) -> float:
    """A float, or `missing` for None and NA."""
    return missing if value is None or pd.isna(value) else float(value)
