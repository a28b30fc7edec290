"""When a comparison may be given up: the chance that the full sample would still show an effect.

Giving up can only make a finding rarer, never more frequent, so it needs no correction
(docs/science.md#stages).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from bias_audit.stats.arrays import ROUNDING, Floats, finite
from bias_audit.stats.groups import totals
from bias_audit.stats.intervals import paired_difference_interval

LEAST_SEEN = 35
"""Least number of photos (or groups) before anything is given up: 35 without any difference exclude one of .10."""

MOST_LEFT = 0.1
"""Largest difference that may still be there when a comparison is given up, as the upper limit of its interval."""

LEAST_CHANCE = 0.01
"""Chance of a finding with the full sample below which a comparison is given up."""

LEVEL = 0.05
"""Bound of the uncorrected p that counts as a finding here; the rules correct theirs, so this gives up too rarely."""

DRAWS = 4000
"""Samples that are completed at random: a chance of .01 has a standard error of .0016."""

PRIOR = 0.5
"""Weight of a photo that is lost whole, and of one that is not, beside those that were seen (Jeffreys' prior)."""


def predictive_chance(
    differences: ArrayLike,
    left: int,
    *,
    floor: float,
    seed: int,
    groups: ArrayLike | None = None,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> float:
    """Chance that the complete sample shows a mean difference of at least `floor`, with p of at most `level`.

    The Bayesian predictive probability (Lee & Liu 2008, Clinical Trials 5, 93-106). What the photos that are left will
    show is drawn from the posterior of a Dirichlet prior: a weight of 1 for every photo seen (Rubin 1981), and of
    PRIOR for a photo with the difference 1 and for one with 0, so that nothing is impossible for not having been seen.
    The p of a completed sample is taken from below, so that the chance is rather too large: the larger of the normal
    approximation of the sign-flip test and 2^(1 - k), the least p of k differences that are not 0.

    Args:
        differences: (n,) in -1..1, one per photo seen.
        left: photos that were not seen yet.
        floor: smallest mean difference that counts.
        seed: of the random draws.
        groups: (n,) group codes (patient, scene): a group is drawn as one; those that are left have the mean size of
            those seen. None = each photo is a group of its own.
        level: largest p that counts.
        draws: samples that are completed.

    Returns:
        0..1; nan for no differences.

    Raises:
        ValueError: a difference that is not finite, groups of another length, or left < 0.
    """
    d = finite(differences, "differences")
    if left < 0:
        raise ValueError(f"left must be at least 0, got {left!r}")
    if d.size == 0:
        return math.nan
    from scipy.special import erfc

    sums, sizes = totals(d, groups)
    mean_size = d.size / sums.size
    seen, counts = np.unique(np.round(np.stack([sums, sizes], axis=1), 9), axis=0, return_counts=True)
    units = np.vstack([seen, [mean_size, mean_size], [0.0, mean_size]])
    prior = np.append(np.zeros(len(seen)), [PRIOR, PRIOR])
    counts = np.append(counts, [0, 0])
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(counts + prior, draws)
    complete = counts + rng.multinomial(math.ceil(left / mean_size), weights)
    total, spread = complete @ units[:, 0], np.sqrt(complete @ units[:, 0] ** 2)
    not_zero = complete @ (units[:, 0] != 0)
    z = np.divide(np.abs(total), spread, out=np.zeros_like(total), where=spread > 0)
    p = np.maximum(erfc(z / math.sqrt(2)), 2.0 ** (1 - np.maximum(not_zero, 1)))
    enough = (total > 0) & (total / (complete @ units[:, 1]) >= floor - ROUNDING)
    return float((enough & (p <= level)).mean())


def futile(
    first: ArrayLike,
    second: ArrayLike,
    left: int,
    *,
    floor: float,
    seed: int,
    groups: ArrayLike | None = None,
    level: float = LEVEL,
) -> bool:
    """Whether a paired comparison may be given up: mean(first) - mean(second) will not be shown to be large.

    Three conditions: LEAST_SEEN photos or groups were seen; the upper limit of the difference is at most MOST_LEFT
    (`paired_difference_interval`); and the `predictive_chance` is below LEAST_CHANCE. Of 100 photos, with a floor of
    .05, it takes 43 without any difference, 66 where one is lost, and 80 where two are.

    Args:
        first, second: (n,) scores in 0..1, one per photo, in the same order.
        left, floor, seed, groups, level: see `predictive_chance`.

    Raises:
        ValueError: see `predictive_chance` and `paired_difference_interval`.
    """
    x, y = finite(first, "first"), finite(second, "second")
    if _units(x, groups) < LEAST_SEEN:
        return False
    if not paired_difference_interval(x, y, groups=groups)[1] <= MOST_LEFT:
        return False
    return predictive_chance(x - y, left, floor=floor, seed=seed, groups=groups, level=level) < LEAST_CHANCE


def _units(values: Floats, groups: ArrayLike | None) -> int:
    return totals(values, groups)[0].size
