"""Intervals: known answers worked by hand, published, or by a slow second road written from the paper."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from bias_audit import stats

NAN = math.nan


# -- wilson --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high", "digits"),
    [
        (0, 10, 0, 0.28, 0.005),  # docs/science.md#wilson-interval
        (0, 30, 0, 0.114, 0.0005),
        (3, 30, 0.035, 0.256, 0.0005),
        (81, 263, 0.2553, 0.3662, 5e-5),  # Newcombe 1998 (17, 857), table I, method 3
        (15, 148, 0.0624, 0.1605, 5e-5),
        (0, 20, 0.0, 0.1611, 5e-5),
        (1, 29, 0.0061, 0.1718, 5e-5),
    ],
)
def test_wilson_published(successes: int, n: int, low: float, high: float, digits: float) -> None:
    assert stats.wilson(successes, n) == pytest.approx((low, high), abs=digits)


def slow_wilson(successes: float, n: int, z: float) -> tuple[float, float]:
    """All shares that the score test |p - share| <= z sqrt(share (1 - share) / n) keeps, by bisection."""
    p = successes / n

    def kept(share: float) -> bool:
        return abs(p - share) <= z * math.sqrt(share * (1 - share) / n)

    ends = []
    for far in (0.0, 1.0):
        inside, outside = p, far
        for _ in range(80):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if kept(middle) else (inside, middle)
        ends.append(inside)
    return ends[0], ends[1]


@pytest.mark.parametrize(("successes", "n"), [(3, 10), (0.5, 7), (6.5, 7), (2.4, 3), (40, 41), (500.25, 1000)])
def test_wilson_inverts_the_score_test(successes: float, n: int) -> None:
    assert stats.wilson(successes, n) == pytest.approx(slow_wilson(successes, n, 1.959963984540054), abs=1e-9)
    assert stats.wilson(successes, n, 0.9) == pytest.approx(slow_wilson(successes, n, 1.6448536269514722), abs=1e-9)


def test_wilson_edges() -> None:
    assert all(map(math.isnan, stats.wilson(0, 0)))
    assert stats.wilson(0, 5)[0] == 0
    assert stats.wilson(5, 5)[1] == 1
    assert stats.wilson(sum([0.1] * 10), 1)[1] == 1  # .9999999999999999
    assert stats.wilson(1 + 1e-16, 1)[1] == 1


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (1, 0), (0, -1), (NAN, 5)])
def test_wilson_refuses(successes: float, n: int) -> None:
    with pytest.raises(ValueError, match=r"successes must lie in 0\.\.n"):
        stats.wilson(successes, n)


@pytest.mark.parametrize("confidence", [0, 1, 95, NAN])
def test_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        stats.wilson(1, 2, confidence)


# -- paired difference ---------------------------------------------------------------------


def scores(both: int, first: int, second: int, neither: int) -> tuple[list[int], list[int]]:
    """A paired fourfold table as scores."""
    pairs = [(1, 1)] * both + [(1, 0)] * first + [(0, 1)] * second + [(0, 0)] * neither
    return [x for x, _ in pairs], [y for _, y in pairs]


def newcombe(e: int, f: int, g: int, h: int) -> tuple[float, float]:
    """Method 10 from the paper, on the counts e, f, g, h, with 95 % Wilson intervals written out."""
    z, n = 1.959963984540054, e + f + g + h

    def interval(k: int) -> tuple[float, float]:
        root = z * math.sqrt(z**2 + 4 * k * (1 - k / n))
        return (2 * k + z**2 - root) / (2 * (n + z**2)), (2 * k + z**2 + root) / (2 * (n + z**2))

    product = (e + f) * (g + h) * (e + g) * (f + h)
    if product == 0:
        phi = 0.0
    elif e * h > f * g:
        phi = max(e * h - f * g - n / 2, 0) / math.sqrt(product)
    else:
        phi = (e * h - f * g) / math.sqrt(product)
    (l2, u2), (l3, u3) = interval(e + f), interval(e + g)
    p2, p3 = (e + f) / n, (e + g) / n
    below = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u3 - p3) + (u3 - p3) ** 2
    above = (p3 - l3) ** 2 - 2 * phi * (p3 - l3) * (u2 - p2) + (u2 - p2) ** 2
    return p2 - p3 - math.sqrt(below), p2 - p3 + math.sqrt(above)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),  # Newcombe 1998 (17, 2635), table III, method 10
        ((53, 0, 0, 1), (-0.0729, 0.0729)),
        ((54, 0, 0, 0), (-0.0664, 0.0664)),
    ],
)
def test_paired_difference_published(table: tuple[int, int, int, int], expected: tuple[float, float]) -> None:
    assert stats.paired_difference_interval(*scores(*table)) == pytest.approx(expected, abs=5e-5)


def test_paired_difference_is_method_10_on_every_small_table() -> None:
    for table in itertools.product(range(5), repeat=4):
        if sum(table):
            low, high = newcombe(*table)
            expected = (max(low, -1.0), min(high, 1.0))
            assert stats.paired_difference_interval(*scores(*table)) == pytest.approx(expected, abs=1e-7), table


def test_paired_difference_of_identical_scores_has_a_width() -> None:
    """Method 8 would give [0, 0] here: pairing explains everything."""
    low, high = stats.paired_difference_interval([1, 0] * 10, [1, 0] * 10)
    assert low < -0.01
    assert high > 0.01


def test_paired_difference_of_few_photos_counts_photos() -> None:
    """Three photos, shares of composites, no spread between so few of them is believed: the correlation by hand."""
    x, y = [1.0, 0.5, 0.0], [0.5, 0.5, 0.2]
    # means .5, .4; sum of products .5*.1 + 0 + .5*.2 = .15 over the root of .5 * .06; half a trial off
    (a, b), (c, d) = stats.wilson(1.5, 3), stats.wilson(1.2, 3)
    phi = 0.15 / math.sqrt(0.5 * 0.06) - 0.5 / math.sqrt(3 * 0.25 * 3 * 0.24)
    low = math.sqrt((0.5 - a) ** 2 - 2 * phi * (0.5 - a) * (d - 0.4) + (d - 0.4) ** 2)
    high = math.sqrt((0.4 - c) ** 2 - 2 * phi * (0.4 - c) * (b - 0.5) + (b - 0.5) ** 2)
    assert stats.paired_difference_interval(x, y) == pytest.approx((0.1 - low, 0.1 + high), abs=1e-12)


def test_paired_difference_of_shares_by_hand() -> None:
    """Ten photos of five composites: each arm counts as the trials that its spread between photos is worth."""
    x, y = np.array([5, 5, 4, 5, 3, 5, 4, 2, 5, 4]) / 5, np.array([3, 2, 4, 1, 0, 3, 2, 1, 5, 2]) / 5
    ends = []
    for values in (x, y):
        mean = sum(values) / 10
        between = sum((value - mean) ** 2 for value in values) / 9 / 10
        trials = mean * (1 - mean) / between * 50 / 49
        assert 10 < trials < 50
        ends.append((trials, *stats.wilson(mean * trials, trials)))
    (n, a, b), (m, c, d) = ends
    products = sum((one - 0.84) * (other - 0.46) for one, other in zip(x, y, strict=True))
    spread = math.sqrt(sum((one - 0.84) ** 2 for one in x) * sum((other - 0.46) ** 2 for other in y))
    phi = products / spread - 0.5 / math.sqrt(n * 0.84 * 0.16 * m * 0.46 * 0.54)
    assert 0 < phi < 1
    low = math.sqrt((0.84 - a) ** 2 - 2 * phi * (0.84 - a) * (d - 0.46) + (d - 0.46) ** 2)
    high = math.sqrt((0.46 - c) ** 2 - 2 * phi * (0.46 - c) * (b - 0.84) + (b - 0.84) ** 2)
    assert stats.paired_difference_interval(x, y) == pytest.approx((0.38 - low, 0.38 + high), abs=1e-9)


def test_shares_of_ten_photos_say_more_than_ten_photos_that_are_right_or_wrong() -> None:
    low, high = stats.paired_difference_interval([0.8, 0.6, 1.0, 0.8, 0.8] * 2, [0.2, 0.4, 0.2, 0.2, 0.0] * 2)
    wide_low, wide_high = stats.paired_difference_interval([1, 1, 1, 1, 0] * 2, [0, 0, 0, 0, 1] * 2)
    assert low > 0.35 > wide_low
    assert high - low < 0.7 * (wide_high - wide_low)


def test_paired_difference_edges() -> None:
    assert all(map(math.isnan, stats.paired_difference_interval([], [])))
    assert stats.paired_difference_interval([1] * 50, [0] * 50)[1] == 1
    assert stats.paired_difference_interval([0] * 50, [1] * 50)[0] == -1
    low, high = stats.paired_difference_interval([1], [0])
    assert low < 1 <= high


def test_paired_difference_sees_no_correlation_in_rounding() -> None:
    """.1 + .2 is not .3: a correlation is blind to scale and would take the last bit for an effect of -1."""
    rounded = stats.paired_difference_interval([0.3, 0.1 + 0.2] * 10, [1, 0] * 10)
    (a, b), (c, d) = stats.wilson(60, 200), stats.wilson(10, 20)  # .3 is 3 of 10 at least, all photos alike
    assert rounded == pytest.approx((-0.2 - math.hypot(0.3 - a, d - 0.5), -0.2 + math.hypot(0.5 - c, b - 0.3)))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1, 0], [1], "equally many"),
        ([1.5], [1], r"0\.\.1"),
        ([0], [-0.1], r"0\.\.1"),
        ([NAN], [0], "finite"),
        ([[1, 0]], [[1, 0]], "one-dimensional"),
    ],
)
def test_paired_difference_refuses(first: list[float], second: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stats.paired_difference_interval(first, second)


def test_paired_difference_covers() -> None:
    """1000 experiments of 40 correlated pairs: the true difference lies inside about 95 % of the intervals."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(1000):
        same = rng.random(40) < 0.8
        other = np.where(rng.random(40) < 0.6, same, rng.random(40) < 0.3)  # P = .6 * .8 + .4 * .3 = .6
        low, high = stats.paired_difference_interval(same, other)
        covered += low <= 0.2 <= high
    assert 0.93 <= covered / 1000 <= 0.99


