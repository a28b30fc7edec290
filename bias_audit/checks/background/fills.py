"""The background gap under the second way of filling holes, beside that under the first (docs/science.md#fills)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bias_audit import stats


def compared_fills(done: pd.DataFrame, groups: pd.Series | None, seed: int, draws: int) -> dict[str, Any]:
    """Test of the gap under the second fill, and how far the two gaps lie apart.

    Args:
        done: photos of one class, with their gaps under the first fill.
        groups: group code per image; None = every photo is a group of its own.
        seed: seed of bootstrap and permutations.
        draws: most random sign patterns of the test, see `stats.draws_for`.

    Returns:
        column name -> value, names as in `columns.OF_CLASSES`; {} where no photo has a second fill.
    """
    both = done[done["background_gap_second_fill"].notna()]
    if both.empty:
        return {}
    codes = stats.codes_of(groups, both.index)
    second = both["background_gap_second_fill"].to_numpy(float)
    differences = both["background_gap"].to_numpy(float) - second
    low, high = stats.mean_interval(differences, seed=seed, groups=codes, least=-2.0, most=2.0)
    return {
        "p_second_fill": stats.sign_flip(second, seed=seed, permutations=draws, groups=codes),
        "fill_difference": float(differences.mean()),
        "fill_difference_low": low,
        "fill_difference_high": high,
    }
