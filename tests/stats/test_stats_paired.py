"""Mean, interval and p of paired differences, on differences whose answers can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit import stats


def test_ten_equal_differences():
    """Of 2^10 patterns of signs two are as extreme: all as they are, and all turned."""
    effect = stats.paired_effect([0.25] * 10, seed=0)
    ends = stats.mean_interval([0.25] * 10, seed=0, least=-1, most=1)
    assert effect == stats.PairedEffect(0.25, *ends, 2 / 2**10)


def test_one_difference_that_is_not_there():
    """Nine ones and a nought: both signs of the nought count, so 4 of 2^10 patterns are as extreme."""
    effect = stats.paired_effect([1] * 9 + [0], seed=0)
    assert effect is not None
    assert (effect.mean, effect.p) == (pytest.approx(0.9), 4 / 2**10)
    assert 0 < effect.low < 0.9 < effect.high <= 1


@pytest.mark.parametrize("value", [0, -0.25])
def test_what_does_not_lie_above_nothing_is_no_effect(value):
    effect = stats.paired_effect([value] * 10, seed=0)
    assert effect is not None
    assert (effect.mean, effect.p) == (value, 1)
    assert effect.low < value < effect.high


def test_few_differences_have_none():
    assert stats.paired_effect([1.0] * (stats.ENOUGH_GROUPS - 1), seed=0) is None
    assert stats.paired_effect([], seed=0) is None
    assert stats.paired_effect([1.0] * stats.ENOUGH_GROUPS, seed=0) is not None


def test_the_seed_alone_decides():
    differences = np.random.default_rng(0).uniform(-0.3, 0.9, 30)
    assert stats.paired_effect(differences, seed=4) == stats.paired_effect(differences, seed=4)
    assert stats.paired_effect(differences, seed=4) != stats.paired_effect(differences, seed=5)


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        stats.paired_effect([0.1] * 9 + [float("nan")], seed=0)
    with pytest.raises(ValueError, match=r"-1\.\.1"):
        stats.paired_effect([0.1] * 9 + [1.1], seed=0)


def test_groups_are_the_unit():
    """Twenty equal photos of ten patients are ten; nine patients are too few."""
    patients = np.repeat(np.arange(10), 2)
    effect = stats.paired_effect(np.repeat(np.linspace(0.1, 0.5, 10), 2), seed=0, groups=patients)
    assert effect is not None
    assert effect.p == 2 / 2**10
    alone = stats.paired_effect(np.linspace(0.1, 0.5, 10), seed=0)
    assert (effect.low, effect.high) == pytest.approx((alone.low, alone.high))
    assert stats.paired_effect([0.3] * 20, seed=0, groups=np.minimum(patients, 8)) is None
