"""Significance tests for paired and for independent photos: McNemar, sign flips, Mann-Whitney."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bias_audit.stats.arrays import CHUNK, ROUNDING, Floats, finite
from bias_audit.stats.draws import ENOUGH_DRAWS, EXCEEDANCES, sequential_p
from bias_audit.stats.groups import totals

EXACT_SIGN_FLIPS = 24
"""Most groups for which all 2^n sign patterns are enumerated instead of drawn, as sums of two halves (4096 each)."""


def mcnemar(b: int, c: int) -> float:
    """Exact two-sided McNemar test that discordant pairs of both directions are equally likely (McNemar 1947).

    Args:
        b, c: number of discordant pairs of either direction.

    Returns:
        p in 0..1: twice the smaller binomial tail, at most 1; 1 without discordant pairs.

    Raises:
        ValueError: a negative or fractional count.
    """
    if b < 0 or c < 0 or b != int(b) or c != int(c):
        raise ValueError(f"discordant pairs must be counts, got {b!r} and {c!r}")
    n, fewer = int(b) + int(c), int(min(b, c))
    term = tail = 1
    for k in range(1, fewer + 1):  # exact in integers, so no tail underflows
        term = term * (n - k + 1) // k
        tail += term
    return min(1.0, 2 * tail / (1 << n))


def sign_flip(
    differences: ArrayLike,
    *,
    seed: int,
    groups: ArrayLike | None = None,
    permutations: int = ENOUGH_DRAWS,
    exceedances: int = EXCEEDANCES,
) -> float:
    """Two-sided sign-flip permutation test of paired differences (Fisher 1935; Phipson & Smyth 2010 for the count).

    Under the null each difference is as likely with the opposite sign; all differences of a group change sign
    together (Winkler et al. 2015, NeuroImage 123, 253-268). The statistic is |sum| over photos.

    Args:
        differences: (n,) finite differences, one per photo.
        seed: of the random signs; unused up to EXACT_SIGN_FLIPS groups, where all patterns are enumerated.
        groups: (n,) group codes (patient, scene); None = each photo its own group.
        permutations: most random sign patterns where there are more groups, see `draws_for`.
        exceedances: patterns at least as extreme as the observed one after which drawing stops, see `sequential_p`.

    Returns:
        p in 0..1, never 0: the share of all patterns that are at least as extreme, or that of the drawn ones as
        `sequential_p` gives it; nan for no differences.

    Raises:
        ValueError: a difference that is not finite, groups of another length, or permutations or exceedances < 1.
    """
    d = finite(differences, "differences")
    if min(permutations, exceedances) < 1:
        raise ValueError(f"permutations and exceedances must be at least 1, got {permutations!r} and {exceedances!r}")
    if d.size == 0:
        return math.nan
    # Patterns that tie with the observed one must count as ties, in whatever order their terms are added.
    bound = abs(float(d.sum())) - ROUNDING * d.size * float(np.abs(d).sum())
    sums, _ = totals(d, groups)
    if sums.size <= EXACT_SIGN_FLIPS:
        return _exact(sums, bound)
    # One random byte flips the signs of eight groups: their 256 possible sums are looked up, not added again.
    eights = np.resize(np.append(sums, np.zeros(-sums.size % 8)), (-(-sums.size // 8), 8))
    looked_up = (eights @ _signs(8).T).ravel()
    first = np.arange(len(eights)) * 256
    rng = np.random.default_rng(seed)

    def extreme(rows: int) -> NDArray[np.bool_]:
        drawn = rng.integers(0, 256, (rows, len(eights)), dtype=np.uint8)
        reached: NDArray[np.bool_] = np.abs(looked_up[drawn + first].sum(axis=1)) >= bound
        return reached

    return sequential_p(extreme, permutations, at_once=max(CHUNK // len(eights), 1), exceedances=exceedances)


def least_sign_flip_p(groups: int, permutations: int = ENOUGH_DRAWS) -> float:
    """Smallest p that `sign_flip` can give: that of differences which all have the same sign.

    Args:
        groups: number of photos, or of groups of photos.
        permutations: as for `sign_flip`.
    """
    return 2.0 ** (1 - groups) if 0 < groups <= EXACT_SIGN_FLIPS else 1 / (1 + permutations)


def _exact(sums: Floats, bound: float) -> float:
    """Share of all sign patterns of `sums` whose sum is at least `bound` in size: patterns of one half by the other."""
    half = sums.size // 2
    one, other = _signs(half) @ sums[:half], np.sort(_signs(sums.size - half) @ sums[half:])
    if bound <= 0:
        return 1.0
    above = other.size - np.searchsorted(other, bound - one, side="left")
    below = np.searchsorted(other, -bound - one, side="right")
    return float((above.sum() + below.sum()) / 2**sums.size)


def _signs(count: int) -> Floats:
    """(2^count, count) all patterns of signs."""
    bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
    return bits.astype(np.float64) * 2 - 1


def mann_whitney(x: ArrayLike, y: ArrayLike) -> float:
    """Two-sided Mann-Whitney U test that neither x nor y tends to be larger; arguments as `mann_whitney_greater`."""
    return _mann_whitney(x, y, "two-sided")


def mann_whitney_greater(x: ArrayLike, y: ArrayLike) -> float:
    """One-sided Mann-Whitney U test that x tends to be larger than y (Mann & Whitney 1947), by SciPy.

    Exact for small samples without ties, otherwise normal with tie and continuity correction.

    Args:
        x, y: (n,), (m,) finite values.

    Returns:
        p in 0..1; 1 where all values are equal; nan where x or y is empty.

    Raises:
        ValueError: a value that is not finite.
    """
    return _mann_whitney(x, y, "greater")


def _mann_whitney(x: ArrayLike, y: ArrayLike, alternative: str) -> float:
    first, second = finite(x, "x"), finite(y, "y")
    if first.size == 0 or second.size == 0:
        return math.nan
    if min(first.min(), second.min()) == max(first.max(), second.max()):
        return 1.0  # no order at all; the normal approximation would divide by zero
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(first, second, alternative=alternative).pvalue)
