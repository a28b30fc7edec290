"""What must hold for every input, and what p-values must do under the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bias_audit import stats

shares = st.floats(0, 1)
scores = st.integers(1, 7).flatmap(lambda m: st.integers(0, m).map(lambda k: k / m))  # k of m composites
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=40)
p_values = st.lists(st.one_of(shares, st.just(math.nan)), max_size=20)
numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
confidences = st.sampled_from([0.5, 0.8, 0.95, 0.999])


@given(st.integers(1, 10_000), shares, confidences)
def test_wilson_contains_the_estimate_and_has_a_width(n: int, share: float, confidence: float) -> None:
    low, high = stats.wilson(share * n, n, confidence)
    assert 0 <= low <= share * n / n <= high <= 1
    assert low < high


@given(st.integers(1, 500), shares)
def test_wilson_is_symmetric_and_narrows(n: int, share: float) -> None:
    low, high = stats.wilson(share * n, n)
    assert stats.wilson(n - share * n, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    more_low, more_high = stats.wilson(share * n * 4, n * 4)
    assert more_high - more_low < high - low
    wide_low, wide_high = stats.wilson(share * n, n, 0.99)
    assert wide_low <= low + 1e-12
    assert wide_high >= high - 1e-12


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_symmetric_and_falls_with_imbalance(b: int, c: int) -> None:
    assert 0 < stats.mcnemar(b, c) <= 1
    assert stats.mcnemar(b, c) == stats.mcnemar(c, b)
    if b >= c:
        assert stats.mcnemar(b + 1, c) <= stats.mcnemar(b, c) or math.isclose(stats.mcnemar(b, c), 1)


@pytest.mark.parametrize("n", [5, 13, 40])
def test_mcnemar_is_conservative(n: int) -> None:
    """P(p <= alpha) <= alpha for the exact distribution of the discordant pairs."""
    weights = [math.comb(n, b) / 2**n for b in range(n + 1)]
    p = [stats.mcnemar(b, n - b) for b in range(n + 1)]
    for alpha in p:
        assert sum(w for w, value in zip(weights, p, strict=True) if value <= alpha) <= alpha * (1 + 1e-12)


@given(pairs)
def test_paired_interval_contains_the_difference_and_has_a_width(rows: list[tuple[float, float]]) -> None:
    first, second = np.array(rows).T
    low, high = stats.paired_difference_interval(first, second)
    difference = float(first.mean() - second.mean())
    assert -1 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1
    assert low < high


@given(pairs)
def test_paired_interval_turns_with_its_arguments_and_ignores_order(rows: list[tuple[float, float]]) -> None:
    first, second = np.array(rows).T
    low, high = stats.paired_difference_interval(first, second)
    assert stats.paired_difference_interval(second, first) == pytest.approx((-high, -low), abs=1e-6)
    assert stats.paired_difference_interval(1 - first, 1 - second) == pytest.approx((-high, -low), abs=1e-6)
    assert stats.paired_difference_interval(first[::-1], second[::-1]) == pytest.approx((low, high), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=10, max_size=40), st.integers(0, 2**32))
def test_a_mean_lies_in_its_interval_which_repeats(values: list[float], seed: int) -> None:
    most = max(map(abs, values))
    low, high = stats.mean_interval(values, seed=seed, least=-most, most=most)
    assert -most <= low <= np.mean(values) * (1 + 1e-12) + 1e-300
    assert np.mean(values) <= high + 1e-9 * most
    assert high <= most
    assert low < high or most == 0
    assert stats.mean_interval(values, seed=seed, least=-most, most=most) == (low, high)


effects = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.5, 1.0, -0.2]), min_size=10, max_size=30)


@settings(max_examples=60, deadline=None)
@given(effects, st.data())
def test_an_interval_of_effects_has_a_width_whatever_luck_drew(values: list[float], data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.integers(0, 14), min_size=len(values), max_size=len(values)))
    for codes in (None, groups):
        low, high = stats.mean_interval(values, seed=0, groups=codes, least=-1, most=1)
        if codes is not None and len(set(groups)) < stats.ENOUGH_GROUPS:
            assert math.isnan(low)
        else:
            assert -1 <= low <= np.mean(values) + 1e-12
            assert np.mean(values) - 1e-12 <= high <= 1
            assert high - low > 0.01


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.5, 2.0, 8.0]), st.sampled_from([-4.0, 0.0, 16.0]))
def test_the_interval_of_a_mean_moves_with_scale_and_shift(seed: int, scale: float, shift: float) -> None:
    values = np.random.default_rng(seed).normal(size=20)
    low, high = stats.mean_interval(values, seed=seed)
    moved = stats.mean_interval(values * scale + shift, seed=seed)
    assert moved == pytest.approx((low * scale + shift, high * scale + shift), rel=1e-6, abs=1e-6)
    assert low <= values.mean() <= high
    turned = stats.mean_interval(-values, seed=seed)
    assert turned == pytest.approx((-high, -low), rel=1e-9, abs=1e-9)


@given(p_values)
def test_bh_is_monotone_and_never_below_p(p: list[float]) -> None:
    given_p = np.array(p, dtype=float)
    adjusted = stats.benjamini_hochberg(given_p)
    tested = ~np.isnan(given_p)
    assert (np.isnan(adjusted) == ~tested).all()
    assert (adjusted[tested] >= given_p[tested] * (1 - 1e-12)).all()
    assert (adjusted[tested] <= 1).all()
    order = np.argsort(given_p[tested])
    assert (np.diff(adjusted[tested][order]) >= 0).all()


@given(p_values, st.randoms(use_true_random=False))
def test_bh_follows_the_order_and_ignores_untested(p: list[float], random: object) -> None:
    values = np.array(p, dtype=float)
    order = np.random.default_rng(random.getrandbits(32)).permutation(len(p))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(stats.benjamini_hochberg(values[order]), stats.benjamini_hochberg(values)[order])
    tested = ~np.isnan(values)
    np.testing.assert_array_equal(stats.benjamini_hochberg(values[tested]), stats.benjamini_hochberg(values)[tested])


@given(p_values, st.integers(0, 400), st.sampled_from([0.01, 0.05, 0.2]), st.floats(0, 1))
def test_the_bound_of_a_rejection_is_where_bh_begins_to_reject(
    p: list[float], place: int, rate: float, own: float
) -> None:
    values = np.append(np.array(p, dtype=float), 0.5)
    place %= len(values)
    values[place] = own
    bound = stats.rejection_bounds(values, rate)[place]
    for tried in (own, bound * (1 - 1e-9), min(1.0, bound * (1 + 1e-9))):
        if tried == own and abs(own - bound) < 1e-12:
            continue  # rounding decides
        values[place] = tried
        assert (stats.benjamini_hochberg(values)[place] <= rate) == (tried <= bound)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=10), st.integers(1, 5))
def test_sign_flip_is_blind_to_sign_order_and_scale(differences: list[int], scale: int) -> None:
    p = stats.sign_flip(differences, seed=0)
    assert 2 ** -len(differences) <= p <= 1
    assert stats.sign_flip([-d for d in differences], seed=0) == p
    assert stats.sign_flip(differences[::-1], seed=1) == p
    assert stats.sign_flip([d * scale / 10 for d in differences], seed=0) == p


@pytest.mark.parametrize("n", [11, 25], ids=["exact", "monte carlo"])
def test_sign_flip_is_uniform_under_the_null(n: int) -> None:
    """Symmetric heavy-tailed differences of unequal size, 600 experiments; shifted ones must not look uniform."""
    from scipy.stats import kstest

    rng = np.random.default_rng(11)
    sizes = np.linspace(0.2, 3, n)
    null, shifted = [], []
    for seed in range(600):
        differences = rng.standard_t(3, n) * sizes
        null.append(stats.sign_flip(differences, seed=seed, permutations=399))
        shifted.append(stats.sign_flip(differences + 0.8, seed=seed, permutations=399))
    assert kstest(null, "uniform").pvalue > 0.01
    assert kstest(shifted, "uniform").pvalue < 1e-6


@pytest.mark.parametrize(("draws", "exceedances"), [(999, 20), (99, 20), (499, 10), (60, 1)])
def test_drawing_that_stops_early_never_makes_p_too_small(draws: int, exceedances: int) -> None:
    """Besag & Clifford 1991: P(p <= t) <= t, where the observed one is as any of the permutations."""
    from bias_audit.stats.draws import sequential_p

    rng = np.random.default_rng(4)
    p_values = np.empty(4000)
    for world in range(len(p_values)):
        observed = rng.random()

        def extreme(rows: int, bound: float = observed) -> np.ndarray:
            return rng.random(rows) >= bound

        p_values[world] = sequential_p(extreme, draws, at_once=37, exceedances=exceedances)
    for level in (0.02, 0.05, 0.1, 0.3, 0.7):
        share = float((p_values <= level).mean())
        error = 3 * np.sqrt(level * (1 - level) / len(p_values))
        assert share <= level + error
        # As much as a p of this many values can have: the next smaller value is one extreme permutation away.
        least = level * (1 - 1 / exceedances) - 1 / (1 + draws) if exceedances > 1 else level / 2
        assert share >= least - error


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30), st.integers(1, 9), st.integers(-50, 50))
def test_robust_z_ignores_scale_and_shift(values: list[int], scale: int, shift: int) -> None:
    z = stats.robust_z(values)
    assert stats.robust_z([value * scale + shift for value in values]) == pytest.approx(z, abs=1e-6)
    assert stats.robust_z([-value for value in values]) == pytest.approx(-z, abs=1e-9)
    assert np.median(z) == pytest.approx(0, abs=1e-9)
    assert (np.argsort(z, kind="stable") == np.argsort(values, kind="stable")).all()


@given(st.lists(numbers, min_size=1, max_size=20), st.lists(numbers, min_size=1, max_size=20))
def test_cliffs_delta_is_antisymmetric_and_bounded(x: list[float], y: list[float]) -> None:
    delta = stats.cliffs_delta(x, y)
    assert -1 <= delta <= 1
    assert stats.cliffs_delta(y, x) == -delta
    assert stats.cliffs_delta(x, x) == 0
    assert stats.cliffs_delta([max(y) + 1 + abs(max(y))] * len(x), y) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=12), st.lists(st.integers(0, 9), min_size=2, max_size=12))
def test_mann_whitney_falls_as_x_grows(x: list[int], y: list[int]) -> None:
    p = stats.mann_whitney_greater(x, y)
    assert 0 < p <= 1
    assert stats.mann_whitney_greater([value + 100 for value in x], y) <= p
    assert stats.mann_whitney_greater([value * 3 + 1 for value in x], [value * 3 + 1 for value in y]) == pytest.approx(
        p
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(scores, scores), min_size=10, max_size=40))
def test_a_photo_that_is_its_own_cluster_is_a_photo(rows: list[tuple[float, float]]) -> None:
    first, second = np.array(rows).T
    alone = np.arange(len(rows))
    paired = stats.paired_difference_interval(first, second)
    assert stats.paired_difference_interval(first, second, groups=alone) == pytest.approx(paired, abs=1e-9)
    assert stats.rate_interval(first, groups=alone) == pytest.approx(stats.rate_interval(first), abs=1e-9)
    mean = stats.mean_interval(first - second, seed=0, least=-1, most=1)
    clustered = stats.mean_interval(first - second, seed=0, groups=alone, least=-1, most=1)
    assert clustered == pytest.approx(mean, abs=1e-12)
    p = stats.sign_flip(first - second, seed=0, permutations=99)
    assert stats.sign_flip(first - second, seed=0, permutations=99, groups=alone) == p


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(scores, scores, st.integers(0, 14)), min_size=10, max_size=60), st.integers(0, 99))
def test_clusters_have_no_names_and_never_narrow_an_interval(rows: list[tuple[float, float, int]], seed: int) -> None:
    first, second, clusters = np.array(rows).T
    renamed = np.random.default_rng(seed).permutation(15)[clusters.astype(int)]
    p = stats.sign_flip(first - second, seed=0, groups=clusters)
    if len(np.unique(clusters)) <= stats.EXACT_SIGN_FLIPS:
        assert stats.sign_flip(first - second, seed=0, groups=renamed) == p
    low, high = stats.paired_difference_interval(first, second, groups=clusters)
    again = stats.paired_difference_interval(first, second, groups=renamed)
    assert again == pytest.approx((low, high), nan_ok=True)
    assert math.isnan(low) == (len(np.unique(clusters)) < stats.ENOUGH_GROUPS)
    rate_low, rate_high = stats.rate_interval(first, groups=clusters)
    if not math.isnan(low):
        assert -1 <= low <= first.mean() - second.mean() + 1e-12
        naive_low, naive_high = stats.rate_interval(first)
        assert rate_low <= naive_low + 1e-9
        assert rate_high >= naive_high - 1e-9


classes = st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 50), st.integers(0, 30)), min_size=1, max_size=12)


@given(classes)
@example([(0.0, 0.0, 1), (0.0, 5e-324, 2)])
@example([(0.0, 1e-310, 2), (1e-160, 1e-310, 3)])
def test_shrunken_means_lie_between_the_classes_in_their_order(rows: list[tuple[float, float, int]]) -> None:
    means, variances, counts = np.array(rows).T
    shrunken = stats.shrink_means(means, variances, counts)
    kept = counts > 0
    assert (np.isnan(shrunken) == ~kept).all()
    if kept.any():
        low, high = means[kept].min(), means[kept].max()
        assert (shrunken[kept] >= low - 1e-9 * 100).all()
        assert (shrunken[kept] <= high + 1e-9 * 100).all()
    for size in np.unique(counts[kept]):  # classes of one size keep their order
        same = counts == size
        order = np.argsort(means[same], kind="stable")
        assert (np.diff(shrunken[same][order]) >= -1e-9 * 100).all()


photos = st.lists(st.tuples(scores, st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=60)


@settings(deadline=None)
@given(photos)
def test_differences_within_strata_turn_and_contain_the_estimate(rows: list[tuple[float, int, int]]) -> None:
    values, groups, strata = np.array(rows).T
    cells = stats.Cells.of(np.append(values, [0, 0]), *(np.append(c, [2, 3]).astype(int) for c in (groups, strata)))
    there = stats.standardise(cells.counts[0], cells.sums[0], cells.counts[1], cells.sums[1])
    back = stats.standardise(cells.counts[1], cells.sums[1], cells.counts[0], cells.sums[0])
    assert back.difference == pytest.approx(-there.difference, nan_ok=True)
    if there.shared:
        assert there.n <= cells.counts[0].sum() * (1 + 1e-9)
        low, high = stats.rates_interval(there, 0.95)
        assert low <= there.difference + 1e-12
        assert high >= there.difference - 1e-12
        assert low < high
        assert stats.rates_interval(back, 0.95) == pytest.approx((-high, -low))
