"""The reliability tests of maps: each statistic by hand, and methods that are known to be worthless."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from networks import SIZE, make_images, make_model
from scipy.stats import spearmanr

from bias_audit.checks.map_reliability.similarity import (
    CLASSES,
    RANDOMISATION,
    STABILITY,
    Reliability,
    check_maps,
    rank_correlation,
    shifted,
)
from bias_audit.heatmaps.methods import Explainer

CALLS = [0]
layers = keras.layers


def brightness(explainer: Explainer, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Ignores the model: the photo itself."""
    return pixels.mean(axis=3) + 1


def middle(explainer: Explainer, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Ignores model and photo."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.repeat(np.exp(-((rows - 5) ** 2 + (columns - 8) ** 2) / 9)[None], len(pixels), axis=0)


def noise(explainer: Explainer, pixels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Another map at every call."""
    CALLS[0] += 1
    return np.random.default_rng(CALLS[0]).uniform(0, 1, (len(pixels), 6, 8))


def activity(values: Any, gradients: Any, xp: Any) -> Any:
    """Ignores the class: how active a cell is."""
    return xp.sum(values, axis=3)


def network(classes: int = 3) -> Any:
    keras.utils.set_random_seed(3)
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax", kernel_initializer="random_normal")(x))


def photos(n: int = 12) -> np.ndarray:
    """Smooth pictures: stability asks whether a map moves with what the photo shows."""
    small = make_images(n, seed=2)[:, ::3, ::4]
    return np.asarray([keras.ops.image.resize(photo, SIZE[:2]) for photo in small], np.float32)


def outcome(method: str, classes: int = 3) -> dict[str, Reliability]:
    model = make_model(network(classes), classes)
    return {test.name: test for test in check_maps(Explainer(model, method, lambda x: x), photos(), seed=0)}


def mean(test: Reliability) -> float:
    assert test.status == "ok", test.status
    return float(np.nanmean(test.similarity))


def test_rank_correlation_against_scipy() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 4, (2, 6, 4, 5)).astype(np.float32)  # with ties
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlation(first, second), expected, rtol=1e-12)


def test_rank_correlation_of_maps_without_ranks() -> None:
    ramp, flat = np.arange(6.0).reshape(1, 2, 3), np.ones((1, 2, 3))
    assert rank_correlation(ramp, np.exp(ramp)) == pytest.approx(1)
    assert rank_correlation(ramp, -ramp) == pytest.approx(-1)
    assert np.isnan(rank_correlation(flat, ramp)).all()  # nothing to compare with
    assert rank_correlation(ramp, flat).tolist() == [0]  # vanished: similar to nothing
    assert rank_correlation(ramp, np.full((1, 2, 3), np.nan)).tolist() == [0]


def test_shifted_by_hand() -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    assert shifted(pixels, 1, 0)[0, :, :, 0].tolist() == [[4, 5, 6, 7], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert shifted(pixels, 0, 1)[0, 0, :, 0].tolist() == [1, 0, 1, 2]


def test_maps_of_the_model_pass() -> None:
    tests = outcome("hires_cam")
    assert mean(tests[RANDOMISATION]) < 0.5
    assert mean(tests[CLASSES]) < 0.9
    assert mean(tests[STABILITY]) > 0.8


@pytest.mark.parametrize("method", [f"{__name__}:brightness", f"{__name__}:middle"])
def test_a_method_that_ignores_the_model_stays_as_it_is(method: str) -> None:
    tests = outcome(method)
    assert mean(tests[RANDOMISATION]) == pytest.approx(1)
    assert mean(tests[CLASSES]) == pytest.approx(1)


def test_a_method_that_ignores_the_class_shows_one_map_for_two() -> None:
    for classes in (2, 3):
        tests = outcome(f"{__name__}:activity", classes)
        assert mean(tests[CLASSES]) == pytest.approx(1)


def test_noise_is_not_stable() -> None:
    assert abs(mean(outcome(f"{__name__}:noise")[STABILITY])) < 0.2


def test_two_classes_are_mirrored_and_say_nothing_of_sensitivity() -> None:
    test = outcome("hires_cam", classes=2)[CLASSES]
    assert "mirrored" in test.status


def test_weights_are_what_they_were_even_after_a_failure() -> None:
    model = network()
    explained = make_model(model, 3)
    before = [weight.numpy() for weight in model.weights]
    predicted = explained.predict(photos(3)).log_odds
    check_maps(Explainer(explained, "hires_cam", lambda x: x), photos(), seed=0)
    changed = 0.0

    def fail() -> None:
        nonlocal changed
        with explained.randomised(1):
            changed = float(np.abs(explained.predict(photos(3)).log_odds - predicted).max())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert changed > 1e-3  # the shuffled weights were in use, though the pass runs on constants otherwise
    assert all(np.array_equal(a, weight.numpy()) for a, weight in zip(before, model.weights, strict=True))
    assert np.array_equal(explained.predict(photos(3)).log_odds, predicted)
