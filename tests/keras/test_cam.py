"""Class activation maps against slow loops, by hand, and against each other where the theory makes them equal."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.heatmaps.cam import cam, fused, grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.tensorflow.keras_model import KerasModel

SIZE = (20, 28, 3)
FAMILY = [name for name, method in METHODS.items() if method.weighs]


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
    # LayerCAM: positive gradients (1, 0), (0, 2): 1 * 1 = 1 and 2 * 4 = 8
    assert layer_cam(values, gradients).tolist() == [[[1, 8]]]
    # XGrad-CAM: sum g A = 1 - 3 = -2 over 1 + 3 = 4, and 0 + 8 = 8 over 2 + 4 = 6: weights -1/2 and 4/3
    np.testing.assert_allclose(xgrad_cam(values, gradients), [[[-0.5 + 8 / 3, -1.5 + 16 / 3]]], rtol=1e-6)
    # Grad-CAM++: g^2 / (2 g^2 + g^3 S) g with S = 4 and 6: 1 / (2 + 4) = 1/6, and 8 / (8 + 8 * 6) = 1/7
    np.testing.assert_allclose(grad_cam_plus_plus(values, gradients), [[[1 / 6 + 2 / 7, 3 / 6 + 4 / 7]]], rtol=1e-6)


def test_dead_channels_have_no_weight() -> None:
    """Nothing activated or no gradient: 0/0 in the formulas, zero in the maps."""
    values = np.array([[[[0, 1], [0, 0]]]], np.float32)
    gradients = np.array([[[[1, 0], [2, 0]]]], np.float32)
    for method in (xgrad_cam, grad_cam_plus_plus, layer_cam, hires_cam):
        assert method(values, gradients).tolist() == [[[0, 0]]]
    # 2 + g S = 2 - 1 * 2: the weight is not defined before an activation function
    assert grad_cam_plus_plus(-values * 2, np.ones_like(values)).tolist() == [[[0, 0]]]


def test_several_layers_are_fused_by_the_largest_scaled_map() -> None:
    fine = np.array([[[1, 2, -5, 4]]], np.float32)  # scaled: tanh(2 M / 4)
    coarse = np.array([[[30, 10]]], np.float32)  # tanh(2), tanh(2/3); on four cells 1, 3/4, 1/4, 0 parts of the first
    one, two = np.tanh(2), np.tanh(2 / 3)
    expected = np.maximum(np.tanh([0.5, 1, 0, 2]), [one, 0.75 * one + 0.25 * two, 0.25 * one + 0.75 * two, two])
    np.testing.assert_allclose(fused([fine, coarse], (1, 4)), [[expected]], rtol=1e-6)
    assert fused([np.zeros((1, 2, 2), np.float32)], (2, 2)).tolist() == [[[0, 0], [0, 0]]]


def _slow(name: str, values: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The papers' sums, cell by cell and channel by channel."""
    n, h, w, channels = values.shape
    maps = np.zeros((n, h, w))
    for b in range(n):
        for k in range(channels):
            cells = [(i, j) for i in range(h) for j in range(w)]
            g, a = gradients[b, :, :, k].astype(float), values[b, :, :, k].astype(float)
            total, activated = sum(g[at] for at in cells), sum(a[at] for at in cells)
            alphas = {at: g[at] ** 2 / (2 * g[at] ** 2 + g[at] ** 3 * activated) if g[at] else 0 for at in cells}
            for at in cells:
                weights = {
                    "cam": total,
                    "grad_cam": total / (h * w),
                    "hires_cam": g[at],
                    "layer_cam": max(g[at], 0),
                    "xgrad_cam": sum(g[each] * a[each] for each in cells) / activated,
                    "grad_cam_plus_plus": sum(alphas[each] * max(g[each], 0) for each in cells),
                }
                maps[(b, *at)] += weights[name] * a[at]
    return maps


@pytest.mark.parametrize("name", FAMILY)
def test_against_loops(name: str) -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    if name in ("grad_cam_plus_plus", "xgrad_cam"):  # their denominators are meant for layers behind a ReLU
        values = np.maximum(values, 0)
    gradients = rng.normal(size=(3, 4, 5, 6)).astype(np.float32)
    if name == "cam":
        gradients[:] = gradients[:, :1, :1]
    maps = METHODS[name].function(values, gradients)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, _slow(name, values, gradients), rtol=1e-4, atol=1e-5)
    if name != "grad_cam_plus_plus":
        assert (maps < 0).any()  # signed: evidence against the class is kept; LayerCAM's are negative activations


@pytest.mark.parametrize("name", FAMILY)
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
def test_the_family_on_global_average_pooling(classes: int) -> None:
    """Grad-CAM, XGrad-CAM, HiResCAM and CAM / Z are one map; LayerCAM and Grad-CAM++ have closed forms.

    See docs/science.md#one-dense-layer.
    """
    active, _ = _explained(_pooled(classes, "softmax"), classes)
    h, w = active.values.shape[1:3]
    maps = {name: METHODS[name].function(active.values, active.gradients).astype(np.float64) for name in FAMILY}
    largest = np.abs(maps["hires_cam"]).max()
    assert np.abs(maps["cam"] / (h * w) - maps["hires_cam"]).max() <= 1e-6 * largest
    assert np.abs(maps["grad_cam"] - maps["hires_cam"]).max() <= 1e-6 * largest
    assert np.abs(maps["xgrad_cam"] - maps["hires_cam"]).max() <= 2e-6 * largest
    values = active.values.astype(np.float64)
    weights = active.gradients.astype(np.float64).sum(axis=(1, 2))[:, None, None]
    positive = np.maximum(weights, 0)
    mean = values.mean(axis=(1, 2))[:, None, None]
    layer, plus_plus = (positive * values).sum(-1) / (h * w), (positive / (2 + weights * mean) * values).sum(-1)
    np.testing.assert_allclose(maps["layer_cam"], layer, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(maps["grad_cam_plus_plus"], plus_plus, rtol=1e-4, atol=1e-6)


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
