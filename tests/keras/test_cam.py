"""Class activation maps against slow loops, by hand, and against each other where the theory makes them equal."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from bias_audit.attribution.cam import cam, grad_cam, hires_cam
from bias_audit.attribution.methods import METHODS, Explainer
from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.keras_model import KerasModel

SIZE = (20, 28, 3)


def test_by_hand() -> None:
    # One image, 1 x 2 cells, two channels. Activations (1, 2), (3, 4); gradients (1, 0), (-1, 2).
    values = np.array([[[[1, 2], [3, 4]]]], np.float32)
    gradients = np.array([[[[1, 0], [-1, 2]]]], np.float32)
    # Grad-CAM: mean gradients (0, 1): cells 0 * 1 + 1 * 2 = 2 and 0 * 3 + 1 * 4 = 4
    assert grad_cam(values, gradients).tolist() == [[[2, 4]]]
    # HiResCAM: 1 * 1 + 0 * 2 = 1 and -1 * 3 + 2 * 4 = 5
    assert hires_cam(values, gradients).tolist() == [[[1, 5]]]
    # CAM with the same gradient (-1, 2) in both cells: weights are the sums (-2, 4): -2 + 8 = 6 and -6 + 16 = 10
    same = np.array([[[[-1, 2], [-1, 2]]]], np.float32)
    assert cam(values, same).tolist() == [[[6, 10]]]


def _slow(name: str, values: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The papers' sums, cell by cell and channel by channel."""
    n, h, w, channels = values.shape
    maps = np.zeros((n, h, w))
    for b in range(n):
        for k in range(channels):
            total = sum(float(gradients[b, i, j, k]) for i in range(h) for j in range(w))
            for i in range(h):
                for j in range(w):
                    weight = {"cam": total, "grad_cam": total / (h * w), "hires_cam": gradients[b, i, j, k]}[name]
                    maps[b, i, j] += weight * values[b, i, j, k]
    return maps


@pytest.mark.parametrize("name", METHODS)
def test_against_loops(name: str) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    gradients = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    if name == "cam":
        gradients[:] = gradients[:, :1, :1]
    maps = METHODS[name].function(values, gradients)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, _slow(name, values, gradients), rtol=1e-4, atol=1e-5)
    assert (maps < 0).any()  # signed: evidence against the class is kept


@pytest.mark.parametrize("name", METHODS)
def test_no_images(name: str) -> None:
    empty = np.zeros((0, 4, 5, 6), np.float32)
    assert METHODS[name].function(empty, empty).shape == (0, 4, 5)


def _pooled(classes: int, activation: str | None) -> Any:
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [
            keras.Input(SIZE),
            keras.layers.Conv2D(7, 3, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(classes, activation=activation, kernel_initializer="random_normal"),
        ]
    )


def _flattened(classes: int) -> Any:
    keras.utils.set_random_seed(4)
    return keras.Sequential(
        [
            keras.Input(SIZE),
            keras.layers.Conv2D(7, 3, strides=4, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )


def _images(n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (n, *SIZE)).astype(np.float32)


def _explained(model: Any, classes: int, n: int = 5) -> tuple[Any, np.ndarray]:
    explained = KerasModel(model, AuditConfig(batch_size=n), tuple("abcdef"[:classes]))
    images = _images(n)
    return explained.activations(images, np.zeros(n, int)), images


@pytest.mark.parametrize("classes", [2, 4])
def test_the_three_agree_on_global_average_pooling(classes: int) -> None:
    active, _ = _explained(_pooled(classes, "softmax"), classes)
    h, w = active.values.shape[1:3]
    maps = {
        name: method.function(active.values, active.gradients).astype(np.float64) for name, method in METHODS.items()
    }
    largest = np.abs(maps["hires_cam"]).max()
    assert np.abs(maps["cam"] / (h * w) - maps["hires_cam"]).max() <= 1e-6 * largest
    assert np.abs(maps["grad_cam"] - maps["hires_cam"]).max() <= 1e-6 * largest


@pytest.mark.parametrize("classes", [2, 4])
def test_cam_is_the_dense_kernel_with_log_odds_weights(classes: int) -> None:
    """w_c - sum_j q_j w_j with q the softmax over the other classes, in float64 and without any gradient."""
    model = _pooled(classes, "softmax")
    active, _ = _explained(model, classes)
    kernel, bias = (weight.numpy().astype(np.float64) for weight in model.layers[-1].weights)
    maps = cam(active.values, active.gradients)
    for i, values in enumerate(active.values.astype(np.float64)):
        logits = values.mean(axis=(0, 1)) @ kernel + bias
        c = int(logits.argmax())
        others = [j for j in range(classes) if j != c]
        q = np.exp(logits[others] - logits[others].max())
        weights = kernel[:, c] - kernel[:, others] @ (q / q.sum())
        np.testing.assert_allclose(maps[i], values @ weights, rtol=1e-4, atol=1e-5 * np.abs(maps[i]).max())


def test_the_sigmoid_map_of_one_class_is_minus_the_other() -> None:
    model = _pooled(1, "sigmoid")
    explained = KerasModel(model, AuditConfig(batch_size=6), ("no", "yes"))
    images = _images(6)
    maps = []
    for label in (0, 1):
        active = explained.activations(images, np.full(6, label))
        maps.append(hires_cam(active.values, active.gradients_label))
    np.testing.assert_allclose(maps[0], -maps[1], rtol=1e-6, atol=0)
    kernel = model.layers[-1].kernel.numpy()[:, 0]
    h, w = maps[0].shape[1:]
    np.testing.assert_allclose(maps[1], active.values @ kernel / (h * w), rtol=1e-4, atol=1e-6)


def test_hires_cam_is_complete_behind_one_dense_layer() -> None:
    """Two classes: the map sums to the difference of the logits without their biases (Draelos & Carin 2020)."""
    model = _flattened(2)
    model.layers[-1].bias.assign([0.3, -0.4])
    active, _ = _explained(model, 2)
    odds = active.predictions.log_odds.max(axis=1)
    bias = np.where(active.predictions.predicted == 0, 0.7, -0.7)
    total = hires_cam(active.values, active.gradients).sum(axis=(1, 2))
    np.testing.assert_allclose(total, odds - bias, rtol=1e-4, atol=1e-5)
    assert np.abs(grad_cam(active.values, active.gradients).sum(axis=(1, 2)) - total).max() > 1e-3  # Grad-CAM is not


def test_cam_refuses_a_flatten_head() -> None:
    explainer = Explainer(KerasModel(_flattened(3), AuditConfig(batch_size=5), tuple("abc")), "cam", lambda x: x)
    with pytest.raises(ModelError, match="global average pooling") as caught:
        explainer.explain(_images(5), np.zeros(5, int))
    assert "hires_cam" in caught.value.hint
