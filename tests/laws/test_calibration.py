"""In worlds where nothing is wrong p-values are uniform (or larger) and intervals hold the truth as often as they say.

Each check is also made on a way of counting that is known to be wrong, so that it can fail: composites taken for
photos, the photos of a patient taken for patients, classes mixed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom, kstest

from bias_audit import stats

WORLDS = 500


def uniformity(p_value: Callable[[np.random.Generator, int], float], worlds: int = WORLDS) -> float:
    """P-value of a Kolmogorov-Smirnov test of the p-values of many worlds against the uniform distribution."""
    rng = np.random.default_rng(2024)
    return float(kstest([p_value(rng, seed) for seed in range(worlds)], "uniform").pvalue)


def patients(rng: np.random.Generator, groups: int, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """Differences of photos whose patient explains most, and the patients; mean 0, skewed sizes."""
    codes = np.repeat(np.arange(groups), rng.integers(1, largest + 1, groups))
    return rng.standard_t(4, groups)[codes] + 0.3 * rng.normal(size=codes.size), codes


@pytest.mark.parametrize("groups", [9, 30], ids=["exact", "monte carlo"])
def test_sign_flip_of_patients(groups: int) -> None:
    def by_patient(rng: np.random.Generator, seed: int) -> float:
        differences, codes = patients(rng, groups, 8)
        return stats.sign_flip(differences, seed=seed, permutations=399, groups=codes)

    def by_photo(rng: np.random.Generator, seed: int) -> float:
        return stats.sign_flip(patients(rng, groups, 8)[0], seed=seed, permutations=399)

    assert uniformity(by_patient) > 0.01
    assert uniformity(by_photo) < 1e-6


def composites(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(photos 16, backgrounds 30) log-odds lost on other backgrounds: what is peculiar to a photo outweighs them."""
    lost = rng.normal(size=(16, 1)) + 0.5 * rng.normal(size=(16, 30))
    return lost, np.repeat(np.arange(16), 30)


def test_the_unit_is_the_photo_never_the_composite() -> None:
    """Sixteen photos on thirty backgrounds are sixteen, not 480."""

    def photo_means(rng: np.random.Generator, seed: int) -> float:
        return stats.sign_flip(composites(rng)[0].mean(axis=1), seed=seed, permutations=399)

    def photos_as_clusters(rng: np.random.Generator, seed: int) -> float:
        lost, photos = composites(rng)
        return stats.sign_flip(lost.ravel(), seed=seed, permutations=399, groups=photos)

    def composites_as_photos(rng: np.random.Generator, seed: int) -> float:
        return stats.sign_flip(composites(rng)[0].ravel(), seed=seed, permutations=399)

    assert uniformity(photo_means) > 0.01
    assert uniformity(photos_as_clusters) > 0.01
    assert uniformity(composites_as_photos) < 1e-6


def test_mcnemar_of_composites_is_no_test_of_photos() -> None:
    """Exact McNemar never finds more than it may; on composites it finds what chance made of a few photos."""
    rng = np.random.default_rng(5)
    photo, composite = [], []
    for _ in range(WORLDS):
        # Each photo has its own chances on both kinds of background, alike on average.
        same, other = (rng.random((20, 30)) < chance for chance in rng.beta(1, 1, (2, 20, 1)))
        right, left = same.mean(axis=1) > 0.5, other.mean(axis=1) > 0.5
        photo.append(stats.mcnemar(int((right & ~left).sum()), int((~right & left).sum())))
        composite.append(stats.mcnemar(int((same & ~other).sum()), int((~same & other).sum())))
    for alpha in (0.01, 0.05, 0.2):
        allowed = binom.ppf(0.999, WORLDS, alpha)
        assert np.sum(np.array(photo) <= alpha) <= allowed
        assert np.sum(np.array(composite) <= alpha) > allowed


def test_mann_whitney() -> None:
    def alike(rng: np.random.Generator, seed: int) -> float:
        return stats.mann_whitney(rng.exponential(size=35), rng.exponential(size=50))

    def shifted(rng: np.random.Generator, seed: int) -> float:
        return stats.mann_whitney(rng.normal(size=35), rng.normal(0.3, 1, size=50))

    assert uniformity(alike) > 0.01
    assert uniformity(shifted) < 1e-6


