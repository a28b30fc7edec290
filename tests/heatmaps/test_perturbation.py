"""Methods that change the picture, on models whose every answer is known; no TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bias_audit.heatmaps import perturbation
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.base import Predictions

SIZE = (28, 42, 3)


class Linear:
    """Log-odds of class 0 are sum(weights * picture); of class 1 the negative. It only predicts."""

    differentiable, layer, layers, batch_size, input_size = False, "", (), 11, SIZE
    grid = (0, 0)

    def __init__(self, weights: np.ndarray) -> None:
        self.weights, self.images = weights, 0

    def predict(self, images: np.ndarray) -> Predictions:
        assert len(images) <= self.batch_size
        assert images.dtype == np.float32
        self.images += len(images)
        odds = np.einsum("nhwc,hwc->n", images.astype(np.float64), self.weights)
        odds = np.stack([odds, -odds], axis=1).astype(np.float32)
        return Predictions(1 / (1 + np.exp(-odds)), odds, np.zeros(len(images), np.float32))


def explainer(model: Any, name: str, seed: int = 0) -> Explainer:
    return Explainer(model, name, lambda pixels: pixels / np.float32(255), seed)


def pixels(n: int = 3) -> np.ndarray:
    return np.random.default_rng(2).uniform(0, 255, (n, *SIZE)).astype(np.float32)


def test_occlusion_of_a_linear_model_is_the_sum_over_the_patch() -> None:
    weights = np.random.default_rng(0).normal(size=SIZE) / 20
    model, pictures = Linear(weights), pixels()
    maps = explainer(model, "occlusion").maps(pictures, np.array([0, 1, 0]))
    change = (pictures - pictures.mean(axis=(1, 2), keepdims=True)) / 255 * weights
    # 28 x 42 pixels in 14 x 14 patches of 2 x 3
    expected = change.sum(axis=3).reshape(3, 14, 2, 14, 3).sum(axis=(2, 4)) * np.array([1, -1, 1])[:, None, None]
    np.testing.assert_allclose(maps, expected, atol=1e-5)
    assert (maps < 0).any()
    assert model.images == 3 * 197


def test_occlusion_patches_tile_pictures_that_do_not_divide() -> None:
    for side in (14, 15, 20, 29, 224, 299):
        cells = perturbation._cell_of(side, 14)
        sizes = np.bincount(cells, minlength=14)
        assert (np.diff(cells) >= 0).all()
        assert sizes.sum() == side
        assert sizes.max() - sizes.min() <= 1
    assert perturbation._cell_of(9, 9).tolist() == list(range(9))


def test_rise_masks_keep_half_and_move_less_than_a_cell() -> None:
    masks = perturbation.rise_masks(*SIZE[:2], 600, 4)(np.arange(600))
    assert masks.shape == (600, *SIZE[:2])
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert np.abs(masks.mean(axis=0) - 0.5).max() < 0.07  # every pixel alike; sd .5 / sqrt(600) = .02
    # Cells of 4 x 6 pixels: neighbours within a cell go together, pixels two cells apart do not.
    near = np.corrcoef(masks[:, 10, 20], masks[:, 11, 20])[0, 1]
    far = np.corrcoef(masks[:, 10, 20], masks[:, 20, 20])[0, 1]
    assert near > 0.9
    assert abs(far) < 0.15
    assert len({tuple(np.round(mask[:, 0], 3)) for mask in masks}) > 500


def test_rise_finds_the_place_and_the_sign() -> None:
    """T depends on one corner alone: the map is highest there, near 0 far off, and reversed for the other class."""
    weights = np.zeros(SIZE)
    weights[:8, :12] = 1 / 20
    bright = np.full((1, *SIZE), 200, np.float32)
    maps = explainer(Linear(weights), "rise").maps(bright, np.array([0]))[0]
    assert np.unravel_index(maps.argmax(), maps.shape)[0] < 4
    assert np.unravel_index(maps.argmax(), maps.shape)[1] < 4
    assert np.abs(maps[8:, 8:]).max() < 0.2 * maps.max()
    other = explainer(Linear(weights), "rise").maps(bright, np.array([1]))[0]
    np.testing.assert_allclose(other, -maps, atol=1e-5)


def test_a_constant_model_has_an_empty_map() -> None:
    model = Linear(np.zeros(SIZE))
    for name in ("occlusion", "rise"):
        assert not explainer(model, name).maps(pixels(1), np.array([0])).any()


def test_explaining_both_classes_costs_only_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perturbation, "RISE_MASKS", 40)
    model, pictures = Linear(np.full(SIZE, 1e-3)), pixels()  # always class 0
    explained = explainer(model, "rise").explain(pictures, np.array([0, 1, 0]))
    assert model.images == 3 + 3 * 40 + 40
    assert np.array_equal(explained.maps[[0, 2]], explained.maps_label[[0, 2]])
    np.testing.assert_allclose(explained.maps_label[1], -explained.maps[1], atol=1e-5)


def test_every_method_says_what_it_is() -> None:
    for name, method in METHODS.items():
        assert method.formula, name
        assert method.paper[-4:].isdigit(), name
        assert method.passes, name
        assert method.use, name
        assert method.weighs or method.grid, name  # no probing call for what is known
    assert METHODS["rise"].passes == f"{perturbation.RISE_MASKS} F"
