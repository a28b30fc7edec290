"""What BA201 and BA207 say of gaps that may come from what the masks missed of the objects. Imports nothing heavy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import as_float, number
from bias_audit.checks.reliance import GROWN_SHARE, gap_of_minority, near_parts_in_doubt, pull_in_doubt
from bias_audit.run.quantities import beside_bound, interval, quantity

if TYPE_CHECKING:
    from bias_audit.checks.outcomes import ClassRow
    from bias_audit.checks.thresholds import Thresholds


def missed(row: ClassRow, bounds: Thresholds) -> str:
    """Sentence on why a class whose masks are in doubt is not accused.

    Args:
        row: the class's row of the class table; it holds by `reliance.masks_in_doubt`.
        bounds: thresholds of the rules.
    """
    if not near_parts_in_doubt(row, bounds):
        return _of_a_minority(row, bounds)
    gap, grown = as_float(row["background_gap"]), as_float(row["background_gap_grown_holes"])
    units = int(as_float(row["n_units_grown_holes"], 0))
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


def _of_a_minority(row: ClassRow, bounds: Thresholds) -> str:
    """Sentences on a gap, or a pull, that a minority of the backgrounds makes (`reliance.minority_in_doubt`)."""
    gap, rest = as_float(row["background_gap"]), as_float(row["background_gap_without_strongest"])
    without = "without the third of the backgrounds that look most like their class once the object is removed"
    look = "look at the emptied photos: an object that no mask covers, a second one for instance, could make it."
    if not math.isfinite(rest):
        return f"Masks in doubt: {without}, no photos are left to show that a gap of {quantity(gap, 'points')} stays."
    if not gap_of_minority(row, bounds):
        pull, left = as_float(row["attract"]), as_float(row["attract_without_strongest"])
        return (
            f"Masks in doubt: {without}, the class pulls other objects by {quantity(left, 'points')} instead of "
            f"{quantity(pull, 'points')}. The pull comes from a minority of the backgrounds; {look}"
        )
    remaining = interval(rest, number(row["without_strongest_low"]), number(row["without_strongest_high"]), "points")
    return (
        f"Masks in doubt: {without}, the gap is {remaining} instead of {quantity(gap, 'points')}. It comes from a "
        f"minority of the backgrounds; {look}"
    )


def near(row: ClassRow, bounds: Thresholds) -> str:
    """Gaps of a finding that lie close to where the masks come into doubt, in words; "" where none does.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    least = GROWN_SHARE * as_float(row["background_gap"], 0)
    measured = (
        ("background_gap_grown_holes", "with grown holes"),
        ("background_gap_without_strongest", "without the strongest backgrounds"),
    )
    close = [(as_float(row[column]), where) for column, where in measured]
    said = [f"{beside_bound(gap, least, 'points')} {where}" for gap, where in close if abs(gap - least) < bounds.near]
    return f"a gap of {' and '.join(said)}; below {quantity(least, 'points')} the masks are in doubt" if said else ""
