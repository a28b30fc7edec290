"""Every method against loops in float64 on a hand-sized network, the default, and what users bring along."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from by_hand import CLASSES, GRID, SIZE, HandNet, bilinear, reference

from bias_audit.config import AuditConfig
from bias_audit.data.preprocess import PREPROCESS
from bias_audit.errors import ConfigError
from bias_audit.heatmaps import gradients, perturbation
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.tensorflow.keras_model import KerasModel

BATCH, MASKS, SEED = 7, 30, 3
PIXELS = np.random.default_rng(5).uniform(0, 255, (2, *SIZE)).astype(np.float32)


def as_keras(net: HandNet, **config: Any) -> KerasModel:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(SIZE),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D() if net.pooled else layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.set_weights(net.weights)
    return KerasModel(model, AuditConfig(batch_size=BATCH, **config), ("a", "b", "c"))


@pytest.fixture(scope="module")
def nets() -> dict[bool, tuple[HandNet, KerasModel]]:
    return {pooled: (net := HandNet(1, pooled=pooled), as_keras(net)) for pooled in (False, True)}


@pytest.fixture(autouse=True)
def few_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perturbation, "RISE_MASKS", MASKS)


def test_the_hand_written_gradients_are_the_slopes(nets: Any) -> None:
    """Central differences: what the other tests compare with must be right by itself."""
    for net, _ in nets.values():
        image = PIXELS[0] / 127.5 - 1.0
        gradient = net.image_gradient(image.astype(np.float64), 1)
        for place in [(0, 0, 0), (4, 7, 2), (8, 11, 1), (13, 5, 0)]:
            step = np.zeros(SIZE)
            step[place] = 1e-4
            pixels = PIXELS[0].astype(np.float64)
            slope = (net.score(pixels + 127.5 * step, 1) - net.score(pixels - 127.5 * step, 1)) / 2e-4
            assert slope == pytest.approx(gradient[place], abs=1e-6), place


@pytest.mark.parametrize(
    ("name", "pooled"),
    [(name, pooled) for name in METHODS for pooled in (False, True) if pooled or name != "cam"],  # refused: test_cam
)
def test_against_an_independent_implementation(name: str, pooled: bool, nets: Any) -> None:
    net, model = nets[pooled]
    explainer = Explainer(model, name, PREPROCESS["signed"], SEED)
    labels = np.array([2, 0])
    explained = explainer.explain(PIXELS, labels)
    predicted = [max(range(CLASSES), key=lambda c: net.score(pixels, c)) for pixels in PIXELS]
    assert explained.predictions.predicted.tolist() == predicted
    assert (predicted != labels).any()
    for maps, targets in ((explained.maps, predicted), (explained.maps_label, labels)):
        assert maps.dtype == np.float32
        assert maps.shape == (2, *explainer.grid)
        assert np.isfinite(maps).all()
        for i, target in enumerate(targets):
            expected = reference(name, net, PIXELS[i], int(target), seed=SEED, masks=MASKS)
            assert np.abs(maps[i] - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(("steps", "error"), [(gradients.STEPS, 0.02), (600, 0.001)])
def test_integrated_gradients_add_up_to_the_difference_of_the_scores(
    nets: Any, monkeypatch: pytest.MonkeyPatch, steps: int, error: float
) -> None:
    """Completeness (Sundararajan et al. 2017), up to the trapezoids' error at the kinks of the ReLUs."""
    monkeypatch.setattr(gradients, "STEPS", steps)
    for net, model in nets.values():
        maps = Explainer(model, "integrated_gradients", PREPROCESS["signed"]).maps(PIXELS, np.array([1, 2]))
        for i, target in enumerate((1, 2)):
            difference = net.score(PIXELS[i], target) - net.score(np.zeros(SIZE), target)
            assert abs(difference) > 0.3
            assert maps[i].sum() == pytest.approx(difference, rel=error)


def test_maps_do_not_depend_on_the_company(nets: Any) -> None:
    """A resumed run explains an image alone that an undisturbed one explains among others."""
    _, model = nets[False]
    for name in ("score_cam", "integrated_gradients", "occlusion", "rise"):
        explainer = Explainer(model, name, PREPROCESS["signed"], SEED)
        together = explainer.maps(PIXELS, np.array([0, 1]))
        np.testing.assert_allclose(explainer.maps(PIXELS[1:], np.array([1])), together[1:], rtol=1e-4, atol=1e-6)
        assert explainer.maps(PIXELS[:0], np.zeros(0, int)).shape == (0, *explainer.grid)


def test_the_seed_draws_the_masks(nets: Any) -> None:
    _, model = nets[False]
    maps = [Explainer(model, "rise", PREPROCESS["signed"], seed).maps(PIXELS[:1], np.array([0])) for seed in (1, 1, 2)]
    assert np.array_equal(maps[0], maps[1])
    assert not np.allclose(maps[0], maps[2])


def test_the_default_follows_the_model(nets: Any) -> None:
    net, model = nets[False]
    explainer = Explainer(model, "default", PREPROCESS["signed"])
    assert (explainer.name, explainer.notes, explainer.grid) == ("hires_cam", (), GRID)
    blind = as_keras(net)
    blind.differentiable = False
    explainer = Explainer(blind, "default", PREPROCESS["signed"])
    assert (explainer.name, explainer.grid) == ("none", (1, 1))
    assert "no gradients" in explainer.notes[0]
    assert "--method occlusion or rise makes some, for 197 or 1000 forward passes" in explainer.notes[0]
    for name in METHODS:
        if name in ("occlusion", "rise"):
            assert Explainer(blind, name, PREPROCESS["signed"]).notes == ()
        else:
            with pytest.raises(ConfigError, match="no gradients") as caught:
                Explainer(blind, name, PREPROCESS["signed"])
            assert "occlusion, rise" in caught.value.hint


