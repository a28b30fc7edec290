"""The probe of the background: what enters its features, and what it finds where there is something and nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bias_audit.checks.data_leaks.background_probe import ENOUGH, background_features, probe
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID

SIZE = 96
NAMES = ("a", "b", "c")


def noise(seed: int, level: float = 120.0, sigma: float = 12.0) -> np.ndarray:
    pixels = np.random.default_rng(seed).normal(level, sigma, (SIZE, SIZE, 3))
    return np.clip(pixels, 0, 255).astype(np.float32)


def square(top: int, left: int, side: int, value: int = FOREGROUND) -> np.ndarray:
    mask = np.full((SIZE, SIZE), BACKGROUND, np.uint8)
    mask[top : top + side, left : left + side] = value
    return mask


@pytest.mark.parametrize("value", [FOREGROUND, VOID])
def test_what_lies_in_the_hole_does_not_count(value):
    pixels, mask = noise(0), square(30, 40, 30, value)
    other = pixels.copy()
    other[mask == value] = (255, 0, 0)
    np.testing.assert_array_equal(background_features(pixels, mask), background_features(other, mask))
    whole = np.full((SIZE, SIZE), BACKGROUND, np.uint8)
    assert not np.allclose(background_features(pixels, whole), background_features(other, whole))


def test_on_an_even_background_neither_place_nor_size_of_the_hole_can_be_read():
    grey = np.full((SIZE, SIZE, 3), 90, np.float32)
    first = background_features(grey, square(10, 10, 20))
    for mask in (square(60, 60, 20), square(30, 30, 50)):
        np.testing.assert_allclose(background_features(grey, mask), first, atol=1e-6)


def test_shape_of_the_hole_does_not_tell_classes_apart():
    """Small holes in one class, large ones in the other, the same kind of noise behind both."""
    features = [background_features(noise(seed), square(20, 20, 12 if seed % 2 else 50)) for seed in range(80)]
    labels = np.arange(80) % 2
    first = probe(np.stack(features), labels, NAMES[:2], seed=0, permutations=99)[0]
    assert first.auc < 0.7


def test_no_features_without_background():
    assert background_features(noise(1), square(0, 0, SIZE)) is None


def test_grey_pictures_have_as_many_features():
    grey = noise(2)[..., :1]
    assert background_features(grey, square(9, 9, 9)).shape == background_features(noise(2), square(9, 9, 9)).shape


def test_a_planted_difference_is_found_and_in_each_class():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 30)
    features = rng.normal(size=(90, 40))
    features[labels == 1, 3] += 4
    whole, a, b, c = probe(features, labels, NAMES, seed=0, permutations=99)
    assert whole.p == 0.01
    assert b.auc > 0.95
    assert whole.auc == pytest.approx((a.auc + b.auc + c.auc) / 3)
    assert whole.low < whole.auc < whole.high
    assert b.low < b.auc <= b.high
    assert (b.p, a.p > 0.05, c.p > 0.05) == (0.01, True, True)
    assert (whole.subject, a.subject, whole.n, a.n) == ("", "a", 90, 30)


@pytest.mark.slow
def test_scores_are_out_of_fold():
    """More features than photos and nothing to find: scores of photos that trained would be near 1."""
    rng = np.random.default_rng(1)
    aucs = [
        probe(rng.normal(size=(60, 200)), np.arange(60) % 2, NAMES[:2], seed=seed, permutations=1)[0].auc
        for seed in range(20)
    ]
    assert abs(np.mean(aucs) - 0.5) < 0.06


@pytest.mark.slow
def test_level_of_the_permutation_test():
    rng = np.random.default_rng(2)
    p = [
        probe(rng.normal(size=(40, 10)), np.arange(40) % 2, NAMES[:2], seed=seed, permutations=19)[0].p
        for seed in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.11  # 3 standard errors around .05


def test_photos_of_a_group_stay_together():
    """A patient's photos are alike and say nothing of the label: only who leaks copies into training finds it."""
    rng = np.random.default_rng(3)
    person, label = np.repeat(np.arange(40), 5), np.repeat(np.arange(40) % 2, 5)
    features = rng.normal(size=(40, 12))[person] + 0.01 * rng.normal(size=(200, 12))
    apart = probe(features, label, NAMES[:2], seed=0, groups=person, permutations=99)[0]
    assert apart.p > 0.05
    together = probe(features, label, NAMES[:2], seed=0, permutations=99)[0]
    assert together.p == 0.01
    assert apart.high - apart.low > together.high - together.low


def test_too_few_photos_are_not_probed():
    few = np.zeros((2 * ENOUGH - 1, 5)), np.repeat([0, 1], [ENOUGH, ENOUGH - 1])
    assert probe(*few, NAMES[:2], seed=0) == []


def test_auc_is_that_of_scikit_learn_on_the_same_scores():
    from bias_audit.checks.data_leaks import background_probe as module

    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], 25)
    features = rng.normal(size=(50, 8)) + labels[:, None]
    order = np.random.default_rng(0)
    smoothers, folds = module._smoothers(features, labels, np.arange(50), order)
    scores = module._scores(smoothers, folds, labels, np.array([0, 1]))
    assert sorted(np.concatenate(folds)) == list(range(50))
    assert all(abs((labels[fold] == 0).sum() - 5) <= 1 for fold in folds)
    found = probe(features, labels, NAMES[:2], seed=0, permutations=1)
    assert found[2].auc == pytest.approx(roc_auc_score(labels, scores[:, 1]))
