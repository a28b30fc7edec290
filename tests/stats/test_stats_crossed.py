"""Photos and donors crossed: a test that knows that both are a sample."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from bias_audit.stats import crossed_p


def test_two_by_two_by_hand():
    """Sum 1; residuals +-1/4 in the first row alone: V = rows 0 + columns 2 (1/16) 2 - cells 2 (1/16) 4/3 < columns."""
    values, rows, columns = [2, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1]
    p = crossed_p(values, [0.25] * 4, rows, columns, centres=[1] * 4)
    assert p == pytest.approx(2 * t.sf(1 / np.sqrt(2 / 16 * 2), 1))


def test_what_does_not_vary_is_certain():
    assert crossed_p([1, 1, 1, 1], [0.25] * 4, [0, 0, 1, 1], [0, 1, 0, 1], centres=[1] * 4) == 0
    assert crossed_p([0, 0, 0, 0], [0.25] * 4, [0, 0, 1, 1], [0, 1, 0, 1], centres=[0] * 4) == 1


def test_one_cluster_says_nothing():
    assert np.isnan(crossed_p([1, 0], [0.5, 0.5], [0, 1], [0, 0], centres=[0.5, 0.5]))
    with pytest.raises(ValueError, match="two codes"):
        crossed_p([1, 0], [0.5, 0.5], [0, 1], centres=[0, 0])


def test_its_level_holds_where_six_donors_move_all_photos():
    """A test over 40 photos alone takes six donors for the whole truth, and rejects in most of these worlds."""
    rejected = alone = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        photo, donor = (axis.ravel() for axis in np.meshgrid(np.arange(40), np.arange(6), indexing="ij"))
        values = rng.normal(0, 1, 6)[donor] + rng.normal(0, 1, 40)[photo] + rng.normal(0, 1, 240)
        weights = np.full(240, 1 / 240)
        rejected += crossed_p(values, weights, photo, donor, centres=np.full(240, values.mean())) <= 0.05
        means = values.reshape(40, 6).mean(axis=1)
        alone += 2 * t.sf(abs(means.mean()) / (means.std(ddof=1) / np.sqrt(40)), 39) <= 0.05
    assert rejected <= 0.08 * 200
    assert alone > 0.3 * 200
