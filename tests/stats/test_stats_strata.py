"""Groups compared within strata: by hand, by counting every table, and on a planted Simpson's paradox."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import f_oneway, fisher_exact, mannwhitneyu, ttest_ind

from bias_audit import stats
from bias_audit.stats import strata

NAN = math.nan


def simpson() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hospital 1 sees the hard class (stratum 1) mostly and is better in both: 95 vs 90 % and 60 vs 50 %."""
    rows = [(0, 0, 80, 72), (1, 0, 20, 19), (0, 1, 20, 10), (1, 1, 80, 48)]  # group, stratum, images, right
    values = np.concatenate([np.repeat([1.0, 0.0], [right, n - right]) for _, _, n, right in rows])
    groups = np.concatenate([np.full(n, group) for group, _, n, _ in rows])
    classes = np.concatenate([np.full(n, stratum) for _, stratum, n, _ in rows])
    return values, groups, classes


def compare(cells: stats.Cells, one: int = 0, other: int = 1) -> stats.Standardised:
    return stats.standardise(cells.counts[one], cells.sums[one], cells.counts[other], cells.sums[other])


def test_simpsons_paradox() -> None:
    """Over all images hospital 1 is 15 points worse (67 vs 82 %), within classes 7.5 better."""
    values, groups, classes = simpson()
    assert values[groups == 1].mean() - values[groups == 0].mean() == pytest.approx(-0.15)
    pair = compare(stats.Cells.of(values, groups, classes), 1, 0)
    # both strata weigh 80 * 20 / 100: (.05 + .1) / 2
    assert pair.difference == pytest.approx(0.075)
    assert pair.shared == 100


def test_standardised_sizes_carry_the_variance() -> None:
    values, groups, classes = simpson()
    pair = compare(stats.Cells.of(values, groups, classes))
    # half the weight on each stratum: 1 / (.25/80 + .25/20) = 64
    assert (pair.n, pair.m) == pytest.approx((64, 64))
    assert pair.first == pytest.approx((0.9 + 0.5) / 2)


def test_strata_of_one_group_say_nothing() -> None:
    cells = stats.Cells.of([1, 0, 1, 1, 0, 0], np.array([0, 0, 1, 1, 0, 1]), np.array([0, 0, 0, 0, 1, 2]))
    pair = compare(cells)
    assert (pair.first, pair.second, pair.n, pair.m, pair.shared) == pytest.approx((0.5, 1.0, 2, 2, 2))
    none = stats.standardise(*np.array([[3.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 1.0]]))
    assert math.isnan(none.difference)
    assert none.shared == 0
    assert all(map(math.isnan, stats.rates_interval(none, 0.95)))
    assert all(map(math.isnan, stats.means_interval(none, cells, 0.95)))


def test_rates_interval_of_one_stratum_is_newcombes() -> None:
    """56/70 and 48/80 (Newcombe 1998, 17, 873, table II (a)): .0524 to .3339 by method 10."""
    values = np.repeat([1.0, 0.0, 1.0, 0.0], [56, 14, 48, 32])
    pair = compare(stats.Cells.of(values, np.repeat([0, 1], [70, 80]), np.zeros(150, int)))
    assert stats.rates_interval(pair, 0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    wide = stats.rates_interval(pair, 0.99)
    assert wide[0] < 0.05
    assert wide[1] > 0.34


def test_means_interval_of_one_stratum_is_students() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 1, 12), rng.normal(0, 1, 30)
    cells = stats.Cells.of(np.append(x, y), np.repeat([0, 1], [12, 30]), np.zeros(42, int))
    low, high = ttest_ind(x, y).confidence_interval(0.95)
    assert stats.means_interval(compare(cells), cells, 0.95) == pytest.approx((low, high))
    flat = stats.Cells.of(np.repeat([0.0, 1.0], 5), np.repeat([0, 1], 5), np.zeros(10, int))
    assert all(map(math.isnan, stats.means_interval(compare(flat), flat, 0.95)))