# -- clusters in rates ----------------------------------------------------------------------


def test_rate_interval_is_wilson_without_clusters() -> None:
    assert stats.rate_interval([1, 0, 1]) == stats.wilson(2, 3)
    assert stats.rate_interval([1, 0, 0.5]) == stats.wilson(1.5, 3)
    assert all(map(math.isnan, stats.rate_interval([])))
    with pytest.raises(ValueError, match=r"0\.\.1"):
        stats.rate_interval([2.0])


def test_rate_interval_of_shares_counts_what_their_spread_is_worth() -> None:
    shares = [0.6] * 4 + [0.8] * 4 + [0.6, 0.8]
    between = 10 * 0.01 / 9 / 10
    assert between < 0.7 * 0.3 / 49  # less than chance alone: as many trials as composites, no more
    assert stats.rate_interval(shares) == pytest.approx(stats.wilson(35, 50))
    shares = [0.2] * 3 + [1.0] * 7  # mean .76, sum of squares 3 .56^2 + 7 .24^2 = 1.344
    trials = 50 / ((1.344 / 9 / 10) / (0.76 * 0.24 / 49))
    assert stats.rate_interval(shares) == pytest.approx(stats.wilson(0.76 * trials, trials))


def test_rate_interval_of_clusters_counts_effective_photos() -> None:
    scores, clusters = [1.0] * 30 + [0.0] * 30, np.repeat(np.arange(20), 3)
    n = stats.effective_size(scores, clusters)
    assert n < 20
    assert stats.rate_interval(scores, groups=clusters) == stats.wilson(n / 2, n)
    assert all(map(math.isnan, stats.rate_interval(scores, groups=np.repeat(np.arange(6), 10))))