def test_several_layers_are_for_layer_cam_alone() -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(SIZE),
            layers.Conv2D(3, 3, strides=2, activation="relu", name="fine"),
            layers.Conv2D(3, 3, strides=2, activation="relu", name="coarse"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    both = KerasModel(model, AuditConfig(batch_size=BATCH, layer="fine,coarse"), ("a", "b", "c"))
    for name in ("default", "layer_cam"):
        explainer = Explainer(both, name, PREPROCESS["signed"])
        assert (explainer.name, explainer.grid) == ("layer_cam", (7, 8))
        maps = explainer.maps(PIXELS, np.array([0, 1]))
    assert len(Explainer(both, "default", PREPROCESS["signed"]).notes) == 1
    single = [
        Explainer(both.at_layer(name), "layer_cam", PREPROCESS["signed"]).maps(PIXELS, np.array([0, 1]))
        for name in ("fine", "coarse")
    ]
    scaled = [np.tanh(2 * each / each.max(axis=(1, 2), keepdims=True)) for each in single]
    expected = [np.maximum(fine, bilinear(coarse, (7, 8))) for fine, coarse in zip(*scaled, strict=True)]
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)
    for name in ("hires_cam", "grad_cam", "score_cam"):
        with pytest.raises(ConfigError, match="--layer names several: fine,coarse") as caught:
            Explainer(both, name, PREPROCESS["signed"])
        assert "layer_cam" in caught.value.hint
    assert Explainer(both, "occlusion", PREPROCESS["signed"]).grid == (14, 14)  # it sees no layer


OWN = """
import numpy as np


def traced(values, gradients, xp):
    return xp.einsum("nhwc,nhwc->nhw", values, xp.maximum(gradients, np.float32(0)))


def plain(values, gradients):
    assert type(values) is np.ndarray
    return (values * np.maximum(gradients, 0)).sum(axis=3)


def on_pixels(explainer, pixels, targets):
    odds = explainer.predict(pixels).log_odds[np.arange(len(pixels)), targets]
    return np.repeat(odds, 6).reshape(-1, 2, 3)


def traced_fails(values, gradients, xp):
    return xp.sum(values, axis=(1, 2)) + xp.no_such_function(gradients)


def traced_shape(values, gradients, xp):
    return xp.sum(values, axis=(1, 2))


def traced_grid(values, gradients, xp):
    return values[:, 1:, :, 0]


def plain_fails(values, gradients):
    raise ValueError("not today")


def plain_shape(values, gradients):
    return values


def pixels_fail(explainer, pixels, targets):
    raise KeyError("missing")


def pixels_shape(explainer, pixels, targets):
    return np.zeros((len(pixels) + 1, 4, 4))


def pixels_one_cell(explainer, pixels, targets):
    return np.zeros((len(pixels), 1, 1))


def words(explainer, pixels, targets):
    return "no maps"
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_maps.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("own_maps", None)
    return "own_maps"


def test_a_users_function_is_taken_like_one_of_ours(own: str, nets: Any) -> None:
    _, model = nets[False]
    labels = np.array([0, 2])
    ours = Explainer(model, "layer_cam", PREPROCESS["signed"]).explain(PIXELS, labels)
    for name in ("traced", "plain"):
        theirs = Explainer(model, f"{own}:{name}", PREPROCESS["signed"]).explain(PIXELS, labels)
        np.testing.assert_allclose(theirs.maps, ours.maps, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(theirs.maps_label, ours.maps_label, rtol=1e-4, atol=1e-6)
    explainer = Explainer(model, f"{own}:on_pixels", PREPROCESS["signed"])
    explained = explainer.explain(PIXELS, labels)
    assert explainer.grid == (2, 3)
    np.testing.assert_allclose(explained.maps_label[:, 1, 2], explained.predictions.log_odds[[0, 1], labels], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("traced_fails", "failed: AttributeError"),
        ("traced_shape", "gave shape (7, 4) for 7 images"),
        ("traced_grid", "gave shape (7, 6, 8) for 7 images"),
        ("plain_fails", "failed: ValueError: not today"),
        ("plain_shape", "gave shape (2, 7, 8, 4) for 2 images"),
        ("pixels_fail", "failed: KeyError"),
        ("pixels_shape", "gave shape (2, 4, 4) for 1 images"),
        ("pixels_one_cell", "gave shape (1, 1, 1)"),
        ("words", "failed: ValueError"),
        ("no_such", "cannot import the heatmap method"),
    ],
)
def test_what_a_users_function_does_wrong_is_one_sentence(own: str, nets: Any, name: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Explainer(nets[False][1], f"{own}:{name}", PREPROCESS["signed"]).explain(PIXELS, np.array([0, 1]))
    assert says in caught.value.message
    assert f"{own}:{name}" in caught.value.message


def test_unknown_and_automatic_methods_are_refused(nets: Any) -> None:
    with pytest.raises(ConfigError, match="method must be one of hires_cam,") as caught:
        Explainer(nets[False][1], "gradcam", PREPROCESS["signed"])
    assert "grad_cam" in caught.value.hint
    with pytest.raises(ConfigError, match="needs pictures"):
        Explainer(nets[False][1], "auto", PREPROCESS["signed"])
