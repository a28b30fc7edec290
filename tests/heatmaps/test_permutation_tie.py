"""The permutation test against counting by hand and by enumeration, and its p-values where there is no tie."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from bias_audit.checks.reasons import TOO_FEW_GROUPS
from bias_audit.heatmaps.permutation_tie import (
    ALIKE,
    IN_FULL,
    NO_COMPARISON,
    OK,
    PERMUTATIONS,
    Tie,
    between_groups,
    permutation_tie,
    rounds,
    share_matrix,
    undecided,
)


def blobs(n: int, rng: np.random.Generator, grid: int = 8) -> np.ndarray:
    """(n, grid, grid) soft discs of random size around the middle, as photographers place them."""
    centres = rng.normal(grid / 2, grid / 6, (n, 2, 1, 1))
    rows, columns = np.mgrid[:grid, :grid] + 0.5
    radii = rng.uniform(1, 2.5, (n, 1, 1))
    return 1 / (1 + np.exp(4 * (np.hypot(rows - centres[:, 0], columns - centres[:, 1]) - radii)))


def test_shares_by_hand():
    maps = np.array([[[3.0, 1.0]], [[0.0, 2.0]], [[-1.0, -1.0]]])
    foreground = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.5, 0.0]]])
    background = np.array([[[0.0, 1.0]], [[1.0, 0.0]], [[0.5, 0.0]]])
    # The third mask knows nothing of the second cell, where the second map has all its evidence.
    expected = [[1 / 4, 3 / 4, 1 / 2], [1, 0, np.nan], [np.nan] * 3]
    np.testing.assert_allclose(share_matrix(maps, foreground, background), expected)


def test_effect_and_z_by_counting():
    rng = np.random.default_rng(3)
    maps, masks = rng.uniform(0, 1, (12, 4, 4)), blobs(12, rng, 4)
    tie = permutation_tie(maps, masks, masks, 1 - masks, seed=0)
    shares = [[float((heat * (1 - mask)).sum() / heat.sum()) for mask in masks] for heat in maps]
    own = [shares[i][i] for i in range(12)]
    null = [[shares[i][j] for j in range(12) if j != i] for i in range(12)]
    assert tie.n == 12
    assert tie.effect == pytest.approx(np.mean([np.mean(row) for row in null]) - np.mean(own))
    np.testing.assert_allclose(
        tie.z, [(np.mean(row) - share) / np.std(row, ddof=1) for row, share in zip(null, own, strict=True)]
    )
    assert tie.status == (OK,) * 12


def test_p_against_all_permutations(monkeypatch):
    """Seven maps have 5040 permutations: the random ones must find the share of them that is as low."""
    monkeypatch.setattr("bias_audit.heatmaps.permutation_tie.MIN_IMAGES", 7)
    rng = np.random.default_rng(5)
    masks = blobs(7, rng)
    maps = masks + rng.uniform(0, 6, masks.shape)
    shares = share_matrix(maps, masks, 1 - masks)
    means = [np.mean([shares[i, j] for i, j in enumerate(order)]) for order in itertools.permutations(range(7))]
    exact = np.mean(np.array(means) <= np.trace(shares) / 7 + 1e-12)
    assert 0.05 < exact < 0.95
    tie = permutation_tie(maps, masks, masks, 1 - masks, seed=1, permutations=20_000)
    assert tie.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


@pytest.mark.parametrize("tied", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("until", [2000, 8000])
def test_p_that_stops_early_against_all_permutations_one_by_one(tied, until):
    """The permutations of the seed, scored one at a time, and p by its definition (Besag & Clifford 1991)."""
    rng = np.random.default_rng(11)
    masks = blobs(14, rng)
    maps = rng.uniform(0, 1, masks.shape) + tied * masks
    shares = share_matrix(maps, masks, 1 - masks)
    orders = np.random.default_rng(3).permuted(np.tile(np.arange(14), (until, 1)), axis=1)
    means = [sum(shares[i, j] for i, j in enumerate(order)) / 14 for order in orders]
    low = [place for place, mean in enumerate(means, 1) if mean <= np.trace(shares) / 14 + 1e-9]
    expected = 20 / low[19] if len(low) >= 20 else 20 / (until + 20 - len(low))
    tie = permutation_tie(maps, masks, masks, 1 - masks, seed=3, permutations=420_000, until=until)
    assert tie.p == expected
    full = permutation_tie(maps, masks, masks, 1 - masks, seed=3, permutations=until)
    assert full.p == (1 + len(low)) / (1 + until), "without an end nothing stops early"


def test_the_rounds_of_the_classes():
    assert list(rounds(PERMUTATIONS)) == list(rounds(IN_FULL)) == [None], "up to 1,000 classes all are drawn"
    assert list(rounds(420_000)) == [2000, 8000, 32_000, 128_000, 420_000]


def test_a_class_draws_on_until_it_is_tied_or_cannot_be():
    def ties(*p):
        return {str(place): Tie(20, OK, 0.0, 0.0, each, np.zeros(0), (), OK) for place, each in enumerate(p)}

    left_off = 20 / 2020
    assert undecided(ties(*[left_off] * 20, *[0.6] * 80), 2000) == set(), "20 of 100 with p < .01 are tied"
    few = ties(left_off, 20 / 2005, *[0.6] * 97, np.nan)
    assert undecided(few, 2000) == {"0", "1"}, "two of 98 are not, and the others have stopped by themselves"
    assert undecided(few, None) == set()


def test_of_tests_that_are_left_off_together_the_false_discovery_rate_holds():
    """200 worlds of 30 classes without a tie and 12 with one: of those found at most .05 have none (SciPy corrects)."""
    rng, shares = np.random.default_rng(12), []
    for _ in range(200):
        chances = np.append(rng.random(30), np.full(12, 1e-4))
        waiting = [str(place) for place in range(len(chances))]
        p = {}
        for until in rounds(40_000):
            for name in waiting:
                own = np.random.default_rng([12, len(shares), int(name)]).random(until) < chances[int(name)]
                hits = np.flatnonzero(own) + 1
                p[name] = 20 / hits[19] if len(hits) >= 20 else 20 / (until + 20 - len(hits))
            still = undecided({n: Tie(20, OK, 0.0, 0.0, p[n], np.zeros(0), (), OK) for n in p}, until)
            waiting = [name for name in waiting if name in still]
        values = np.array([p[str(place)] for place in range(len(chances))])
        found = stats.false_discovery_control(values) <= 0.05
        assert found[30:].all(), "what is tied is found"
        shares.append(found[:30].sum() / max(found.sum(), 1))
    assert np.mean(shares) <= 0.05 + 3 * np.std(shares) / np.sqrt(len(shares))


def test_maps_on_their_objects_are_tied_and_maps_beside_them_are_not():
    rng = np.random.default_rng(0)
    masks = blobs(20, rng)
    on = permutation_tie(masks, masks, masks, 1 - masks, seed=0)
    assert on.p == pytest.approx(1 / 2001)
    assert on.effect == pytest.approx(on.effect_perfect)
    assert on.effect_perfect > 0.2
    assert (on.z > 0).mean() > 0.9
    beside = permutation_tie(1 - masks, masks, masks, 1 - masks, seed=0)
    assert beside.p == 1
    assert beside.effect < 0


def test_the_centre_alone_is_no_tie():
    """One map for all photos, in the middle where the objects are: a low share, but of any photo's object."""
    rng = np.random.default_rng(0)
    masks = blobs(40, rng)
    middle = np.repeat(masks.mean(axis=0, keepdims=True), 40, axis=0)
    tie = permutation_tie(middle, masks, masks, 1 - masks, seed=0)
    assert tie.effect == pytest.approx(0)
    assert tie.p == 1  # every permutation has the same mean


