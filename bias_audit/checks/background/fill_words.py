"""What BA201 says of the two ways of filling the holes in the backgrounds. Imports nothing heavy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import FILL_P, FILL_SHARE, as_float, second_fill_shows

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
        f"Two ways of filling the holes in the backgrounds disagree about {name}: a gap of {gap:z.0%} with inpainting, "
        f"of {second:z.0%} with blur and noise (p {as_float(row['p_second_fill'], 1):z.2f}); the effect may come from "
        "the fill."
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
        f"With the holes in the backgrounds filled another way the gap is {second:z.0%} (p {p:z.2f}), which neither "
        "shows the gap by itself nor speaks against it: the level is SUSPICIOUS at most."
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
        reasons.append(f"a p of {p:z.3f} against {FILL_P:g} under the second fill")
    difference, most = as_float(row["fill_difference"], -1), FILL_SHARE * as_float(row["background_gap"], 0)
    if not second_fill_shows(row) and abs(min(difference - most, least)) < bounds.near:
        reasons.append(
            f"a gap {difference:z.1%} lower under the second fill, at least {least:z.1%}, where {most:z.1%} would "
            "count as coming from the fill"
        )
    return "; ".join(reasons)
