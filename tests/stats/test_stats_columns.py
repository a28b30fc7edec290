"""Sign flips of many columns: the same answer as column by column."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bias_audit.stats import EXACT_SIGN_FLIPS, sign_flip, sign_flip_columns

TABLES = arrays.arrays(float, st.tuples(st.integers(1, 10), st.integers(1, 5)), elements=st.sampled_from(
    [-1.0, -0.4, -0.2, 0.0, 0.2, 0.4, 1.0, np.nan]
))  # fmt: skip


@given(TABLES, st.booleans())
def test_each_column_as_by_itself(table, grouped):
    groups = np.arange(len(table)) // 2 if grouped else None
    for column, p in zip(table.T, sign_flip_columns(table, seed=0, groups=groups), strict=True):
        known = ~np.isnan(column)
        alone = sign_flip(column[known], seed=0, groups=None if groups is None else groups[known])
        np.testing.assert_allclose(p, alone)


def test_by_hand():
    table = np.array([[1, 1, np.nan, 0.2], [1, -1, np.nan, -0.2], [1, 0, np.nan, 0.0]])
    np.testing.assert_allclose(sign_flip_columns(table, seed=0), [2 / 8, 1, np.nan, 1])
    # The first two photos are one group: two units that both move, 2 of 4 patterns.
    np.testing.assert_allclose(sign_flip_columns(table[:, :1], seed=0, groups=[7, 7, 9]), [2 / 4])


def test_what_does_not_move_leaves_all_patterns_to_be_enumerated():
    column = np.r_[np.ones(EXACT_SIGN_FLIPS), np.zeros(100)][:, None]
    assert sign_flip_columns(column, seed=0)[0] == pytest.approx(2 / 2**EXACT_SIGN_FLIPS)


def test_longer_columns_draw_as_many_patterns_as_asked():
    column = np.ones((40, 1))
    assert sign_flip_columns(column, seed=0, permutations=50_000)[0] == pytest.approx(1 / 50_001)


@pytest.mark.parametrize("table", [np.ones(3), np.full((2, 2), np.inf)])
def test_other_tables_are_refused(table):
    with pytest.raises(ValueError, match="table"):
        sign_flip_columns(table, seed=0)


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match="needs its group"):
        sign_flip_columns(np.ones((3, 2)), seed=0, groups=[0, 1])