def test_variance_is_pooled_within_the_cells() -> None:
    """The mean square within of an analysis of variance over the four cells."""
    rng = np.random.default_rng(1)
    samples = [rng.normal(mean, 2, n) for mean, n in ((0, 5), (9, 7), (3, 4), (1, 6))]
    cells = stats.Cells.of(
        np.concatenate(samples), np.repeat([0, 0, 1, 1], [5, 7, 4, 6]), np.repeat([0, 1, 0, 1], [5, 7, 4, 6])
    )
    between = sum(s.size * (s.mean() - np.concatenate(samples).mean()) ** 2 for s in samples) / 3
    assert cells.df == 18
    assert between / cells.variance == pytest.approx(f_oneway(*samples).statistic)


def test_intervals_within_strata_cover() -> None:
    """Two strata of unlike mix, 600 worlds: about 95 % of the intervals hold the true difference."""
    rng = np.random.default_rng(2)
    groups, classes = np.repeat([0, 0, 1, 1], [30, 10, 12, 40]), np.repeat([0, 1, 0, 1], [30, 10, 12, 40])
    chance = np.array([[0.9, 0.5], [0.8, 0.4]])[groups, classes]
    rates = means = 0
    for _ in range(600):
        cells = stats.Cells.of((rng.random(92) < chance).astype(float), groups, classes)
        low, high = stats.rates_interval(compare(cells), 0.95)
        rates += low <= 0.1 <= high
        cells = stats.Cells.of(rng.normal(3 * chance, 1), groups, classes)
        low, high = stats.means_interval(compare(cells), cells, 0.95)
        means += low <= 0.3 <= high
    assert 0.93 <= rates / 600 <= 0.985
    assert 0.925 <= means / 600 <= 0.975


# -- Fisher within strata -------------------------------------------------------------------


def test_fisher_within_one_stratum_is_fishers() -> None:
    for a, b, c, d in itertools.product((0, 1, 4, 9), repeat=4):
        expected = fisher_exact([[a, b], [c, d]])[1]
        assert stats.fisher_within([a], [a + b], [c], [c + d]) == pytest.approx(expected), (a, b, c, d)


def slow_fisher(tables: list[tuple[int, int, int, int]]) -> float:
    """Every set of tables with the same margins, weighed by its number of ways; hits, n, other hits, other n."""
    ways: dict[int, int] = {}
    choices = []
    for hits, n, other, m in tables:
        total = hits + other
        possible = range(max(0, total - m), min(n, total) + 1)
        choices.append([(k, math.comb(n, k) * math.comb(m, total - k)) for k in possible])
    for chosen in itertools.product(*choices):
        k = sum(one for one, _ in chosen)
        ways[k] = ways.get(k, 0) + math.prod(weight for _, weight in chosen)
    observed = ways[sum(hits for hits, *_ in tables)]
    return sum(weight for weight in ways.values() if weight <= observed) / sum(ways.values())


@pytest.mark.parametrize(
    "tables",
    [
        [(3, 4, 1, 4), (2, 5, 0, 3)],
        [(9, 10, 2, 7), (0, 3, 4, 9), (5, 5, 1, 2)],
        [(0, 0, 3, 5), (4, 6, 1, 8)],
        [(6, 6, 4, 4), (1, 9, 7, 8)],
    ],
)
def test_fisher_within_counts_every_table(tables: list[tuple[int, int, int, int]]) -> None:
    assert stats.fisher_within(*np.array(tables).T) == pytest.approx(slow_fisher(tables))


def test_fisher_within_looks_past_simpsons_paradox() -> None:
    values, groups, classes = simpson()
    cells = stats.Cells.of(values, groups, classes)
    raw = fisher_exact([[67, 33], [82, 18]])[1]
    assert raw < 0.05
    assert stats.fisher_within(cells.sums[1], cells.counts[1], cells.sums[0], cells.counts[0]) > 0.2
    assert stats.fisher_within([5], [5], [0], [0]) == 1
    with pytest.raises(ValueError, match=r"0\.\.counts"):
        stats.fisher_within([6], [5], [0], [1])


