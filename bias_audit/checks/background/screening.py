"""Decides on which classes an audit spends its composites: which are given up early, and which are suspected.

Both are decided by the background gap alone, and neither accuses anybody (docs/science.md#stages).
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.composites import Composite
from bias_audit.checks.background.crossed import crossed_gap_p
from bias_audit.config import FIRST_FILL, NO_FILL
from bias_audit.data.sampling import rank
from bias_audit.stats.futility import LEVEL

FIRST_BLOCK, BLOCK = 45, 15
"""Photos of a class after which it is asked whether the test goes on: of a hundred, 43 without a loss are enough."""

ROUNDING = 1e-9
"""A gap that lies below the floor by so little is the floor, added up in another order."""

Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Screen:
    """What the decisions depend on beside the composites.

    Attributes:
        classes: number of classes that are tested.
        min_gap, fdr: of the thresholds of the rules.
        seed: seed of the audit.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.
    """

    classes: int
    min_gap: float
    fdr: float
    seed: int
    groups: Codes | None = None

    @property
    def level(self) -> float:
        """Bound of the uncorrected p: that of the corrected one, at least `stats.futility.LEVEL`."""
        return max(self.fdr, LEVEL)

    def gives_up(self, made: Sequence[Composite], label: int, name: str, left: int) -> bool:
        """Whether the class will not be shown to rely on its background, so that no more photos need be pasted.

        Args:
            made: its composites so far.
            label, name: index and name of the class; the random draws depend on the name.
            left: photos that were not pasted yet.
        """
        photos, same, other = shares(made, label)
        groups = None if self.groups is None else self.groups[photos]
        seed = int(rank(self.seed, f"{name}:futility")[:16], 16)
        return stats.futile(same, other, left, floor=self.min_gap, seed=seed, groups=groups, level=self.level)

    def suspects(self, made: Sequence[Composite], label: int) -> bool:
        """Whether the gap of all photos of a class reaches the floor, or its uncorrected p the level.

        Args:
            made: its composites.
            label: index of the class.
        """
        photos, same, other = shares(made, label)
        if not len(photos):
            return False
        if float((same - other).mean()) >= self.min_gap - ROUNDING:
            return True
        groups = None if self.groups is None else self.groups[photos]
        draws = stats.draws_for(self.classes, rate=self.fdr)
        p = stats.sign_flip(same - other, seed=self.seed, permutations=draws, groups=groups)
        if p > self.level:
            return False
        return bool(np.fmax(p, crossed_gap_p(as_table(made, label), self.groups)) <= self.level)


def block_ends(count: int) -> list[int]:
    """Numbers of photos after which a class is looked at: FIRST_BLOCK, then each BLOCK, and all of them.

    Args:
        count: photos of the class.
    """
    return [*range(FIRST_BLOCK, count, BLOCK), count]


def shares(made: Sequence[Composite], label: int) -> tuple[Codes, NDArray[np.float64], NDArray[np.float64]]:
    """Share of the composites of each photo that keep its label, on backgrounds of its own class and of others.

    Args:
        made: composites of one class.
        label: index of the class.

    Returns:
        (positions, same, other) of the photos that were pasted on both, in the order of their first composites.
    """
    hits: dict[int, dict[str, list[bool]]] = {}
    for each in made:
        if each.arm in (arms.SAME, arms.OTHER) and each.fill in (FIRST_FILL, NO_FILL):
            right = hits.setdefault(each.photo, {arms.SAME: [], arms.OTHER: []})
            right[each.arm].append(each.predicted == label)
    both = {photo: right for photo, right in hits.items() if all(right.values())}
    same, other = (np.array([np.mean(right[arm]) for right in both.values()], float) for arm in (arms.SAME, arms.OTHER))
    return np.array(list(both), np.intp), same, other


def as_table(made: Sequence[Composite], labels: int | NDArray[np.intp]) -> pd.DataFrame:
    """Composites as a table; those on real scenes of the classes stand where the first fill would.

    Args:
        made: the composites.
        labels: index of the class, of all or (n,) of each, for the column `label`.
    """
    columns = [field.name for field in dataclasses.fields(Composite)]
    frame = pd.DataFrame(list(map(operator.attrgetter(*columns), made)), columns=columns).assign(label=labels)
    on_scenes = (frame["fill"] == NO_FILL) & (frame["arm"] != arms.SCENE)
    return frame.assign(fill=frame["fill"].mask(on_scenes, FIRST_FILL)).astype({"donor_probability": float})