def two_hospitals(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes of unlike level, hospitals of unlike mix, no difference between hospitals within a class."""
    groups, classes = np.repeat([0, 0, 1, 1], [12, 28, 30, 10]), np.repeat([0, 1, 0, 1], [12, 28, 30, 10])
    return rng.exponential(size=80) + 0.5 * classes, groups, classes


def test_permutation_within_classes() -> None:
    def within(rng: np.random.Generator, seed: int) -> float:
        return float(stats.permutation_within(*two_hospitals(rng), seed=seed, permutations=399)[0])

    def mixed(rng: np.random.Generator, seed: int) -> float:
        values, groups, classes = two_hospitals(rng)
        return float(stats.permutation_within(values, groups, np.zeros_like(classes), seed=seed, permutations=399)[0])

    assert uniformity(within) > 0.01
    assert uniformity(mixed) < 1e-6


@pytest.mark.parametrize("margins", [[(9, 12, 7)], [(4, 6, 5), (8, 5, 3)], [(3, 3, 3), (5, 9, 4), (2, 6, 6)]])
def test_fisher_within_classes_is_conservative(margins: list[tuple[int, int, int]]) -> None:
    """P(p <= alpha) <= alpha over every set of tables of these margins: n, other n, hits of both."""
    ways: dict[float, int] = {}
    for hits in itertools.product(*(range(max(0, k - m), min(n, k) + 1) for n, m, k in margins)):
        weight = math.prod(
            math.comb(n, hit) * math.comb(m, k - hit) for hit, (n, m, k) in zip(hits, margins, strict=True)
        )
        n, m, k = np.array(margins).T
        p = round(stats.fisher_within(hits, n, k - hits, m), 12)
        ways[p] = ways.get(p, 0) + weight
    total = sum(ways.values())
    for alpha in ways:
        assert sum(weight for p, weight in ways.items() if p <= alpha) / total <= alpha + 1e-9


def coverage(interval: Callable[[np.random.Generator, int], tuple[float, float]], truth: float) -> int:
    """In how many of WORLDS the interval holds the truth."""
    rng = np.random.default_rng(77)
    ends = [interval(rng, seed) for seed in range(WORLDS)]
    return sum(low <= truth <= high for low, high in ends)


LEAST, MOST = (int(binom.ppf(tail, WORLDS, held)) for tail, held in ((0.001, 0.925), (0.999, 0.965)))
"""Intervals of few photos fall short of 95 % by a point or two, or cover too much where the data are discrete."""


def test_means_of_patients_cover_only_when_told_of_them() -> None:
    def skewed(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        codes = np.repeat(np.arange(60), rng.integers(1, 6, 60))
        return rng.gamma(3, size=60)[codes] + 0.3 * rng.normal(size=codes.size), codes

    def by_patient(rng: np.random.Generator, seed: int) -> tuple[float, float]:
        values, codes = skewed(rng)
        return stats.mean_interval(values, seed=seed, groups=codes)

    def by_photo(rng: np.random.Generator, seed: int) -> tuple[float, float]:
        return stats.mean_interval(skewed(rng)[0], seed=seed)

    assert LEAST <= coverage(by_patient, 3) <= MOST
    assert coverage(by_photo, 3) < 0.8 * WORLDS


def test_rates_and_gaps_of_patients_cover_only_when_told_of_them() -> None:
    def photos(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        codes = np.repeat(np.arange(25), rng.integers(1, 9, 25))
        same = (rng.random(codes.size) < rng.beta(4, 1, 25)[codes]).astype(float)  # .8 on average
        return same, same * (rng.random(codes.size) < rng.beta(1.5, 0.5, 25)[codes]), codes  # of them .75

    def rate(rng: np.random.Generator, seed: int) -> tuple[float, float]:
        same, _, codes = photos(rng)
        return stats.rate_interval(same, groups=codes)

    def gap(rng: np.random.Generator, seed: int) -> tuple[float, float]:
        same, other, codes = photos(rng)
        return stats.paired_difference_interval(same, other, groups=codes)

    def naive(rng: np.random.Generator, seed: int) -> tuple[float, float]:
        same, other, _ = photos(rng)
        return stats.paired_difference_interval(same, other)

    assert coverage(rate, 0.8) >= LEAST
    assert coverage(gap, 0.2) >= LEAST
    assert coverage(naive, 0.2) < LEAST