# -- permutations within strata -------------------------------------------------------------


def test_permutation_within_counts_orders() -> None:
    """Two strata of four, two of each in the group: all 6 * 6 ways to choose them."""
    values = np.array([5.0, 1.0, 2.0, 2.0, 0.0, 7.0, 3.0, 4.0])
    groups = np.array([1, 0, 0, 1, 0, 1, 0, 1])
    classes = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    observed = abs(values[groups == 1].sum() - 2 * 2.5 - 2 * 3.5)
    ways = [
        sum(first) + sum(second)
        for first in itertools.combinations(values[:4], 2)
        for second in itertools.combinations(values[4:], 2)
    ]
    expected = np.mean([abs(total - 12) >= observed - 1e-9 for total in ways])
    p = stats.permutation_within(values, groups, classes, seed=0, permutations=20_000)
    assert p == pytest.approx([expected, expected], abs=0.015)


def test_permutation_of_ranks_is_mann_whitneys() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=14), np.repeat([0, 1], [6, 8])
    values[:6] += 1
    ranks = values.argsort().argsort().astype(float)
    expected = mannwhitneyu(values[:6], values[6:]).pvalue
    p = stats.permutation_within(ranks, groups, np.zeros(14, int), seed=0, permutations=20_000)
    assert p == pytest.approx([expected] * 2, abs=0.015)


def test_permutation_does_not_depend_on_its_chunks_or_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    values, groups, classes = rng.exponential(size=90), rng.integers(0, 3, 90), rng.integers(0, 4, 90)
    whole = stats.permutation_within(values, groups, classes, seed=0, permutations=8000)
    order = rng.permutation(90)
    monkeypatch.setattr(strata, "CHUNK", 500)
    assert stats.permutation_within(values, groups, classes, seed=1, permutations=8000) == pytest.approx(
        whole, abs=0.03
    )
    turned = stats.permutation_within(values[order], groups[order], classes[order], seed=2, permutations=8000)
    assert turned == pytest.approx(whole, abs=0.03)


def test_permutation_within_looks_past_simpsons_paradox() -> None:
    values, groups, classes = simpson()
    blind = stats.permutation_within(values, groups, np.zeros_like(classes), seed=0)
    within = stats.permutation_within(values, groups, classes, seed=0)
    assert (blind < 0.05).all()
    assert (within > 0.2).all()


def test_permutation_edges() -> None:
    apart = stats.permutation_within([1.0, 2.0, 3.0], np.array([0, 1, 1]), np.array([0, 1, 1]), seed=0)
    assert apart.tolist() == [1, 1]
    same = stats.permutation_within([0.1 + 0.2, 0.3, 0.3], np.array([0, 1, 1]), np.zeros(3, int), seed=0)
    assert same.tolist() == [1, 1]
    sure = np.repeat([0.0, 1.0], 30)
    p = stats.permutation_within(sure, sure.astype(int), np.zeros(60, int), seed=0, permutations=999)
    assert p.tolist() == [1 / 1000] * 2
    with pytest.raises(ValueError, match="finite"):
        stats.permutation_within([NAN, 1], np.array([0, 1]), np.array([0, 0]), seed=0)


def test_cliffs_delta_within_counts_pairs_of_the_same_stratum() -> None:
    x, x_strata = [1.0, 5.0, 9.0], np.array([0, 0, 1])
    y, y_strata = [3.0, 3.0, 9.0, 0.0], np.array([0, 1, 1, 2])
    # stratum 0: 1 < 3, 5 > 3; stratum 1: 9 > 3, 9 = 9
    assert stats.cliffs_delta_within(x, x_strata, y, y_strata) == pytest.approx((-1 + 1 + 1 + 0) / 4)
    assert math.isnan(stats.cliffs_delta_within([1.0], np.array([0]), [1.0], np.array([1])))
