"""Known answers: worked by hand, published, or by a slow second road written from the paper."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from bias_audit import stats
from bias_audit.stats import intervals, tests

NAN = math.nan


# -- wilson ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high", "digits"),
    [
        (0, 10, 0, 0.28, 0.005),  # SCIENCE E
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


# -- mcnemar --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("b", "c", "p"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (5, 0, 2 / 32),
        (0, 6, 2 / 64),
        (8, 1, 20 / 512),  # 2 (1 + 9) / 2^9
        (7, 7, 1),
        (10, 2, 2 * (1 + 12 + 66) / 4096),
    ],
)
def test_mcnemar_by_hand(b: int, c: int, p: float) -> None:
    assert stats.mcnemar(b, c) == pytest.approx(p, rel=1e-12)


def test_mcnemar_counts_coin_tosses() -> None:
    """Every sequence of b + c fair tosses at least as lopsided, counted one by one."""
    for b, c in itertools.product(range(6), repeat=2):
        tosses = list(itertools.product((0, 1), repeat=b + c))
        lopsided = sum(abs(2 * sum(toss) - (b + c)) >= abs(b - c) for toss in tosses)
        assert stats.mcnemar(b, c) == pytest.approx(lopsided / len(tosses), rel=1e-12)


@pytest.mark.parametrize(("b", "c"), [(30, 12), (200, 260), (0, 1000), (5000, 5200)])
def test_mcnemar_is_a_binomial_test(b: int, c: int) -> None:
    from scipy.stats import binomtest

    assert stats.mcnemar(b, c) == pytest.approx(binomtest(b, b + c).pvalue, rel=1e-6)


@pytest.mark.parametrize(("b", "c"), [(-1, 2), (2, -1), (0.5, 1)])
def test_mcnemar_refuses(b: int, c: int) -> None:
    with pytest.raises(ValueError, match="counts"):
        stats.mcnemar(b, c)


# -- paired difference ----------------------------------------------------------------------


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


def test_paired_difference_takes_shares() -> None:
    """Three photos, shares of composites; the correlation worked by hand."""
    x, y = [1.0, 0.5, 0.0], [0.5, 0.5, 0.2]
    # means .5, .4; sum of products .5*.1 + 0 + .5*.2 = .15, less .5 is negative, so phi = 0
    (a, b), (c, d) = stats.wilson(1.5, 3), stats.wilson(1.2, 3)
    expected = (0.1 - math.hypot(0.5 - a, d - 0.4), 0.1 + math.hypot(0.4 - c, b - 0.5))
    assert stats.paired_difference_interval(x, y) == pytest.approx(expected, abs=1e-12)


def test_paired_difference_edges() -> None:
    assert all(map(math.isnan, stats.paired_difference_interval([], [])))
    assert stats.paired_difference_interval([1] * 50, [0] * 50)[1] == 1
    assert stats.paired_difference_interval([0] * 50, [1] * 50)[0] == -1
    low, high = stats.paired_difference_interval([1], [0])
    assert low < 1 <= high


def test_paired_difference_sees_no_correlation_in_rounding() -> None:
    """.1 + .2 is not .3: a correlation is blind to scale and would take the last bit for an effect of -1."""
    rounded = stats.paired_difference_interval([0.3, 0.1 + 0.2] * 10, [1, 0] * 10)
    (a, b), (c, d) = stats.wilson(6, 20), stats.wilson(10, 20)
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


# -- bootstrap ------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "seed"), [(10, 0), (31, 1), (200, 2)])
@pytest.mark.parametrize("confidence", [0.95, 0.8])
@pytest.mark.parametrize("tied", [False, True])
def test_bca_is_scipys(n: int, seed: int, confidence: float, tied: bool) -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(seed).exponential(size=n)
    values = np.minimum(np.floor(values), 2) if tied else values  # many resampled means equal the mean
    theirs = bootstrap(
        (values,), np.mean, n_resamples=2000, method="BCa", confidence_level=confidence, rng=np.random.default_rng(seed)
    ).confidence_interval
    ours = stats.bca_mean_interval(values, seed=seed, confidence=confidence)
    assert ours == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_bca_does_not_depend_on_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=33)
    whole = stats.bca_mean_interval(values, seed=4, resamples=501)
    monkeypatch.setattr(intervals, "CHUNK", 33 * 7)
    assert stats.bca_mean_interval(values, seed=4, resamples=501) == pytest.approx(whole, rel=0.05)
    monkeypatch.setattr(intervals, "CHUNK", 1)  # fewer than one row
    assert stats.bca_mean_interval(values, seed=4, resamples=501) == pytest.approx(whole, rel=0.2)


def test_bca_is_skewed_where_the_data_are() -> None:
    values = [0.0] * 18 + [1.0, 3.0]
    low, high = stats.bca_mean_interval(values, seed=0)
    assert high - np.mean(values) > 1.5 * (np.mean(values) - low) > 0


def test_bca_edges() -> None:
    assert all(map(math.isnan, stats.bca_mean_interval([1.0] * 9, seed=0)))
    assert all(map(math.isnan, stats.bca_mean_interval([], seed=0)))
    assert stats.bca_mean_interval([0.25] * 10, seed=0) == (0.25, 0.25)
    assert stats.bca_mean_interval(range(10), seed=1) != stats.bca_mean_interval(range(10), seed=2)
    low, high = stats.bca_mean_interval(range(10), seed=0, resamples=1)  # all resamples on one side of the mean
    assert 0 <= low <= high <= 9
    with pytest.raises(ValueError, match="finite"):
        stats.bca_mean_interval([*range(10), NAN], seed=0)


# -- Benjamini-Hochberg ---------------------------------------------------------------------


def test_bh_by_hand() -> None:
    # sorted .01 .02 .03 .5 -> .04 .04 .04 .5; NaN is no test, so m = 4
    adjusted = stats.benjamini_hochberg([0.03, NAN, 0.5, 0.01, 0.02])
    assert adjusted == pytest.approx([0.04, NAN, 0.5, 0.04, 0.04], nan_ok=True)


def test_bh_rejects_what_the_procedure_rejects() -> None:
    """Benjamini & Hochberg's step-up on 15 p-values (their section 3.2): at q = .05 the four smallest fall."""
    p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
        0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
    ]  # fmt: skip
    assert (stats.benjamini_hochberg(p) <= 0.05).tolist() == [True] * 4 + [False] * 11
    k = max(i for i, value in enumerate(p, 1) if value <= i / len(p) * 0.05)
    assert k == 4


