"""Odds ratio and Cramér's V against numbers worked out by hand and against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from bias_audit import stats


def test_odds_ratio_by_hand():
    estimate, low, high = stats.odds_ratio(8, 2, 3, 9)
    assert estimate == pytest.approx(8.5 * 9.5 / (2.5 * 3.5))
    reach = 1.959964 * math.sqrt(1 / 8.5 + 1 / 2.5 + 1 / 3.5 + 1 / 9.5)
    assert (low, high) == pytest.approx((estimate * math.exp(-reach), estimate * math.exp(reach)), rel=1e-5)


def test_odds_ratio_of_empty_cells_is_finite_and_of_no_photos_says_nothing():
    estimate, low, high = stats.odds_ratio(10, 0, 0, 10)
    assert 1 < low < estimate < high < math.inf
    estimate, low, high = stats.odds_ratio(0, 0, 0, 0)
    assert estimate == 1
    assert low < 1 < high
    with pytest.raises(ValueError, match="negative"):
        stats.odds_ratio(-1, 0, 0, 0)


def test_cramers_v_by_hand():
    # n = 20, chi2 = 20 (20 * 8 - 0)^2 ... of [[10, 0], [0, 10]]: phi2 = 1, corrected 1 - 1/19, fewer 1 - 1/19.
    assert stats.cramers_v([[10, 0], [0, 10]]) == pytest.approx(1.0)
    assert stats.cramers_v([[5, 5], [5, 5]]) == 0
    assert math.isnan(stats.cramers_v([[3, 4]]))
    assert math.isnan(stats.cramers_v([[3, 4], [0, 0]]))
    with pytest.raises(ValueError, match="counts"):
        stats.cramers_v([[1, -1], [0, 1]])


@given(st.lists(st.lists(st.integers(1, 60), min_size=3, max_size=3), min_size=2, max_size=4))
def test_cramers_v_is_the_uncorrected_one_less_its_bias(rows):
    table = np.array(rows)
    n, (r, c) = table.sum(), table.shape
    phi2 = reference.contingency.association(table, method="cramer") ** 2 * (min(r, c) - 1)
    corrected = max(0, phi2 - (r - 1) * (c - 1) / (n - 1))
    fewer = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    assert stats.cramers_v(table) == pytest.approx(min(1, math.sqrt(corrected / fewer)), abs=1e-9)
    assert stats.cramers_v(table.T) == pytest.approx(stats.cramers_v(table), abs=1e-12)


def test_auc_by_hand_and_its_interval():
    assert stats.auc([3, 2], [1, 2]) == (1 + 1 + 1 + 0.5) / 4
    assert math.isnan(stats.auc([], [1.0]))
    low, high = stats.auc_interval(0.8, 30, 40)
    for end in (low, high):
        q = (1 - end) / (2 - end) + end / (1 + end)
        error = math.sqrt(end * (1 - end) * (1 + 34 * q) / 1200)
        assert abs(0.8 - end) == pytest.approx(1.959964 * error, rel=1e-5)
    low, high = stats.auc_interval(1.0, 10, 10)
    assert 0.6 < low < 0.95
    assert high == pytest.approx(1)
    assert stats.auc_interval(0.3, 30, 40) == pytest.approx(
        tuple(1 - end for end in stats.auc_interval(0.7, 30, 40))[::-1]
    )
    assert math.isnan(stats.auc_interval(0.5, 0, 3)[0])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_auc_is_the_u_statistic(inside, outside):
    u = reference.mannwhitneyu(inside, outside).statistic
    assert stats.auc(inside, outside) == pytest.approx(u / (len(inside) * len(outside)))
    assert stats.auc(outside, inside) == pytest.approx(1 - stats.auc(inside, outside))
