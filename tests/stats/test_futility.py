"""When a comparison is given up: chances by hand and by another formula, and how often a real gap is given up."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bias_audit import stats
from bias_audit.stats import futility


def lost(count: int, of: int) -> np.ndarray:
    """(of,) differences of photos, of which the first `count` are lost whole."""
    return np.arange(of) < count


def beta_binomial(left: int, losses: float, kept: float, least: int) -> float:
    """Chance of at least `least` losses among `left` further photos; each is lost with a share ~ Beta(losses, kept)."""

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    return sum(
        math.comb(left, k) * math.exp(log_beta(losses + k, kept + left - k) - log_beta(losses, kept))
        for k in range(least, left + 1)
    )


@pytest.mark.parametrize(("losses", "seen"), [(0, 35), (0, 43), (0, 60), (1, 40), (1, 66), (2, 80), (3, 60)])
def test_the_chance_is_that_of_the_beta_binomial_where_photos_are_lost_whole_or_not_at_all(losses: int, seen: int):
    """Six losses have p = 2^-5 = .031 and a gap of .06; five have 2^-4 = .0625: so six of a hundred are needed."""
    chance = stats.predictive_chance(lost(losses, seen), 100 - seen, floor=0.05, seed=3)
    exact = beta_binomial(100 - seen, losses + 0.5, seen - losses + 0.5, 6 - losses)
    assert chance == pytest.approx(exact, abs=4 * math.sqrt(exact / futility.DRAWS) + 1e-3)


def test_nothing_left_is_certain():
    assert stats.predictive_chance(lost(6, 100), 0, floor=0.05, seed=0) == 1
    assert stats.predictive_chance(lost(5, 100), 0, floor=0.05, seed=0) == 0  # p = .0625
    assert stats.predictive_chance(lost(6, 100), 0, floor=0.061, seed=0) == 0
    assert stats.predictive_chance(-1.0 * lost(30, 100), 0, floor=0.05, seed=0) == 0  # gained, not lost
    assert math.isnan(stats.predictive_chance([], 10, floor=0.05, seed=0))


def test_many_small_differences_count_by_the_normal_approximation():
    """25 photos that lose one of five composites: sum 5, spread .2 * 5, so z = 5; the gap is 5 / 100."""
    d = np.where(np.arange(100) < 25, 0.2, 0)
    assert stats.predictive_chance(d, 0, floor=0.05, seed=0) == 1
    mixed = np.where(np.arange(100) < 25, 0.2, np.where(np.arange(100) < 50, -0.2, 0))
    assert stats.predictive_chance(mixed, 0, floor=0.0, seed=0) == 0


@pytest.mark.parametrize(("losses", "given_up_at"), [(0, 43), (1, 66), (2, 80)])
def test_given_up_after_so_many_photos_of_a_hundred(losses: int, given_up_at: int):
    """The chances at the two ends are .0103 and .0094 without a loss: within what random draws tell apart."""

    def given_up(seen: int) -> bool:
        return stats.futile(np.ones(seen), 1.0 - lost(losses, seen), 100 - seen, floor=0.05, seed=11)

    assert not any(given_up(seen) for seen in range(20, given_up_at - 3))
    assert all(given_up(seen) for seen in range(given_up_at + 3, 100, 6))


def test_never_with_fewer_than_35_photos_or_groups_nor_beyond_the_limit():
    """With 34 of 35 photos seen the last one cannot change anything, and it is asked all the same."""
    assert not stats.futile(np.ones(34), np.ones(34), 1, floor=0.05, seed=0)
    assert stats.futile(np.ones(35), np.ones(35), 1, floor=0.05, seed=0)
    assert stats.paired_difference_interval(np.ones(35), np.ones(35))[1] == pytest.approx(0.0989, abs=1e-4)
    pairs = np.arange(68) // 2  # 34 groups
    assert not stats.futile(np.ones(68), np.ones(68), 2, floor=0.05, seed=0, groups=pairs)
    # Five of fifty are lost: with one more photo p stays .0625, but a gap of .21 is not excluded.
    assert stats.predictive_chance(-1.0 * lost(5, 50), 1, floor=0.05, seed=0) == 0
    gained = stats.paired_difference_interval(1.0 - lost(5, 50), np.ones(50))
    assert gained[1] <= 0.1
    assert not stats.futile(np.ones(50), 1.0 - lost(5, 50), 50, floor=0.05, seed=0)


def test_photos_of_a_group_count_once():
    """Four groups of five photos are lost whole of fifty: p is 2^-3 at least, whatever the photos say."""
    groups = np.arange(250) // 5
    d = lost(20, 250)
    assert stats.predictive_chance(d, 0, floor=0.05, seed=0) == 1
    assert stats.predictive_chance(d, 0, floor=0.05, seed=0, groups=groups) == 0
    few = stats.predictive_chance(lost(0, 250), 250, floor=0.05, seed=0, groups=groups)
    exact = beta_binomial(50, 0.5, 50.5, 6)
    assert few == pytest.approx(exact, abs=4 * math.sqrt(exact / futility.DRAWS) + 1e-3)


def given_up_after(first: np.ndarray, second: np.ndarray, block: int = 20) -> int:
    """Photos after which a class is given up, looked at after every block; all of them where it never is."""
    seen = range(block, len(first), block)
    ends = (n for n in seen if stats.futile(first[:n], second[:n], len(first) - n, floor=0.05, seed=5))
    return next(ends, len(first))


@pytest.mark.parametrize(("gap", "most"), [(0.15, 0.02), (0.10, 0.08)])
def test_a_real_gap_is_hardly_ever_given_up(gap: float, most: float):
    """Of 200 classes of 100 photos that are lost whole with this chance; at .15 it is at most a loss among 43."""
    rng = np.random.default_rng(8)
    stopped = [given_up_after(np.ones(100), 1.0 - (rng.random(100) < gap)) < 100 for _ in range(200)]
    assert np.mean(stopped) <= most


def test_a_class_without_a_gap_is_given_up_early():
    rng = np.random.default_rng(9)
    seen = [given_up_after(1.0 - (rng.random(100) < 0.01), 1.0 - (rng.random(100) < 0.01)) for _ in range(60)]
    assert np.mean(seen) <= 75


@pytest.mark.parametrize(("d", "left"), [([np.nan], 1), ([0.0], -1), ([[0.0]], 1)])
def test_values_that_mean_nothing_are_refused(d: list[float], left: int):
    with pytest.raises(ValueError, match="must be"):
        stats.predictive_chance(d, left, floor=0.05, seed=0)