def test_bh_is_scipys() -> None:
    from scipy.stats import false_discovery_control

    rng = np.random.default_rng(0)
    for m in (1, 2, 7, 100):
        p = np.round(rng.random(m) ** 3, 2)  # ties
        assert stats.benjamini_hochberg(p) == pytest.approx(false_discovery_control(p))


def test_bh_edges() -> None:
    assert stats.benjamini_hochberg([]).shape == (0,)
    assert np.isnan(stats.benjamini_hochberg([NAN, NAN])).all()
    assert stats.benjamini_hochberg([0.04]).tolist() == [0.04]
    assert stats.benjamini_hochberg([0.0, 1.0]).tolist() == [0.0, 1.0]
    for wrong in ([-0.1], [0.5, 1.1]):
        with pytest.raises(ValueError, match=r"0\.\.1"):
            stats.benjamini_hochberg(wrong)


# -- sign flip ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1], 1),
        ([1, 2, 3], 2 / 8),
        ([1, 2, -3], 1),  # sum 0: every pattern is as extreme
        ([1, 1, -1], 1),  # |sum| 1 is the least possible
        ([1, 1, 1, -1], 10 / 16),  # |sum| >= 2: all but the six of two and two
        ([0.8] * 10, 2 / 1024),  # SCIENCE G: the smallest p of ten photos
        ([0, 0], 1),
    ],
)
def test_sign_flip_exact(differences: list[float], p: float) -> None:
    assert stats.sign_flip(differences, seed=0, permutations=10) == p


def test_sign_flip_ties_survive_rounding() -> None:
    """.1 + .2 + .3 and .3 + .2 + .1 differ in the last bit; in fractions they tie."""
    differences = [0.1, 0.2, 0.3, -0.6, 0.7, 0.1, -0.1]
    exact = [Fraction(str(d)) for d in differences]
    sums = [
        abs(sum(s * d for s, d in zip(signs, exact, strict=True))) for signs in itertools.product((-1, 1), repeat=7)
    ]
    expected = sum(value >= abs(sum(exact)) for value in sums) / len(sums)
    assert stats.sign_flip(differences, seed=0) == expected


