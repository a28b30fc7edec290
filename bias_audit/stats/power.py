"""How small an effect the sign-flip test still finds, before anything is measured: an exact chance, no simulation."""

from __future__ import annotations

import math

import numpy as np

from bias_audit.stats.arrays import Floats
from bias_audit.stats.draws import ENOUGH_DRAWS, EXCEEDANCES
from bias_audit.stats.tests import EXACT_SIGN_FLIPS

POWER = 0.8
"""Chance with which an effect counts as one that would be found; the field's convention (Cohen 1988)."""

_PRECISION = 1e-5


def rejection_chances(units: int, bound: float, permutations: int = ENOUGH_DRAWS) -> Floats:
    """Chance that `sign_flip` gives p <= bound where k of the units have the difference 1 and all others 0.

    Of 2^n patterns two in 2^k are as extreme. Up to EXACT_SIGN_FLIPS units they are counted, so the chance is 0 or 1;
    beyond they are drawn, and the number of extreme ones is binomial.

    Args:
        units: number n of photos, or of groups of photos that change together.
        bound: largest p that counts, 0..1.
        permutations: most random sign patterns, as for `sign_flip`.

    Returns:
        (n + 1,) chances for k = 0..n, never falling.
    """
    p = 2.0 ** (1 - np.maximum(np.arange(units + 1), 1))
    if units <= EXACT_SIGN_FLIPS:
        return np.asarray(p <= bound, np.float64)
    from scipy.special import bdtr

    # p = h / l where the h-th extreme pattern is the l-th drawn: small enough from the `late`-th on.
    late = math.ceil(EXCEEDANCES / bound)
    draws, most = (late - 1, EXCEEDANCES - 1) if late <= permutations else (permutations, _most(bound, permutations))
    return np.asarray(bdtr(most, draws, p), np.float64) if most >= 0 else np.zeros(units + 1)


def _most(bound: float, permutations: int) -> int:
    """Most extreme patterns among all with which (1 + #) / (1 + permutations) is at most the bound; -1 = none."""
    return math.floor(bound * (1 + permutations)) - 1


def smallest_share(
    units: int, bound: float, *, least: float = 0.0, permutations: int = ENOUGH_DRAWS, power: float = POWER
) -> float:
    """Smallest share of units with the difference 1, all others having 0, that `sign_flip` finds with this chance.

    Each unit has the difference with this share as its probability, independently of the others: photos that are lost
    are lost whole. Spread over all photos the same mean is found more easily, as it varies less.

    Args:
        units: number of photos, or of groups of photos that change together.
        bound: largest p that counts, 0..1.
        least: smallest mean difference that counts, 0..1.
        permutations: most random sign patterns, as for `sign_flip`.
        power: the chance, 0..1, exclusive.

    Returns:
        share in 0..1, never too small by more than 1e-5; NaN where no share is found so often.
    """
    if units < 1:
        return math.nan
    from scipy.special import bdtr

    counts = np.arange(units + 1)
    found = rejection_chances(units, bound, permutations) * (counts / units >= least - 1e-12)
    steps = np.diff(found, prepend=0.0)  # found = sum of steps, so the chance is a sum of upper tails

    def chance(share: float) -> float:
        below = np.append(0.0, bdtr(counts[:-1], units, share))
        return float((steps * (1 - below)).sum())

    low, high = 0.0, 1.0
    if found[-1] < power:
        return math.nan
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high
