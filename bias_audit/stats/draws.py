"""P-values from random permutations: how many to draw, and when to stop (docs/science.md#permutation-counts)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ENOUGH_DRAWS = 10_000
"""Least number of random permutations of a test, unless a caller asks for fewer."""

MOST_DRAWS = 10_000_000
"""Largest number of random permutations of a test; reached only where K / rate exceeds five million."""

EXCEEDANCES = 20
"""Permutations as extreme as the observed one after which drawing stops. Besag & Clifford use 10 to 20; 20 give p with
a relative standard error of at most 1 / sqrt(20) = .22, well within the factor of two that counts as near a bound."""

_FIRST = 500


def draws_for(tests: int, *, rate: float = 0.05, least: int = ENOUGH_DRAWS) -> int:
    """Number of random permutations per test, where so many tests are corrected together.

    With 2 tests / rate draws (40 per test at .05), a p that must reach rate / tests in the worst rank may still have
    one permutation as extreme as the observed one.

    Args:
        tests: p-values that are corrected together.
        rate: bound of the corrected p, 0..1, exclusive.
        least: smallest number.
    """
    return max(least, math.ceil(min(2 * tests / rate, float(MOST_DRAWS))))


def sequential_p(
    extreme: Callable[[int], NDArray[np.bool_]],
    draws: int,
    *,
    at_once: int,
    exceedances: int = EXCEEDANCES,
    until: int | None = None,
) -> float:
    """P-value from random permutations, which stop once enough of them are extreme (Besag & Clifford 1991).

    Args:
        extreme: k -> (k,), whether each of k new random permutations is at least as extreme as the observed one.
        draws: most permutations, B.
        at_once: most permutations that are asked for at once.
        exceedances: number h of extreme permutations after which drawing stops.
        until: permutations after which drawing is left off, whatever they were; None = B.

    Returns:
        h / l where the h-th extreme permutation is the l-th drawn; (1 + #) / (1 + B) where B permutations hold fewer.
        Under the null hypothesis p <= t with a probability of at most t. Left off after t < B permutations with # < h
        extreme ones: the largest p that could still come, h / (t + h - #) (Fischer, Barry & Ramdas 2024), which holds
        whatever made the caller leave off.

    Raises:
        ValueError: draws, at_once, exceedances or until below 1.
    """
    last = draws if until is None else min(until, draws)
    if min(last, at_once, exceedances) < 1:
        raise ValueError(f"at least 1 is needed of each, got {last} draws, {at_once} at once, {exceedances} extreme")
    drawn = found = 0
    step = _FIRST
    while drawn < last:
        hits = np.flatnonzero(extreme(min(step, at_once, last - drawn)))
        if found + hits.size >= exceedances:
            return exceedances / (drawn + int(hits[exceedances - found - 1]) + 1)
        found += hits.size
        drawn += min(step, at_once, last - drawn)
        step *= 2  # most tests of honest classes stop early, and the others should not be asked piece by piece
    return _largest_p(last, found, draws, exceedances)


def _largest_p(drawn: int, found: int, draws: int, exceedances: int) -> float:
    """Largest p that `sequential_p` can end with: all permutations that are still drawn are extreme."""
    if drawn + exceedances - found <= draws:
        return exceedances / (drawn + exceedances - found)
    return (1 + found + draws - drawn) / (1 + draws)
