"""Permutation test whether the heatmaps of a class follow their own objects, or would fit any photo of the class.

Every map is scored under the masks of other photos of the same class as well. What all photos have in common (objects
in the middle, of a certain size) fits those masks too, so a difference is due to the own object
(docs/science.md#permutation-tie).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.reasons import OK, TOO_FEW, TOO_FEW_GROUPS
from bias_audit.stats.correction import benjamini_hochberg
from bias_audit.stats.draws import EXCEEDANCES, sequential_p

Array = NDArray[np.float64]

ALIKE = "objects too alike in place and size to tell own from foreign"

NO_COMPARISON = "masks of other photos give no comparison"

MIN_IMAGES = 10
"""Least number of maps of a class, and of groups of maps, for a test (docs/science.md#minimum-numbers)."""

PERMUTATIONS = 2000
"""Default number of random permutations; many classes need more, or no p-value could pass the correction."""

IN_FULL = 20_000
"""Permutations up to which each test draws all of them: those of 1,000 classes. Beyond, drawing stops early."""

RATE = 0.05
"""Corrected p at which a class counts as tied; one that has reached it needs no more permutations."""

MIN_PERFECT_EFFECT = 0.05
"""Least effect of perfect maps for a test: below, the objects lie at one place and no map could show a tie."""

_AT_ONCE = 2000
"""Most permutations that are held in memory at once (3 MB for 200 images)."""

_ROUNDING = 1e-9
"""Difference below which two means count as equal: sums of the same shares in another order differ by rounding."""


@dataclass(frozen=True)
class Tie:
    """Result of the permutation test of one class: how far its heatmaps follow their own objects.

    Attributes:
        n: number of maps tested.
        reason: OK, or why `p` is NaN.
        effect: mean background share under the masks of other photos, minus that under the own mask, -1..1; 0 = no tie.
        effect_perfect: effect of perfect maps, which is about the largest possible with these objects at this grid.
        p: one-sided p-value of the effect, 0..1.
        z: (N,) for each map that was given: background share under its own mask, in standard deviations below the mean
            of those under the other masks.
        status: for each map that was given OK, or why its `z` is NaN.
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
    until: int | None = None,
    groups: NDArray[np.intp] | None = None,
) -> Tie:
    """Test whether heatmaps lie on their own objects more than on those of other photos of the class.

    Under the null the masks are exchangeable between the maps of a class, so p = (1 + #{mean S_perm <= mean S}) /
    (1 + B) over B random permutations of the masks (Phipson & Smyth 2010). Permutations, not derangements, are drawn:
    only a group that holds the identity gives an exact test. A permutation uses every mask once, so the areas of the
    masks are the same in each permutation, and the mean does not need masks of matched size; the z of a single map
    does compare with masks of other sizes. A map that grows with its object counts as tied to that object.

    With groups the masks of a whole group are exchanged for those of another, photo by photo (`between_groups`), and
    each group counts once: what photos of a patient have in common ties their maps to each other's masks, and is
    exchanged with them. Effect and z remain those of photos.

    Args:
        maps: (N, h, w) signed heatmaps; only positive evidence counts.
        perfect, foreground, background: (N, h, w), the masks on the grid, see `localization.Localization`.
        seed: seed of the permutations.
        permutations: number B of permutations.
        until: None = all B are drawn; a number = drawing stops early, and after so many it is left off with the largest
            p that could still come, see `stats.draws.sequential_p`. Larger numbers draw the same permutations first.
        groups: (N,) codes of photos that belong together (patient, scene); None = every photo is a group of its own.

    Returns:
        The result, without p below MIN_IMAGES groups. A map without positive evidence on the valid pixels of any one
        mask is left out, with its own mask.
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
    if groups is not None:
        shares = between_groups(shares, groups[kept])
        if len(shares) < MIN_IMAGES:
            few = f"only {len(shares)} groups of images, {MIN_IMAGES} needed"
            return Tie(n, few, effect, effect_perfect, math.nan, z, status, TOO_FEW_GROUPS)
    rng = np.random.default_rng(seed)
    places = np.arange(len(shares))
    observed = float(np.diag(shares).mean())

    def as_low(rows: int) -> NDArray[np.bool_]:
        orders = rng.permuted(np.tile(places, (rows, 1)), axis=1)
        return np.asarray(shares[places, orders].mean(axis=1) <= observed + _ROUNDING)

    # With more exceedances than permutations nothing stops early: p = (1 + #) / (1 + B).
    stop = permutations + 1 if until is None else EXCEEDANCES
    p = sequential_p(as_low, permutations, at_once=_AT_ONCE, exceedances=stop, until=until)
    return Tie(n, OK, effect, effect_perfect, p, z, status, OK)


def rounds(permutations: int) -> Iterator[int | None]:
    """Permutations after which the tests of all classes are looked at together, see `undecided`; None = after all.

    Up to IN_FULL there is one round. Beyond, each has four times the permutations of the one before.
    """
    if permutations <= IN_FULL:
        yield None
        return
    until = PERMUTATIONS
    while until < permutations:
        yield until
        until *= 4
    yield permutations


def undecided(ties: Mapping[str, Tie], until: int | None) -> set[str]:
    """Classes whose test has to draw on: those that are not tied at RATE, corrected over all classes, and still may be.

    Of K classes of which R are tied, each of these is known after some 400 K / R permutations, and the others stop by
    themselves. So all classes together draw a number that grows with K, and not with its square. A p that was left off
    stays valid, whatever the other classes had to do with it (docs/science.md#permutation-counts).

    Args:
        ties: class name -> result of its test after so many permutations.
        until: permutations of the round that made them; None = nothing was left off.
    """
    if until is None:
        return set()
    p = np.array([tie.p for tie in ties.values()])
    # h / (t + h - #) with # < h is below h / t, and the p of a test that stopped by itself is not.
    open_still = (benjamini_hochberg(p) > RATE) & (p < EXCEEDANCES / until)
    return {name for name, still in zip(ties, open_still, strict=True) if still}


def between_groups(shares: Array, groups: NDArray[np.intp]) -> Array:
    """Mean share of the maps of each group under the masks of each group, photo by photo, less what maps and masks add.

    The k-th map of a group meets the k-th mask of the other, up to the size of the smaller group. The own masks of a
    group are met by its own maps, so a mean over all pairs of two groups would vary less than that of a group and
    itself, and the test would find too much. Rows and columns are centred first: of a larger group only some photos
    meet a smaller one, and what lies in their maps or masks alone must not count.

    Args:
        shares: (N, N) share of map i under mask j.
        groups: (N,) group codes.

    Returns:
        (G, G), rows and columns in the order of the codes. Where each photo is its own group, `shares` less the means
        of rows and columns.
    """
    centred = shares - shares.mean(axis=1, keepdims=True) - shares.mean(axis=0, keepdims=True) + shares.mean()
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    of_group = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    sums = np.zeros((len(sizes), len(sizes)))
    for k in range(int(sizes.max())):
        larger = np.flatnonzero(sizes > k)
        photos = np.array([of_group[i][k] for i in larger])
        sums[np.ix_(larger, larger)] += centred[np.ix_(photos, photos)]
    return sums / np.minimum(sizes[:, None], sizes)


def share_matrix(
    maps: NDArray[np.floating], foreground: NDArray[np.floating], background: NDArray[np.floating]
) -> Array:
    """(N, N) background share of map i under mask j, 0..1; NaN without positive evidence on the valid pixels of mask j.

    Args:
        maps: (N, h, w) signed heatmaps.
        foreground, background: (N, h, w), the masks on the grid, see `localization.Localization`.
    """
    heat, off_object, on_object = (
        array.reshape(len(array), array.shape[1] * array.shape[2]).astype(np.float64)
        for array in (np.maximum(maps, 0), background, foreground)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        off, on = heat @ off_object.T, heat @ on_object.T
        return np.where(off + on > 0, off / (off + on), np.nan)