def test_paired_difference_of_whole_clusters_is_that_of_one_photo_each() -> None:
    """Five equal photos per patient: nearly the interval of the patients, and far from that of the photos."""
    rng = np.random.default_rng(3)
    first = (rng.random(60) < 0.9).astype(float)
    second = np.where(rng.random(60) < 0.7, first, 0.0)
    clusters = np.repeat(np.arange(60), 5)
    copies = stats.paired_difference_interval(np.repeat(first, 5), np.repeat(second, 5), groups=clusters)
    assert copies == pytest.approx(stats.paired_difference_interval(first, second), abs=0.005)
    naive = stats.paired_difference_interval(np.repeat(first, 5), np.repeat(second, 5))
    assert copies[1] - copies[0] > 1.8 * (naive[1] - naive[0])


def test_paired_difference_of_clusters_without_change_has_a_width() -> None:
    """A bootstrap of clusters would say [0, 0]: no patient's photos change sides."""
    clusters = np.repeat(np.arange(12), 4)
    low, high = stats.paired_difference_interval([1.0] * 48, [1.0] * 48, groups=clusters)
    twelve = stats.paired_difference_interval([1.0] * 12, [1.0] * 12)
    assert low < twelve[0] < 0 < twelve[1] < high
    few = stats.paired_difference_interval([1.0] * 48, [1.0] * 48, groups=clusters // 2)
    assert all(map(math.isnan, few))
