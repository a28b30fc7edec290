"""The mean of paired differences over photos, with everything that is said of it: interval and p."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import ArrayLike

from bias_audit.stats.bootstrap import mean_interval
from bias_audit.stats.groups import ENOUGH_GROUPS, group_means
from bias_audit.stats.tests import sign_flip


@dataclass(frozen=True)
class PairedEffect:
    """A mean of paired differences of probabilities or shares over photos or groups of photos, -1..1.

    Attributes:
        mean: of the differences, or of the groups' means.
        low, high: 95 % bootstrap-t interval over photos, or over groups.
        p: of the sign-flip test, 0..1; 1 where the mean is not above 0.
    """

    mean: float
    low: float
    high: float
    p: float


def paired_effect(differences: ArrayLike, *, seed: int, groups: ArrayLike | None = None) -> PairedEffect | None:
    """Mean, interval and p of paired differences that are expected above 0; None below ENOUGH_GROUPS units.

    With groups their means are the differences: each group counts once, however many photos it has.

    The p is two-sided, so that it errs on the large side for an effect that was expected in one direction.

    Args:
        differences: (n,) differences in -1..1, one per photo.
        seed: of the bootstrap and of the random signs.
        groups: (n,) codes of photos that belong together, or share what they are compared with; None = each photo is a
            group of its own.

    Raises:
        ValueError: a difference that is not finite or not in -1..1, or groups of another length.
    """
    d = group_means(differences, groups)
    if len(d) < ENOUGH_GROUPS:
        return None
    mean = float(d.mean())
    low, high = mean_interval(d, seed=seed, least=-1.0, most=1.0)
    return PairedEffect(mean, low, high, sign_flip(d, seed=seed) if mean > 0 else 1.0)
