"""The refit against scikit-learn, and what it does to each kind of head; all on arrays."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from bias_audit.errors import DataError, ModelError
from bias_audit.models.base import Linear
from bias_audit.models.head import Head
from bias_audit.models.last_layer import read_logits
from bias_audit.repair import heads, refit
from bias_audit.repair.heads import NO_CLASS, layout_of

RNG = np.random.default_rng(5)
SOFTMAX, SIGMOIDS, UNIT = Head("softmax", 3, None), Head("sigmoid", 3, None), Head("sigmoid", 1, None)


def pictures(count: int = 120, width: int = 5, classes: int = 3, seed: int = 1, none: int = 0) -> refit.Pictures:
    """Features that overlap between classes, of another scale each; the last `none` show no class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    middles = rng.normal(0, 1, (classes, width))
    features = (middles[labels] + rng.normal(0, 1.2, (count, width))) * [1, 10, 0.1, 3, 1][:width] + 4
    labels[count - none :] = NO_CLASS
    groups = np.where(labels == NO_CLASS, -1, labels * classes + rng.integers(0, classes, count))
    return refit.Pictures(
        features.astype(np.float32),
        labels,
        groups,
        np.arange(count) % refit.FOLDS,
        rng.uniform(0.5, 2, count),
        labels >= 0,
    )


def linear(outputs: int, width: int = 5, bias: bool = True) -> Linear:
    return Linear(RNG.normal(0, 0.1, (width, outputs)), RNG.normal(0, 1, outputs) if bias else None)


def standardised(made: refit.Pictures) -> np.ndarray:
    features, weight = made.features.astype(np.float64), made.weights / made.weights.sum()
    middle = weight @ features
    return (features - middle) / np.sqrt(weight @ (features - middle) ** 2)


def reference(features, labels, weights, strength: float, **options) -> LogisticRegression:
    """scikit-learn's fit of the same loss: mean over weights, and half the strength of the squared weights."""
    fit = LogisticRegression(C=1 / strength, tol=1e-10, max_iter=5000, **options)
    return fit.fit(features, labels, sample_weight=weights / weights.sum())


@pytest.mark.parametrize("strength", [0.1, 1e-3])
def test_softmax_is_the_fit_of_scikit_learn(strength):
    made = pictures()
    weights, bias = refit._fitted(made, linear(3), layout_of(SOFTMAX, 3), (strength,))[0]
    ours = special.softmax(made.features @ weights + bias, axis=1)
    features = standardised(made)
    theirs = reference(features, made.labels, made.weights, strength).predict_proba(features)
    assert np.abs(ours - theirs).max() < 2e-3


def test_a_picture_of_no_class_is_each_class_by_equal_parts():
    made = pictures(none=30)
    weights, bias = refit._fitted(made, linear(3), layout_of(SOFTMAX, 3), (1e-2,))[0]
    ours = special.softmax(made.features @ weights + bias, axis=1)
    features, none = standardised(made), made.labels == NO_CLASS
    rows = np.concatenate([features[~none], *[features[none]] * 3])
    labels = np.concatenate([made.labels[~none], *[np.full(none.sum(), each) for each in range(3)]])
    weight = np.concatenate([made.weights[~none], *[made.weights[none] / 3] * 3])
    theirs = reference(rows, labels, weight, 1e-2).predict_proba(features)
    assert np.abs(ours - theirs).max() < 2e-3


def test_each_of_several_sigmoid_units_is_a_fit_of_its_own():
    made = pictures(none=20)
    weights, bias = refit._fitted(made, linear(3), layout_of(SIGMOIDS, 3), (1e-2,))[0]
    ours = special.expit(made.features @ weights + bias)
    features = standardised(made)
    for unit in range(3):
        theirs = reference(features, made.labels == unit, made.weights, 1e-2).predict_proba(features)[:, 1]
        assert np.abs(ours[:, unit] - theirs).max() < 2e-3


def test_a_single_unit_stands_for_the_second_class():
    made = pictures(classes=2)
    weights, bias = refit._fitted(made, linear(1), layout_of(UNIT, 2), (1e-2,))[0]
    features = standardised(made)
    theirs = reference(features, made.labels == 1, made.weights, 1e-2).predict_proba(features)[:, 1]
    assert np.abs(special.expit(made.features @ weights + bias)[:, 0] - theirs).max() < 2e-3


def test_a_layer_without_bias_gets_none():
    made = pictures()
    fit = refit.refit(made, linear(3, bias=False), layout_of(SOFTMAX, 3), lambda _: None)
    assert fit.linear.bias is None


