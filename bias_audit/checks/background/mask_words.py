"""What BA201 and BA207 say of gaps that may come from what the masks missed of the objects. Imports nothing heavy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import GROWN_SHARE, as_float, number, pull_in_doubt
from bias_audit.run.quantities import beside_bound, interval, quantity

if TYPE_CHECKING:
    from bias_audit.checks.outcomes import ClassRow
    from bias_audit.checks.thresholds import Thresholds


def missed(row: ClassRow, bounds: Thresholds) -> str:
    """Sentence on why a class whose masks are in doubt is not accused.

    Args:
        row: the class's row of the class table; it holds by `outcomes.masks_in_doubt`.
        bounds: thresholds of the rules.
    """
    gap, grown = as_float(row["background_gap"]), as_float(row["background_gap_grown_holes"])
    units = int(as_float(row["n_clusters_grown_holes"], 0))
    if units < bounds.min_photos or not math.isfinite(grown):
        return (
            "Masks in doubt: what they miss of the objects stays in the backgrounds and could make a gap of "
            f"{quantity(gap, 'points')}; only {units} photos (or groups) could be pasted onto backgrounds with larger "
            f"holes, and {bounds.min_photos} are needed to tell."
        )
    if pull_in_doubt(row, bounds) and grown >= GROWN_SHARE * gap:
        pull, left = as_float(row["attract"]), as_float(row["attract_grown_holes"])
        return (
            "Masks in doubt: with the holes in the backgrounds grown by a fifth of the picture the class pulls other "
            f"objects by {quantity(left, 'points')} instead of {quantity(pull, 'points')}, so parts of its objects "
            "that the masks miss could be what pulls them."
        )
    remaining = interval(grown, number(row["grown_holes_low"]), number(row["grown_holes_high"]), "points")
    return (
        "Masks in doubt: with the holes in the backgrounds grown by a fifth of the picture the gap is "
        f"{remaining} instead of {quantity(gap, 'points')}, so parts of the objects that the masks miss, and that the "
        "backgrounds therefore show, could make it."
    )


def near(row: ClassRow, bounds: Thresholds) -> str:
    """What of the grown holes of a finding lies close to a bound, in words; "" where nothing does.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    grown, least = as_float(row["background_gap_grown_holes"]), GROWN_SHARE * as_float(row["background_gap"], 0)
    if abs(grown - least) < bounds.near:
        return (
            f"a gap of {beside_bound(grown, least, 'points')} with grown holes; below {quantity(least, 'points')} the "
            "masks are in doubt"
        )
    return ""