@pytest.mark.parametrize("n", [10, 37])
def test_p_is_uniform_where_maps_know_nothing_of_their_masks(n):
    """Both sit around the middle and differ in size, but independently: Kolmogorov-Smirnov over 400 worlds."""
    rng = np.random.default_rng(n)
    p_values = []
    for world in range(400):
        masks, maps = blobs(n, rng), blobs(n, rng)
        p_values.append(permutation_tie(maps, masks, masks, 1 - masks, seed=(world, n), permutations=999).p)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) < 0.085  # 0.05 + 3 binomial standard errors


def test_what_cannot_be_tested_has_a_reason():
    rng = np.random.default_rng(2)
    masks = blobs(9, rng)
    few = permutation_tie(masks, masks, masks, 1 - masks, seed=0)
    assert (few.n, few.reason, few.status) == (9, "only 9 images, 10 needed", ("only 9 images, 10 needed",) * 9)
    assert np.isnan([few.p, few.effect, *few.z]).all()
    same = np.repeat(blobs(1, rng), 30, axis=0)
    alike = permutation_tie(blobs(30, rng), same, same, 1 - same, seed=0)
    assert (alike.reason, alike.effect_perfect) == (ALIKE, pytest.approx(0))
    assert alike.effect == pytest.approx(0)
    assert np.isnan([alike.p, *alike.z]).all()
    assert set(alike.status) == {NO_COMPARISON}
    nothing = permutation_tie(masks[:0], masks[:0], masks[:0], masks[:0], seed=0)
    assert (nothing.n, nothing.status) == (0, ())


