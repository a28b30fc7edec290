"""What BA201 and BA207 say of gaps that may come from what the masks missed of the objects. Imports nothing heavy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import GROWN_SHARE, as_float, pull_in_doubt

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
            f"Masks in doubt: what they miss of the objects lies in the backgrounds and could make such a gap of "
            f"{gap:z.0%}, and only {units} photos (or groups) could be put on backgrounds with larger holes, of "
            f"{bounds.min_photos} needed to tell."
        )
    if pull_in_doubt(row, bounds) and grown >= GROWN_SHARE * gap:
        pull, left = as_float(row["attract"]), as_float(row["attract_grown_holes"])
        return (
            f"Masks in doubt: with the holes in the backgrounds grown by a fifth of the picture the class pulls other "
            f"objects by {left:z.0%} instead of {pull:z.0%}: parts of its objects that the masks miss could pull them."
        )
    low, high = as_float(row["grown_holes_low"]), as_float(row["grown_holes_high"])
    return (
        f"Masks in doubt: with the holes in the backgrounds grown by a fifth of the picture the gap is {grown:z.0%} "
        f"[{low:z.0%}, {high:z.0%}] instead of {gap:z.0%}, so parts of the objects that the masks miss, and that "
        "the backgrounds therefore show, could make it."
    )


def near(row: ClassRow, bounds: Thresholds) -> str:
    """What of the grown holes of a finding lies close to a bound, in words; "" where nothing does.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    grown, least = as_float(row["background_gap_grown_holes"]), GROWN_SHARE * as_float(row["background_gap"], 0)
    if abs(grown - least) < bounds.near:
        return f"a gap of {grown:z.1%} with grown holes, where {least:z.1%} is needed for the masks not to be in doubt"
    return ""