def test_a_class_map_moves_its_own_outputs_alone_and_all_of_a_class_alike():
    head = Head("softmax", 6, ((0, 2), (3,), (5,), (1, 4)))
    before, made = linear(6), pictures()
    fit = refit.refit(made, before, layout_of(head, 3), lambda _: None)
    moved = fit.linear.weights - before.weights
    assert fit.temperature == 1
    assert np.array_equal(moved[:, [1, 4]], np.zeros((5, 2)))
    assert np.allclose(moved[:, 0], moved[:, 2])
    assert np.abs(moved[:, [0, 3, 5]]).max() > 1e-3
    assert np.array_equal(fit.linear.bias[[1, 4]], before.bias[[1, 4]])
    said = read_logits(head, fit.linear.logits(made.features))
    was = read_logits(head, before.logits(made.features))
    assert (said.predicted == made.labels).mean() > (was.predicted == made.labels).mean() + 0.2


def test_the_penalty_is_the_one_of_the_best_worst_group():
    fit = refit.refit(pictures(), linear(3), layout_of(SOFTMAX, 3), lambda _: None)
    worst = {each.strength: round(each.worst, 6) for each in fit.tried}
    assert worst[fit.strength] == max(worst.values())
    assert [each.strength for each in fit.tried] == list(refit.STRENGTHS)


def test_the_worst_group_counts_and_not_the_mean():
    """A background that tells most of the training photos, and an object that tells all of them.

    In the large groups both agree, in the small ones they contradict each other: who follows the background is right
    in 95 of 100 and has a worst group of 0.
    """
    labels = np.repeat([0, 1, 0, 1], [190, 190, 10, 10])
    ground = np.repeat([0, 1, 1, 0], [190, 190, 10, 10])
    rng = np.random.default_rng(0)
    features = np.stack([3.0 * ground, labels + rng.normal(0, 0.3, len(labels))], axis=1).astype(np.float32)
    weights = np.where(labels == ground, 0.5 / 190, 0.5 / 10)
    folds = np.arange(len(labels)) % refit.FOLDS
    made = refit.Pictures(features, labels, labels * 2 + ground, folds, weights, labels == ground)
    head = Head("softmax", 2, None)
    fit = refit.refit(made, linear(2, width=2), layout_of(head, 2), lambda _: None)
    right = read_logits(head, fit.linear.logits(features)).predicted == labels
    assert min(right[(labels == a) & (ground == b)].mean() for a in (0, 1) for b in (0, 1)) >= 0.8


def test_the_temperature_undoes_a_factor():
    """Labels drawn from known probabilities, and logits that are four times too large."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1, (6000, 2))
    labels = (rng.uniform(size=6000) < special.softmax(logits, axis=1)[:, 1]).astype(np.intp)
    made = refit.Pictures(np.zeros((6000, 1), np.float32), labels, labels, labels, np.ones(6000), labels >= 0)
    found = refit._temperature(made, layout_of(Head("softmax", 2, None), 2), 4 * logits)
    assert found == pytest.approx(4, rel=0.1)


def test_every_fit_is_told():
    made, told = pictures(), []
    refit.refit(made, linear(3), layout_of(SOFTMAX, 3), told.append)
    assert sum(told) == refit.fits(made)


def test_one_class_is_no_refit():
    made = pictures()
    alone = refit.Pictures(made.features, made.labels * 0, made.groups, made.folds, made.weights, made.real)
    with pytest.raises(DataError, match="of one class"):
        refit.refit(alone, linear(3), layout_of(SOFTMAX, 3), lambda _: None)


class TestLayout:
    def test_a_map_of_one_output_each_is_fitted_anew_in_its_order(self):
        layout = layout_of(Head("softmax", 2, ((1,), (0,), ())), 2)
        assert not layout.adds
        after = heads.written(layout, Linear(np.zeros((1, 2)), np.zeros(2)), np.array([[7.0, 8.0]]), np.array([1.0, 2]))
        assert after.weights.tolist() == [[8, 7]]
        assert after.bias is not None
        assert after.bias.tolist() == [2, 1]

    def test_a_unit_of_a_map_stands_for_the_class_that_has_its_upper_side(self):
        assert layout_of(Head("sigmoid", 1, ((1,), (0,), ())), 2).unit == 0
        assert layout_of(Head("sigmoid", 1, ((0,), (1,), ())), 2).unit == 1
        with pytest.raises(ModelError, match="single output"):
            layout_of(Head("sigmoid", 1, ((0, 1), ())), 1)

    def test_no_class_leaves_outputs_outside_the_map_as_probable_as_they_were(self):
        layout = layout_of(Head("softmax", 4, ((0,), (1,), (2, 3))), 2)
        logits = np.array([[0.3, -1.0, 2.0, 0.5]])
        base = heads.offsets(layout, logits)
        aim = heads.targets(layout, np.array([NO_CLASS]), base)[0]
        outside = special.softmax(logits[0])[2:].sum()
        assert aim[2] == pytest.approx(outside)
        assert aim[:2] == pytest.approx([(1 - outside) / 2] * 2)
