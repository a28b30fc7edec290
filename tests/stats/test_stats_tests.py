"""Tests: known answers counted by hand or by listing every outcome."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from bias_audit import stats
from bias_audit.stats import tests

NAN = math.nan


# -- mcnemar -------------------------------------------------------------------------------


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


# -- sign flip -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1], 1),
        ([1, 2, 3], 2 / 8),
        ([1, 2, -3], 1),  # sum 0: every pattern is as extreme
        ([1, 1, -1], 1),  # |sum| 1 is the least possible
        ([1, 1, 1, -1], 10 / 16),  # |sum| >= 2: all but the six of two and two
        ([0.8] * 10, 2 / 1024),  # docs/science.md#sign-flip-test: the smallest p of ten photos
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
    whole = {"permutations": 20_000, "exceedances": 20_001}
    assert stats.sign_flip(differences, seed=0, **whole) == pytest.approx(exact, abs=0.015)
    monkeypatch.setattr(tests, "CHUNK", 50)
    assert stats.sign_flip(differences, seed=1, **whole) == pytest.approx(exact, abs=0.015)


@pytest.mark.parametrize(("n", "against"), [(13, 0), (16, 2), (23, 5), (24, 0), (24, 12)])
def test_sign_flip_enumerates_up_to_24(n: int, against: int) -> None:
    """Differences of one size, some against the rest: |sum| is that of a coin thrown n times, by binomial numbers."""
    differences = np.ones(n)
    differences[:against] = -1
    tail = sum(math.comb(n, k) for k in range(min(against, n - against) + 1))
    assert stats.sign_flip(differences, seed=0, permutations=1) == min(1.0, 2 * tail / 2**n)


@pytest.mark.parametrize("n", [1, 2, 10, 24, 25, 60])
def test_the_least_p_is_that_of_differences_that_all_have_one_sign(n: int) -> None:
    assert stats.least_sign_flip_p(n, 999) == stats.sign_flip(np.linspace(1, 2, n), seed=3, permutations=999)
    assert stats.least_sign_flip_p(n, 999) == (2 / 2**n if n <= 24 else 1 / 1000)


def test_sign_flip_is_never_zero() -> None:
    assert stats.sign_flip(np.ones(40), seed=0, permutations=999) == 1 / 1000
    assert stats.sign_flip(np.zeros(40), seed=0, permutations=999) == 1


def test_sign_flip_edges() -> None:
    assert math.isnan(stats.sign_flip([], seed=0))
    with pytest.raises(ValueError, match="finite"):
        stats.sign_flip([1, NAN], seed=0)
    for wrong in ({"permutations": 0}, {"exceedances": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            stats.sign_flip([1, 2], seed=0, **wrong)


def test_sign_flip_turns_whole_clusters() -> None:
    """Three patients with sums 3, 1 and -2: of eight patterns |sum| >= 2 in six, by hand."""
    differences, clusters = [1, 2, 1, -1, -1], ["a", "a", "b", "c", "c"]
    # +-3 +-1 +-2: 6, 2, 4, 0 and their opposites
    assert stats.sign_flip(differences, seed=0, groups=clusters) == 6 / 8


def test_sign_flip_of_clusters_is_that_of_their_sums() -> None:
    rng = np.random.default_rng(0)
    for groups in (9, 23, 31):
        clusters = rng.permutation(np.arange(120) % groups)
        differences = rng.normal(0.1, 1, 120)
        sums = [differences[clusters == code].sum() for code in range(groups)]
        expected = stats.sign_flip(sums, seed=5)
        assert stats.sign_flip(differences, seed=5, groups=clusters) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="its group"):
        stats.sign_flip([1, 2], seed=0, groups=[1])


@pytest.mark.parametrize("n", [13, 16, 21])
def test_sign_flip_by_bytes_draws_every_sign_as_often(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Powers of two: the sum names the pattern, and p the rank of the observed one, whatever place the bits have."""
    monkeypatch.setattr(tests, "EXACT_SIGN_FLIPS", 0)
    differences = 2.0 ** np.arange(n)
    differences[-1] *= -1
    for turned in range(n - 1):
        observed = differences.copy()
        observed[turned] *= -1
        total = abs(observed.sum())
        # |sum| >= total: the odd numbers total..2^n - 1, each by two patterns of 2^n
        exact = ((2**n - 1 - total) / 2 + 1) / 2 ** (n - 1)
        p = stats.sign_flip(observed, seed=turned, permutations=4000, exceedances=4001)
        assert p == pytest.approx(exact, abs=0.04)


# -- Mann-Whitney --------------------------------------------------------------------------


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


def test_mann_whitney_two_sided_is_scipys() -> None:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    for n, m in ((4, 5), (12, 30)):
        x, y = rng.normal(size=n), rng.normal(1, 1, size=m)
        assert stats.mann_whitney(x, y) == pytest.approx(mannwhitneyu(x, y).pvalue)
        assert stats.mann_whitney(y, x) == pytest.approx(stats.mann_whitney(x, y))


def test_mann_whitney_edges() -> None:
    for function in (stats.mann_whitney, stats.mann_whitney_greater):
        assert math.isnan(function([], [1]))
        assert math.isnan(function([1], []))
        assert function([1, 1, 1], [1, 1]) == 1
        with pytest.raises(ValueError, match="finite"):
            function([NAN], [1])
