"""The smallest background gap that BA201 can find in each class, before any model is asked.

See docs/science.md#smallest-gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bias_audit import stats
from bias_audit.checks.background.enough import needed
from bias_audit.checks.thresholds import Thresholds


@dataclass(frozen=True)
class Findable:
    """What the test of the background gap can find in one class.

    Attributes:
        units: photos with composites, or groups of them: what the test counts.
        gap: smallest gap that is found with the chance `stats.POWER`, 0..1; NaN where no gap is.
        missing: units that the class lacks for a test; 0 = none.
    """

    units: int
    gap: float
    missing: int


def findable(units: Sequence[int], bounds: Thresholds) -> list[Findable]:
    """The smallest gap that is found in each class, where it is the only one that relies on its background.

    A photo that is lost is lost on all backgrounds of other classes, and no other photo is lost on any. A class is
    found as BA201 finds it: by the sign-flip test, corrected over all classes that are tested, and with `min_gap` at
    least.

    Args:
        units: photos (or groups) with composites, of each class.
        bounds: thresholds of the rules.
    """
    draws = stats.draws_for(len(units), rate=bounds.fdr)
    tested = sum(count >= bounds.min_photos for count in units)
    wanted = needed(bounds.fdr / max(len(units), 1), bounds.min_photos, draws)
    known: dict[int, Findable] = {}
    for count in set(units):
        gap = math.nan
        if count >= bounds.min_photos:
            gap = stats.smallest_share(count, bounds.fdr / tested, least=bounds.min_gap, permutations=draws)
        missing = 0 if not math.isnan(gap) else max(wanted - count, 0)
        known[count] = Findable(count, gap, missing)
    return [known[count] for count in units]