def test_sign_flip_monte_carlo_nears_the_exact_value(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(0).normal(0.4, 1, 12)
    exact = stats.sign_flip(differences, seed=0)
    monkeypatch.setattr(tests, "EXACT_SIGN_FLIPS", 0)
    assert stats.sign_flip(differences, seed=0, permutations=20_000) == pytest.approx(exact, abs=0.015)
    monkeypatch.setattr(tests, "CHUNK", 50)
    assert stats.sign_flip(differences, seed=1, permutations=20_000) == pytest.approx(exact, abs=0.015)


def test_sign_flip_is_never_zero() -> None:
    assert stats.sign_flip(np.ones(40), seed=0, permutations=999) == 1 / 1000
    assert stats.sign_flip(np.zeros(40), seed=0, permutations=999) == 1


def test_sign_flip_edges() -> None:
    assert math.isnan(stats.sign_flip([], seed=0))
    with pytest.raises(ValueError, match="finite"):
        stats.sign_flip([1, NAN], seed=0)
    with pytest.raises(ValueError, match="permutations"):
        stats.sign_flip([1, 2], seed=0, permutations=0)


# -- robust z -------------------------------------------------------------------------------


def test_robust_z_by_hand() -> None:
    # median 3, deviations 2 1 0 1 97, MAD 1
    assert stats.robust_z([1, 2, 3, 4, 100]) == pytest.approx([-1.349, -0.6745, 0, 0.6745, 65.4265])


def test_robust_z_without_mad() -> None:
    # median 0, MAD 0, mean absolute deviation 10 / 5 = 2
    assert stats.robust_z([0, 0, 0, 0, 10]) == pytest.approx([0, 0, 0, 0, 10 / (1.2533 * 2)])


def test_robust_z_is_a_standard_score_of_normal_values() -> None:
    z = stats.robust_z(np.random.default_rng(0).normal(7, 3, 20_001))
    assert np.std(z) == pytest.approx(1, abs=0.02)


def test_robust_z_edges() -> None:
    assert stats.robust_z([2.0, 2.0]).tolist() == [0, 0]
    assert stats.robust_z([0.1 + 0.2, 0.3, 0.3, 0.3, 0.3]).tolist() == [0] * 5  # rounding is no outlier
    assert stats.robust_z([1, NAN, 2, 3, 4, 100]) == pytest.approx(
        [-1.349, NAN, -0.6745, 0, 0.6745, 65.4265], nan_ok=True
    )
    assert np.isnan(stats.robust_z([NAN])).all()
    assert stats.robust_z([]).shape == (0,)
    with pytest.raises(ValueError, match="finite"):
        stats.robust_z([1, math.inf])


# -- two samples ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "delta"),
    [([3, 4], [1, 2], 1), ([1], [1], 0), ([1, 5], [3], 0), ([2, 3], [1, 3], 0.25), ([1, 1], [1, 2, 3], -4 / 6)],
)
def test_cliffs_delta_by_hand(x: list[float], y: list[float], delta: float) -> None:
    assert stats.cliffs_delta(x, y) == pytest.approx(delta)


def test_cliffs_delta_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, rng.integers(1, 9)), rng.integers(0, 6, rng.integers(1, 9))
        pairs = [(a > b) - (a < b) for a in x.tolist() for b in y.tolist()]
        assert stats.cliffs_delta(x, y) == pytest.approx(sum(pairs) / len(pairs))


def test_mann_whitney_counts_orders() -> None:
    """Without ties all 35 ways to give three of seven ranks to x are as likely."""
    x, y = [2.5, 6.0, 9.0], [1.0, 2.0, 3.0, 4.0]
    u = sum(a > b for a in x for b in y)
    ranks = range(7)
    extreme = 0
    for chosen in itertools.combinations(ranks, 3):
        rest = [rank for rank in ranks if rank not in chosen]
        extreme += sum(a > b for a in chosen for b in rest) >= u
    assert stats.mann_whitney_greater(x, y) == pytest.approx(extreme / 35)


def test_mann_whitney_with_ties_by_the_normal_formula() -> None:
    """z = (U - nm/2 - 1/2) / sd, sd^2 = nm/12 (N + 1 - sum(t^3 - t) / (N (N - 1)))."""
    x, y = [1, 2, 2, 3, 4, 4, 5, 6, 7, 8], [1, 1, 2, 2, 3, 3, 3, 4, 5, 5]
    u = sum((a > b) + (a == b) / 2 for a in x for b in y)
    ties = [(x + y).count(value) for value in set(x + y)]
    sd = math.sqrt(100 / 12 * (21 - sum(t**3 - t for t in ties) / (20 * 19)))
    expected = math.erfc((u - 50 - 0.5) / sd / math.sqrt(2)) / 2
    assert stats.mann_whitney_greater(x, y) == pytest.approx(expected)


def test_two_samples_edges() -> None:
    for function in (stats.cliffs_delta, stats.mann_whitney_greater):
        assert math.isnan(function([], [1]))
        assert math.isnan(function([1], []))
        with pytest.raises(ValueError, match="finite"):
            function([NAN], [1])
    assert stats.mann_whitney_greater([1, 1, 1], [1, 1]) == 1