def test_a_map_that_another_mask_cannot_judge_is_left_out():
    rng = np.random.default_rng(4)
    masks = blobs(14, rng)
    maps, background = masks.copy(), 1 - masks
    maps[3] = 0
    maps[3, 0] = 1  # evidence in the first row only, which is padding in photo 5
    masks[5, 0] = background[5, 0] = 0
    tie = permutation_tie(maps, masks, masks, background, seed=0)
    rest = np.arange(14) != 3
    without = permutation_tie(maps[rest], masks[rest], masks[rest], background[rest], seed=0)
    assert (tie.n, tie.p, tie.effect) == (13, without.p, without.effect)
    assert np.isnan(tie.z[3])
    assert tie.status[3] == NO_COMPARISON
    np.testing.assert_allclose(tie.z[rest], without.z)


def test_scale_and_negative_evidence_change_nothing():
    rng = np.random.default_rng(6)
    masks, maps = blobs(15, rng), blobs(15, rng)
    first = permutation_tie(maps, masks, masks, 1 - masks, seed=0)
    factors = rng.uniform(0.1, 9, (15, 1, 1))
    second = permutation_tie(np.where(maps > 0.5, factors * maps, -1), masks, masks, 1 - masks, seed=0)
    third = permutation_tie(np.where(maps > 0.5, maps, 0), masks, 7 * masks, 7 * (1 - masks), seed=0)
    assert (second.p, second.effect) == (third.p, pytest.approx(third.effect))
    assert second.effect != first.effect


def test_groups_of_one_photo_are_photos():
    rng = np.random.default_rng(2)
    masks = blobs(15, rng)
    maps = masks + rng.uniform(0, 3, masks.shape)
    alone = permutation_tie(maps, masks, masks, 1 - masks, seed=4, groups=np.arange(15)[::-1].copy())
    assert alone.p == pytest.approx(permutation_tie(maps, masks, masks, 1 - masks, seed=4).p, abs=0.05)


def test_between_groups_by_hand():
    """Photos 0 and 2 are of one group, photo 1 is the other: it meets the first of the two, photo 0."""
    shares = np.array([[0.1, 0.5, 0.9], [0.4, 0.2, 0.6], [0.7, 0.8, 0.3]])
    rows, columns = shares.mean(axis=1), shares.mean(axis=0)
    centred = shares - rows[:, None] - columns + shares.mean()
    expected = [[(centred[0, 0] + centred[2, 2]) / 2, centred[0, 1]], [centred[1, 0], centred[1, 1]]]
    np.testing.assert_allclose(between_groups(shares, np.array([5, 9, 5])), expected)


def test_too_few_groups_have_an_effect_and_no_p():
    rng = np.random.default_rng(0)
    masks = blobs(27, rng)
    tie = permutation_tie(masks, masks, masks, 1 - masks, seed=0, groups=np.arange(27) // 3)
    assert (tie.n, tie.code, tie.reason) == (27, TOO_FEW_GROUPS, "only 9 groups of images, 10 needed")
    assert np.isnan(tie.p)
    assert tie.effect > 0.2
    assert tie.status == (OK,) * 27
