"""The mean of paired differences over photos, with everything that is said of it: interval and p."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from bias_audit.stats.arrays import finite
from bias_audit.stats.bootstrap import mean_interval
from bias_audit.stats.groups import ENOUGH_GROUPS, totals
from bias_audit.stats.tests import sign_flip


@dataclass(frozen=True)
class PairedEffect:
    """A mean of paired differences of probabilities or shares over photos, -1..1.

    Attributes:
        mean: of the differences.
        low, high: 95 % bootstrap-t interval over photos.
        p: of the sign-flip test, 0..1; 1 where the mean is not above 0.
    """

    mean: float
    low: float
    high: float
    p: float


def paired_effect(differences: ArrayLike, *, seed: int, groups: ArrayLike | None = None) -> PairedEffect | None:
    """Mean, interval and p of paired differences that are expected above 0; None below ENOUGH_GROUPS units.

    The p is two-sided, so that it errs on the large side for an effect that was expected in one direction.

    Args:
        differences: (n,) differences in -1..1, one per photo, or per group of photos that belong together.
        seed: of the bootstrap and of the random signs.
        groups: (n,) group codes (patient, scene); None = each difference is a unit of its own.

    Raises:
        ValueError: a difference that is not finite or not in -1..1, or groups of another length.
    """
    d = finite(differences, "differences")
    if totals(d, groups)[1].size < ENOUGH_GROUPS:
        return None
    mean = float(d.mean())
    low, high = mean_interval(d, seed=seed, groups=groups, least=-1.0, most=1.0)
    return PairedEffect(mean, low, high, sign_flip(d, seed=seed, groups=groups) if mean > 0 else 1.0)
