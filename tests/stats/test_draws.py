"""How many permutations are drawn, and where drawing stops, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit import stats
from bias_audit.stats.draws import EXCEEDANCES, sequential_p


class Stream:
    """Permutations whose outcome is known beforehand, and how many of them were asked for."""

    def __init__(self, *extreme: int) -> None:
        self.extreme = set(extreme)
        self.asked = 0

    def __call__(self, rows: int) -> np.ndarray:
        places = self.asked + 1 + np.arange(rows)
        self.asked += rows
        return np.isin(places, list(self.extreme))


@pytest.mark.parametrize(
    ("extreme", "p"),
    [
        ((3, 5, 8), 3 / 8),  # the third is the eighth drawn
        ((3, 5, 1000), 3 / 1000),  # the last permutation stops it as well
        ((3, 5), 3 / 1001),  # too few: (1 + 2) / (1 + 1000)
        ((), 1 / 1001),
        ((1, 2, 3, 4), 1.0),
        ((499, 500, 501), 3 / 501),  # whatever lies in which piece
    ],
)
@pytest.mark.parametrize("at_once", [1, 7, 500, 10_000])
def test_drawing_stops_at_the_last_extreme_permutation_that_is_needed(extreme, p, at_once):
    stream = Stream(*extreme)
    assert sequential_p(stream, 1000, at_once=at_once, exceedances=3) == p
    assert stream.asked <= 1000
    if at_once == 1:
        assert stream.asked == (extreme[2] if len(extreme) > 2 else 1000)


@pytest.mark.parametrize(
    ("extreme", "until", "p"),
    [
        ((), 100, 3 / 103),  # the next three could all be extreme: the third would be the 103rd
        ((3, 5), 100, 3 / 101),  # one more is enough
        ((3, 5, 8), 100, 3 / 8),  # stopped by itself, as without an end
        ((3, 5, 101), 100, 3 / 101),  # and it is: the largest p that could still come did come
        ((), 998, 3 / 1001),  # two are left, of 1,000: (1 + 2) / (1 + 1000)
        ((3,), 999, 3 / 1001),
        ((), 1000, 1 / 1001),  # nothing is left
        ((), 5000, 1 / 1001),
    ],
)
def test_drawing_that_is_left_off_gives_the_largest_p_that_could_still_come(extreme, until, p):
    stream = Stream(*extreme)
    assert sequential_p(stream, 1000, at_once=37, exceedances=3, until=until) == p
    assert stream.asked <= min(until, 1000)


@pytest.mark.parametrize("share", [0.0, 0.002, 0.01, 0.3])
def test_p_only_falls_with_further_permutations(share):
    """Whatever comes, and wherever one leaves off: that makes a p valid that others had to do with."""
    extreme = np.flatnonzero(np.random.default_rng(6).random(3000) < share) + 1
    left_off = [
        sequential_p(Stream(*extreme), 3000, at_once=500, exceedances=5, until=until) for until in range(1, 3001, 7)
    ]
    assert (np.diff(left_off) <= 0).all()
    assert left_off[-1] >= sequential_p(Stream(*extreme), 3000, at_once=500, exceedances=5)


def test_a_test_of_nothing_stops_early_and_one_of_something_does_not():
    """Twenty of every two permutations stop the first; the second draws all, so its p can pass the correction."""
    nothing, something = Stream(*range(1, 40_001, 2)), Stream(40_000)
    assert sequential_p(nothing, 40_000, at_once=10_000) == EXCEEDANCES / (2 * EXCEEDANCES - 1)
    assert nothing.asked == 500
    assert sequential_p(something, 40_000, at_once=10_000) == 2 / 40_001
    assert something.asked == 40_000


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_to_draw_is_refused(wrong):
    with pytest.raises(ValueError, match="at least 1 is needed of each"):
        sequential_p(Stream(), wrong[0], at_once=wrong[1], exceedances=wrong[2])


@pytest.mark.parametrize(
    ("tests", "changes", "draws"),
    [
        (1, {}, 10_000),
        (250, {}, 10_000),
        (251, {}, 10_040),
        (1000, {}, 40_000),
        (1000, {"rate": 0.01}, 200_000),
        (40, {"least": 2000}, 2000),
        (100, {"least": 2000}, 4000),
        (1000, {"rate": 1e-300}, 10_000_000),
    ],
)
def test_draws_by_hand(tests, changes, draws):
    assert stats.draws_for(tests, **changes) == draws


@pytest.mark.parametrize("classes", [2, 26, 251, 500, 501, 1000])
def test_one_reliant_class_among_any_number_can_pass_the_correction(classes):
    """With 10,000 draws nothing above 500 classes could: 501 / 10,001 > .05."""
    p = np.ones(classes)
    p[0] = stats.sign_flip(np.ones(60), seed=0, permutations=stats.draws_for(classes))
    assert stats.benjamini_hochberg(p)[0] <= 0.05
    p[0] = 2 / (1 + stats.draws_for(classes))  # one of the random patterns may be as extreme
    assert stats.benjamini_hochberg(p)[0] <= 0.05


def test_the_bound_of_a_rejection_by_hand():
    """Of four tests at .05: alone the fourth needs .0125, after .01 and .02 .0375; untested ones count not."""
    assert list(stats.rejection_bounds([1, 1, 1, 1], 0.05)) == pytest.approx([0.05 / 4] * 4)
    assert stats.rejection_bounds([0.01, 0.02, 1, 1], 0.05)[3] == pytest.approx(0.05 * 3 / 4)
    assert stats.rejection_bounds([0.01, 0.02, 1, 1], 0.05)[1] == pytest.approx(0.05 * 2 / 4)
    assert stats.rejection_bounds([0.03, 1, 1, 1], 0.05)[3] == pytest.approx(0.05 / 4)  # .03 > .025, the second rank
    assert stats.rejection_bounds([0.02, 1, 1, np.nan], 0.05)[1] == pytest.approx(0.05 * 2 / 3)
    assert stats.rejection_bounds([np.nan, 1, np.nan], 0.05) == pytest.approx([np.nan, 0.05, np.nan], nan_ok=True)
    assert stats.rejection_bounds([], 0.05).size == 0
