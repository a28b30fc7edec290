"""Effect sizes: how large the difference between two groups is, whatever its significance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import finite


def cliffs_delta(x: ArrayLike, y: ArrayLike) -> float:
    """Cliff's delta, P(x > y) - P(x < y) over all pairs (Cliff 1993, Psychol. Bull. 114, 494-509).

    Args:
        x, y: (n,), (m,) finite values.

    Returns:
        -1..1; positive where x tends to be larger; nan where x or y is empty.

    Raises:
        ValueError: a value that is not finite.
    """
    first, second = finite(x, "x"), np.sort(finite(y, "y"))
    if first.size == 0 or second.size == 0:
        return math.nan
    smaller = np.searchsorted(second, first, side="left").sum()
    larger = (second.size - np.searchsorted(second, first, side="right")).sum()
    return float((int(smaller) - int(larger)) / (first.size * second.size))
