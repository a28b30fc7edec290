"""What BA201 says of the two ways of filling the holes in the backgrounds. Imports nothing heavy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import as_float
from bias_audit.checks.reliance import FILL_P, FILL_SHARE, second_fill_shows
from bias_audit.run.quantities import beside_bound, bound, p_value, quantity

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.outcomes import ClassRow
    from bias_audit.checks.thresholds import Thresholds


def disagreement(name: str, row: pd.Series) -> str:
    """Sentence on fills that disagree about a class.

    Args:
        name: the class.
        row: its row of the class table.
    """
    gap, second = float(row["background_gap"]), as_float(row["background_gap_second_fill"])
    return (
        f"Two ways of filling the holes in the backgrounds disagree about {name}: the gap is {quantity(gap, 'points')} "
        f"with inpainting and {quantity(second, 'points')} with blur and noise "
        f"({p_value(as_float(row['p_second_fill'], 1))}), so it may come from the fill."
    )


def not_shown(row: pd.Series) -> str:
    """Sentence on a second fill that does not show the gap by itself, and does not disagree.

    Args:
        row: the class's row of the class table.
    """
    second, p = as_float(row["background_gap_second_fill"]), as_float(row["p_second_fill"])
    if not math.isfinite(p):
        return "The holes in the backgrounds could be filled in one way only: the level is SUSPICIOUS at most."
    return (
        f"With the holes in the backgrounds filled another way the gap is {quantity(second, 'points')} ({p_value(p)}), "
        "which neither proves the gap by itself nor speaks against it: the level is SUSPICIOUS at most."
    )


def near(row: ClassRow, bounds: Thresholds) -> str:
    """What of the second fill of a finding lies close to a bound, in words; "" where nothing does.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the rules.
    """
    reasons = []
    p, least = as_float(row["p_second_fill"], 1), as_float(row["fill_difference_low"], -1)
    if FILL_P / 2 < p <= 2 * FILL_P:
        reasons.append(f"{p_value(p)} under the second fill, against {FILL_P:g}")
    difference, most = as_float(row["fill_difference"], -1), FILL_SHARE * as_float(row["background_gap"], 0)
    if not second_fill_shows(row) and abs(min(difference - most, least)) < bounds.near:
        reasons.append(
            f"a gap {beside_bound(difference, most, 'points')} lower under the second fill, at least "
            f"{beside_bound(least, 0, 'points')}, where {bound(most, 'points')} would count as coming from the fill"
        )
    return "; ".join(reasons)
