"""The gap that an audit is said to find with probability .8 is found so often by the package's own test, and by luck no
more often or less: simulated composites, planted losses, sign flips and crossed test, correction, floor.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bias_audit import stats
from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.crossed import crossed_gap_p
from bias_audit.checks.background.findable import findable
from bias_audit.checks.reliance import relies
from bias_audit.config import FIRST_FILL, Thresholds

from .composites import design

pytestmark = pytest.mark.slow

AUDITS = 400


def found(classes: int, photos: int, gap: float, seed: int, each: int = 1) -> bool:
    """Whether class 0 is found, whose photos are lost whole with this probability; no other photo is ever lost.

    Groups of `each` photos in a row are lost together.
    """
    bounds, rng = Thresholds(), np.random.default_rng([seed, classes, photos])
    made = design(classes, photos)
    own = made.photo < photos
    photo, donor, same = made.photo[own], made.donor[own], made.same[own]
    units = photos // each
    lost = np.repeat(rng.random(units) < gap, each)
    right = same | ~lost[photo]
    shares = [np.bincount(photo[of], right[of], minlength=photos) / np.bincount(photo[of]) for of in (same, ~same)]
    groups = None if each == 1 else np.repeat(np.arange(units), each)
    draws = stats.draws_for(classes, rate=bounds.fdr)
    p = stats.sign_flip(shares[0] - shares[1], seed=seed, permutations=draws, groups=groups)
    composites = pd.DataFrame(
        {"photo": photo, "donor": donor, "arm": np.where(same, arms.SAME, arms.OTHER), "fill": FIRST_FILL,
         "predicted": np.where(right, 0, 1), "label": 0}
    )  # fmt: skip
    whole = None if groups is None else np.concatenate([groups, units + np.arange((classes - 1) * photos)])
    p = np.fmax(p, crossed_gap_p(composites, whole))
    corrected = stats.benjamini_hochberg([p, *[1.0] * (classes - 1)])[0]
    return relies({"p_fdr": corrected, "background_gap": float((shares[0] - shares[1]).mean())}, bounds)


@pytest.mark.parametrize(
    ("classes", "photos"), [(2, 10), (2, 24), (2, 25), (2, 60), (2, 100), (10, 40), (10, 100), (30, 12), (30, 60)]
)
def test_a_gap_of_that_size_is_found_in_four_of_five_audits(classes: int, photos: int) -> None:
    """The share of 400 audits lies within 3.3 standard errors (.066) of .8: by chance it does not in 1 of 1,000."""
    (first, *_) = findable([photos] * classes, Thresholds())
    share = np.mean([found(classes, photos, first.gap, seed) for seed in range(AUDITS)])
    assert abs(share - stats.POWER) < 3.3 * np.sqrt(0.8 * 0.2 / AUDITS), share


def test_groups_count_as_their_number() -> None:
    """Twenty groups of three photos that are lost together are found as twenty photos are."""
    (first, _) = findable([20, 20], Thresholds())
    share = np.mean([found(2, 60, first.gap, seed, each=3) for seed in range(AUDITS)])
    assert abs(share - stats.POWER) < 3.3 * np.sqrt(0.8 * 0.2 / AUDITS), share


def test_half_of_that_gap_is_found_far_less_often() -> None:
    """Or the tests above would hold of any gap that is large enough."""
    (first, _) = findable([60, 60], Thresholds())
    assert np.mean([found(2, 60, first.gap / 2, seed) for seed in range(AUDITS)]) < 0.4
