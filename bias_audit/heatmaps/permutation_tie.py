"""Is the attention of a class tied to its own objects, or would the maps fit any photo of the class as well?

Every map is scored against the masks of other photos of the same class: what photographers do in common (objects in
the middle, of a certain size) fits there too, so only what is owed to the own object remains
(docs/science.md#permutation-tie).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.reasons import OK, TOO_FEW

Array = NDArray[np.float64]

ALIKE = "objects too alike in place and size to tell own from foreign"

NO_COMPARISON = "masks of other photos give no comparison"

MIN_IMAGES = 10
"""Fewer maps are not tested (docs/science.md#minimum-numbers)."""

PERMUTATIONS = 2000
"""Random permutations of the masks, at least; more for many classes, or no p-value could pass the correction."""

MIN_PERFECT_EFFECT = 0.05
"""What perfect maps must reach. Below, the objects coincide and no map could show a tie."""

_AT_ONCE = 2000
"""Permutations held in memory at once (3 MB for 200 images)."""

_ROUNDING = 1e-9
"""Means that differ by less are equal: the same shares, added in another order."""


@dataclass(frozen=True)
class Tie:
    """How far the maps of a class are tied to their own objects.

    Attributes:
        n: maps tested.
        reason: OK, or why `p` is missing.
        effect: mean background share under the masks of other photos, minus under the own one, -1..1; 0 = no tie.
        effect_perfect: the same for perfect maps: how large the effect can be with these objects at this grid.
        p: one-sided p-value of the effect.
        z: (N,) per map given, how many standard deviations its own share lies below those under the other masks.
        status: per map given OK, or why `z` is missing.
        code: of `reason`, see `checks.reasons`.
    """

    n: int
    reason: str
    effect: float
    effect_perfect: float
    p: float
    z: Array
    status: tuple[str, ...]
    code: str


def permutation_tie(
    maps: NDArray[np.floating],
    perfect: NDArray[np.floating],
    foreground: NDArray[np.floating],
    background: NDArray[np.floating],
    *,
    seed: int | tuple[int, ...],
    permutations: int = PERMUTATIONS,
) -> Tie:
    """Test whether maps lie on their own objects more than on those of other photos.

    Under the null the masks are exchangeable between the maps of a class, so p = (1 + #{mean S_perm <= mean S}) /
    (1 + B) over B random permutations of the masks (Phipson & Smyth 2010). Permutations, not derangements: only a
    group that holds the identity gives an exact test. A permutation uses every mask once, so the areas of the masks
    are the same in each of them, and the mean does not need masks of matched size; the z of a single map does compare
    with masks of other sizes. A map that grows with its object counts as tied to it. Photos count as independent.

    Args:
        maps: (N, h, w), signed; only positive evidence counts.
        perfect, foreground, background: (N, h, w), the masks on the grid, see `localization.Localization`.
        seed: of the permutations.
        permutations: B.

    Returns:
        the tie; maps without evidence on the valid pixels of some mask are left out, and so are their masks.
    """
    z = np.full(len(maps), np.nan)
    shares = share_matrix(maps, foreground, background)
    kept = np.isfinite(shares).all(axis=1)
    shares = shares[np.ix_(kept, kept)]
    n = len(shares)
    if n < MIN_IMAGES:
        reason = f"only {n} images, {MIN_IMAGES} needed"
        return Tie(n, reason, math.nan, math.nan, math.nan, z, (reason,) * len(maps), TOO_FEW)
    own, others = np.diag(shares), shares[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    spread = others.std(axis=1, ddof=1)
    z[kept] = np.where(spread > _ROUNDING, (others.mean(axis=1) - own) / np.maximum(spread, _ROUNDING), np.nan)
    status = tuple(OK if known else NO_COMPARISON for known in np.isfinite(z))
    effect = float(others.mean() - own.mean())
    best = share_matrix(perfect[kept], foreground[kept], background[kept])
    # An object that lies wholly on another photo's padding has no share there.
    effect_perfect = float(np.nanmean(best[~np.eye(n, dtype=bool)]) - np.diag(best).mean())
    if effect_perfect < MIN_PERFECT_EFFECT:
        return Tie(n, ALIKE, effect, effect_perfect, math.nan, z, status, ALIKE)
    rng = np.random.default_rng(seed)
    places = np.arange(n)
    as_low = 0
    for start in range(0, permutations, _AT_ONCE):
        orders = rng.permuted(np.tile(places, (min(_AT_ONCE, permutations - start), 1)), axis=1)
        as_low += int((shares[places, orders].mean(axis=1) <= own.mean() + _ROUNDING).sum())
    return Tie(n, OK, effect, effect_perfect, (1 + as_low) / (1 + permutations), z, status, OK)


def share_matrix(
    maps: NDArray[np.floating], foreground: NDArray[np.floating], background: NDArray[np.floating]
) -> Array:
    """(N, N): background share of map i under mask j, 0..1; NaN without positive evidence on valid pixels of j."""
    heat, off_object, on_object = (
        array.reshape(len(array), array.shape[1] * array.shape[2]).astype(np.float64)
        for array in (np.maximum(maps, 0), background, foreground)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        off, on = heat @ off_object.T, heat @ on_object.T
        return np.where(off + on > 0, off / (off + on), np.nan)
