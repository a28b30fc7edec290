"""What the sign-flip test finds before anything is measured, held against the test itself and sums by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from bias_audit import stats
from bias_audit.checks.background.findable import findable
from bias_audit.config import Thresholds


def planted(lost: int, units: int) -> list[float]:
    return [1.0] * lost + [0.0] * (units - lost)


@pytest.mark.parametrize("units", [1, 5, 12, 24])
@pytest.mark.parametrize("bound", [0.05, 0.025, 0.001])
def test_where_patterns_are_counted_the_chance_is_what_the_test_says(units: int, bound: float) -> None:
    said = [float(stats.sign_flip(planted(lost, units), seed=0) <= bound) for lost in range(units + 1)]
    assert stats.rejection_chances(units, bound).tolist() == said


@pytest.mark.parametrize(("units", "lost", "bound"), [(30, 6, 0.025), (30, 7, 0.0166), (40, 10, 0.002), (40, 12, 5e-4)])
def test_where_patterns_are_drawn_the_chance_is_that_of_many_tests(units: int, lost: int, bound: float) -> None:
    """Bounds near 2 / 2^lost, where chance decides; 400 tests have a standard error of .025 at most."""
    draws = stats.draws_for(round(0.05 / bound), rate=0.05)
    chance = stats.rejection_chances(units, bound, draws)[lost]
    drawn = [stats.sign_flip(planted(lost, units), seed=seed, permutations=draws) <= bound for seed in range(400)]
    assert abs(np.mean(drawn) - chance) < 0.085


def test_a_bound_that_no_drawn_pattern_reaches_is_never_passed() -> None:
    assert not stats.rejection_chances(30, 1e-5, 10_000).any()
    assert math.isnan(stats.smallest_share(30, 1e-5, permutations=10_000))


def test_ten_photos_of_which_seven_must_be_lost() -> None:
    """2 / 2^7 = .0156 is the first below .025, so of share s: sum of C(10, k) s^k (1 - s)^(10 - k) over 7..10 = .8."""
    share = stats.smallest_share(10, 0.025)
    tail = sum(math.comb(10, k) * share**k * (1 - share) ** (10 - k) for k in range(7, 11))
    assert tail == pytest.approx(0.8, abs=1e-4)
    assert share == pytest.approx(0.7606, abs=1e-4)


def test_all_of_six_photos_when_six_are_needed() -> None:
    assert stats.smallest_share(6, 0.05) == pytest.approx(0.8 ** (1 / 6), abs=1e-4)  # 2 / 2^6 = .031
    assert math.isnan(stats.smallest_share(5, 0.05))  # 2 / 2^5 = .0625
    assert math.isnan(stats.smallest_share(0, 0.05))


def test_the_least_difference_counts_where_the_test_would_find_less() -> None:
    """Of 400 photos 20 must be lost to reach .05, though 7 are significant."""
    share = stats.smallest_share(400, 0.025, least=0.05)
    tail = 1 - sum(math.comb(400, k) * share**k * (1 - share) ** (400 - k) for k in range(20))
    assert tail == pytest.approx(0.8, abs=1e-3)
    assert stats.smallest_share(400, 0.025) < 0.03


def test_more_photos_and_fewer_classes_never_find_less() -> None:
    for classes in (2, 10, 100):
        gaps = [findable([units] * classes, Thresholds())[0].gap for units in range(14, 101)]
        assert all(later <= earlier + 0.03 for earlier, later in itertools.pairwise(gaps))
    by_classes = [findable([40] * classes, Thresholds())[0].gap for classes in (2, 5, 10, 30, 100)]
    assert by_classes == sorted(by_classes)


@pytest.mark.parametrize(
    ("units", "missing"),
    [
        ([10, 10], [0, 0]),
        ([9, 60], [1, 0]),  # ten photos are enough for two classes
        ([0, 60], [10, 0]),
        ([10] * 26, [1] * 26),  # 2 / 2^10 = .00195 is above .05 / 26, docs/science.md#minimum-numbers
        ([10] * 25, [0] * 25),
        ([3, *[50] * 999], [13, *[0] * 999]),  # sixteen for a thousand classes
    ],
)
def test_how_many_photos_are_missing(units: list[int], missing: list[int]) -> None:
    said = findable(units, Thresholds())
    assert [each.missing for each in said] == missing
    assert [math.isnan(each.gap) for each in said] == [number > 0 for number in missing]


def test_classes_that_are_not_tested_do_not_make_the_test_stricter() -> None:
    with_small, without = findable([60, 60, 3, 3], Thresholds()), findable([60, 60], Thresholds())
    assert with_small[0].gap == without[0].gap
    assert [each.missing for each in with_small[2:]] == [7, 7]
