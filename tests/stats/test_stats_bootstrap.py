"""The bootstrap-t interval: a second, slow implementation from the formulas, its weights, and its limits by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta, kstest, t

from bias_audit import stats
from bias_audit.stats import bootstrap

NAN = math.nan


def slow(values: list[float], clusters: list[int], seed: int) -> tuple[float, float]:
    """Davison & Hinkley 1997, section 5.2, resample by resample; every cluster with its own weight."""
    names = sorted(set(clusters))
    members = [[value for value, of in zip(values, clusters, strict=True) if of == name] for name in names]
    blocks = [bootstrap._weights(seed, number, 1999) for number in range(len(names) // 64 + 1)]
    mean = sum(values) / len(values)
    error = math.sqrt(sum((sum(part) - mean * len(part)) ** 2 for part in members)) / len(values)
    studentised = []
    for resample in range(1999):
        weights = [blocks[place // 64][resample][place % 64] for place in range(len(names))]
        weights = [weight * len(names) / sum(weights) for weight in weights]
        photos = sum(weight * len(part) for weight, part in zip(weights, members, strict=True))
        drawn = sum(weight * sum(part) for weight, part in zip(weights, members, strict=True)) / photos
        spread = sum(w * (sum(part) - drawn * len(part)) ** 2 for w, part in zip(weights, members, strict=True))
        studentised.append((drawn - mean) / (math.sqrt(spread) / photos))
    studentised.sort()
    return mean - studentised[1949] * error, mean - studentised[49] * error  # the 1950th and the 50th of 1999


@pytest.mark.parametrize(("n", "seed"), [(10, 0), (31, 1), (150, 2)])
def test_bootstrap_t_from_the_formulas(n: int, seed: int) -> None:
    values = np.random.default_rng(seed).exponential(size=n)
    expected = slow(values.tolist(), list(range(n)), seed)
    assert stats.mean_interval(values, seed=seed) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_bootstrap_t_of_clusters_from_the_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(14), [1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7])
    values = rng.exponential(size=56) + rng.exponential(size=14)[clusters]
    expected = slow(values.tolist(), clusters.tolist(), seed)
    assert stats.mean_interval(values, seed=seed, groups=clusters) == pytest.approx(expected, rel=1e-9)


def test_weights_are_owens() -> None:
    """Beta(1/2, 3/2) has mean 1/4, standard deviation 1/4 and skewness 1, nearly as the counts of resampling do."""
    drawn = bootstrap._weights(3, 0, 500)
    assert kstest(drawn.ravel(), beta(0.5, 1.5).cdf).pvalue > 0.01
    mean, variance, skewness = beta.stats(0.5, 1.5, moments="mvs")
    assert (mean, variance, skewness) == pytest.approx((0.25, 0.25**2, 1))
    assert not np.array_equal(drawn, bootstrap._weights(3, 1, 500))
    assert not np.array_equal(drawn, bootstrap._weights(4, 0, 500))


def test_units_beyond_the_kept_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=200)
    whole = stats.mean_interval(values, seed=0)
    monkeypatch.setattr(bootstrap, "_KEPT", 1)
    assert stats.mean_interval(values, seed=0) == whole


def test_of_normal_values_it_is_students() -> None:
    values = np.random.default_rng(4).normal(5, 2, 400)
    expected = t.interval(0.95, 399, values.mean(), values.std(ddof=1) / 20)
    assert stats.mean_interval(values, seed=0) == pytest.approx(expected, abs=0.02)
    ninety = t.interval(0.9, 399, values.mean(), values.std(ddof=1) / 20)
    assert stats.mean_interval(values, seed=0, confidence=0.9) == pytest.approx(ninety, abs=0.02)


def test_it_is_skewed_where_the_data_are() -> None:
    values = [0.0] * 16 + [0.1, 0.2, 0.3, 0.9]
    low, high = stats.mean_interval(values, seed=0)
    assert high - np.mean(values) > 1.5 * (np.mean(values) - low) > 0


def test_equal_values_are_no_proof_that_others_are_equal() -> None:
    """Of 10 photos, up to 27.75 % may be anything: the upper Wilson limit of none of 10."""
    unseen = stats.wilson(0, 10)[1]
    assert unseen == pytest.approx(0.2775, abs=5e-5)
    expected = (0.25 - unseen * 1.25, 0.25 + unseen * 0.75)
    assert stats.mean_interval([0.25] * 10, seed=0, least=-1, most=1) == pytest.approx(expected)
    assert all(map(math.isnan, stats.mean_interval([0.25] * 10, seed=0)))
    assert all(map(math.isnan, stats.mean_interval([0.25] * 10, seed=0, least=0)))


def test_one_or_two_values_say_nothing_of_the_spread() -> None:
    unseen = stats.wilson(2, 20)[1]
    values = [0.0] * 18 + [0.3, 0.5]
    assert stats.mean_interval(values, seed=0, least=-1, most=1) == pytest.approx((-unseen, unseen))
    low, high = stats.mean_interval([*values[1:], 0.4], seed=0, least=-1, most=1)
    assert -unseen < low < high < unseen
    # Rounding, and effects of a hundredth of the largest, are no difference.
    nearly = [*np.linspace(0, 1e-3, 18), 0.3, 0.5]
    assert stats.mean_interval(nearly, seed=0, least=-1, most=1) == pytest.approx((-unseen, unseen), abs=1e-3)


def test_clusters_that_are_alike_count_by_kish() -> None:
    clusters = np.repeat(np.arange(12), 4)
    unseen = stats.wilson(0, 12)[1]
    assert stats.mean_interval([1.0] * 48, seed=0, groups=clusters, least=-1, most=1) == pytest.approx(
        (1 - 2 * unseen, 1)
    )
    halves = [0.0, 1.0] * 24  # every cluster has the mean .5
    expected = (0.5 - 1.5 * unseen, 0.5 + 0.5 * unseen)
    assert stats.mean_interval(halves, seed=0, groups=clusters, least=-1, most=1) == pytest.approx(expected)


def test_clusters_widen_and_ten_are_needed() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(10), 20)
    values = rng.normal(size=10)[clusters] + 0.1 * rng.normal(size=200)
    low, high = stats.mean_interval(values, seed=0)
    wide_low, wide_high = stats.mean_interval(values, seed=0, groups=clusters)
    assert wide_high - wide_low > 3 * (high - low)  # the design effect is about 20
    assert all(map(math.isnan, stats.mean_interval(values, seed=0, groups=np.minimum(clusters, 8))))
    assert all(map(math.isnan, stats.mean_interval(values[:9], seed=0)))
    assert all(map(math.isnan, stats.mean_interval([], seed=0)))


def test_the_seed_alone_decides() -> None:
    assert stats.mean_interval(range(10), seed=1) == stats.mean_interval(range(10), seed=1)
    assert stats.mean_interval(range(10), seed=1) != stats.mean_interval(range(10), seed=2)


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ([*range(10), NAN], {}, "finite"),
        ([0.0] * 9 + [1.5], {"least": -1, "most": 1}, r"-1\.\.1"),
        ([-0.5] * 10, {"least": 0}, r"0\.\.inf"),
        ([0.0] * 12, {"groups": [1, 2]}, "its group"),
    ],
)
def test_it_refuses(values: list[float], given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stats.mean_interval(values, seed=0, **given)
