"""Correction, outliers and effect sizes: known answers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bias_audit import stats

NAN = math.nan


# -- Benjamini-Hochberg --------------------------------------------------------------------


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


# -- robust z ------------------------------------------------------------------------------


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


def test_upper_tail_by_hand() -> None:
    # Upper quartile 6 (numpy: position 6 of 0..8). Above it 7 and 16: excesses 1 and 10, median 5.5, k = 2 of 9.
    p = stats.upper_tail_p([0, 1, 2, 3, 4, 5, 6, 7, 16])
    scale, m = 5.5 / math.log(2), 2 * math.log(2) ** 2
    assert p[8] == pytest.approx(2 / 9 * (1 + 10 / (m * scale)) ** -m)
    assert p[7] == pytest.approx(2 / 9 * (1 + 1 / (m * scale)) ** -m)
    assert p[:7] == pytest.approx([(9 - i) / 9 for i in range(7)])  # the share as large or larger


def test_upper_tail_edges() -> None:
    assert stats.upper_tail_p([]).shape == (0,)
    assert stats.upper_tail_p([2.0] * 5).tolist() == [1] * 5
    assert stats.upper_tail_p([0.1 + 0.2, *[0.3] * 9]).min() >= 0.1  # rounding is no tail
    assert np.isnan(stats.upper_tail_p([1, NAN, 2])).tolist() == [False, True, False]
    with pytest.raises(ValueError, match="finite"):
        stats.upper_tail_p([1, math.inf])


@pytest.mark.parametrize(
    ("name", "most"), [("normal", 0.01), ("uniform", 0.01), ("exponential", 0.06), ("gumbel", 0.04)]
)
@pytest.mark.parametrize("n", [20, 100])
def test_the_largest_of_many_values_is_rarely_an_outlier(name: str, most: float, n: int) -> None:
    """Four classes of n photos: an outlier is found in at most one audit of twenty, where a robust z finds some."""
    rng = np.random.default_rng(0)
    false = np.zeros(2)
    audits = 300
    for _ in range(audits):
        classes = getattr(rng, name)(size=(4, n))
        p = np.concatenate([stats.upper_tail_p(values) for values in classes])
        z = np.concatenate([stats.robust_z(values) for values in classes])
        false += [stats.benjamini_hochberg(p).min() <= 0.05, z.max() > 3.5]
    assert false[0] / audits <= most
    if name in ("exponential", "gumbel"):
        assert false[1] / audits > 0.5


def test_photos_far_from_their_class_are_outliers() -> None:
    rng = np.random.default_rng(0)
    hits = 0.0
    for _ in range(100):
        values = rng.normal(size=100)
        values[:3] = 10
        hits += (stats.benjamini_hochberg(stats.upper_tail_p(values))[:3] <= 0.05).mean()
    assert hits > 80


# -- effect sizes --------------------------------------------------------------------------


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


def test_effect_size_edges() -> None:
    assert math.isnan(stats.cliffs_delta([], [1]))
    assert math.isnan(stats.cliffs_delta([1], []))
    with pytest.raises(ValueError, match="finite"):
        stats.cliffs_delta([NAN, 1], [1, 2])
