"""Every way to build a model: the same probabilities, the right layer and gradients, and the model left as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import networks
import numpy as np
import pytest
import tensorflow as tf
from networks import BATCH, SIZE, make_images, make_model

from bias_audit.models.tensorflow.keras_model import KerasModel

BUILDS: dict[str, tuple[Callable[[], Any], str | None, tuple[int, int]]] = {
    "sequential": (networks.sequential, "second", (6, 8)),
    "functional": (networks.functional, "normed", (6, 8)),
    "nested": (networks.nested, "backbone/second", (6, 8)),
    "nested twice": (networks.nested_twice, None, (6, 8)),
    "shared layer": (networks.shared, "again", (12, 16)),
    "subclassed": (networks.subclassed, None, (3, 5)),
    "any size": (networks.any_size, "second", (5, 7)),
}


@pytest.fixture(scope="module", params=BUILDS)
def built(request: pytest.FixtureRequest) -> tuple[str, Any, KerasModel, np.ndarray]:
    """Name, Keras model, its KerasModel, and what `model.predict` said before it was touched."""
    keras.utils.set_random_seed(9)
    model = BUILDS[request.param][0]()
    before = model.predict(make_images(), verbose=0)
    return request.param, model, make_model(model, 3, image_size=SIZE[:2]), before


class TestEveryBuild:
    def test_probabilities_are_those_of_predict(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, _, explained, before = built
        assert explained.head == "softmax"
        assert explained.input_size == SIZE
        np.testing.assert_allclose(explained.predict(make_images()).probabilities, before, rtol=1e-5, atol=1e-7)
        active = explained.activations(make_images(), np.zeros(BATCH, int))
        np.testing.assert_allclose(active.predictions.probabilities, before, rtol=1e-5, atol=1e-7)

    def test_log_odds_follow_from_the_probabilities(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, _, explained, before = built
        p = before.astype(np.float64)
        np.testing.assert_allclose(explained.predict(make_images()).log_odds, np.log(p / (1 - p)), rtol=1e-3, atol=1e-4)

    def test_the_layer_is_the_last_with_a_grid(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        name, _, explained, _ = built
        _, path, grid = BUILDS[name]
        assert explained.grid == grid
        assert path in (None, explained.layer)
        assert explained.activations(make_images(), np.zeros(BATCH, int)).values.shape[:3] == (BATCH, *grid)

    def test_the_model_is_left_as_it_was(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, model, explained, before = built
        explained.activations(make_images(), np.zeros(BATCH, int))
        assert np.array_equal(model.predict(make_images(), verbose=0), before)
        for layer in (model, *model._flatten_layers()):
            assert "call" not in layer.__dict__

    def test_the_number_of_images_does_not_matter(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, _, explained, _ = built
        images, labels = make_images(), np.array([0, 1, 2, 0, 1])
        whole = explained.activations(images, labels)
        for n in range(1, BATCH):
            part = explained.activations(images[:n], labels[:n])
            assert len(explained.predict(images[:n]).log_odds) == n
            for name in ("values", "gradients", "gradients_label"):
                np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[:n], rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(part.predictions.log_odds, whole.predictions.log_odds[:n], rtol=1e-6)

    def test_gradients_point_where_the_log_odds_go(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        """No map is blank, and maps of a misclassified image's two classes differ."""
        _, _, explained, _ = built
        predicted = explained.predict(make_images()).predicted
        active = explained.activations(make_images(), predicted)
        assert np.array_equal(active.gradients, active.gradients_label)
        assert (np.abs(active.gradients).max(axis=(1, 2, 3)) > 0).all()
        other = explained.activations(make_images(), (predicted + 1) % 3)
        np.testing.assert_allclose(other.gradients, active.gradients, rtol=1e-6, atol=1e-9)
        assert (np.abs(other.gradients_label - active.gradients).max(axis=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("name", "where"),
    [("sequential", "second"), ("functional", "joined"), ("functional", "side"), ("nested", "backbone/first")],
)
def test_gradients_against_a_model_split_in_two(name: str, where: str) -> None:
    """The textbook way, where the graph allows it: head(features) with the features watched, target in float64."""
    keras.utils.set_random_seed(10)
    model = BUILDS[name][0]()
    explained = make_model(model, 3, layer=where)
    assert explained.layer == where
    images = make_images(seed=4)
    predicted = explained.predict(images).predicted
    labels = np.where(np.arange(BATCH) % 2, predicted, (predicted + 1) % 3)  # every second image is misclassified
    active = explained.activations(images, labels)

    owner = model.get_layer("backbone") if name == "nested" else model
    scaled = images * 2 if name == "nested" else images
    layer = owner.get_layer(where.rpartition("/")[2])
    features = keras.Model(owner.inputs[0], layer.output)(scaled)
    rest = keras.Model(layer.output, owner.outputs[0]) if name != "functional" or where != "side" else None
    if rest is None:  # the side branch joins the first convolution: feed that as well
        rest = keras.Model([layer.output, owner.get_layer("first").output], owner.outputs[0])
        beside = keras.Model(owner.inputs[0], owner.get_layer("first").output)(scaled)
    for asked, gradients in ((predicted, active.gradients), (labels, active.gradients_label)):
        with tf.GradientTape() as tape:
            tape.watch(features)
            output = rest([features, beside]) if where == "side" else rest(features)
            if name == "nested":
                output = model.layers[-1](model.layers[-2](output))
            log_p = tf.math.log(tf.cast(output, tf.float64))
            target = 0.0
            for i, c in enumerate(asked):
                others = [j for j in range(3) if j != c]
                target += log_p[i, c] - tf.reduce_logsumexp(tf.gather(log_p[i], others))
        expected = tape.gradient(target, features).numpy()
        np.testing.assert_allclose(gradients, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(active.values, features.numpy(), rtol=1e-5, atol=1e-6)


def test_a_shared_layer_is_explained_where_it_runs_last() -> None:
    keras.utils.set_random_seed(11)
    model = networks.shared()
    again, dense = model.get_layer("again"), model.layers[-1]
    explained = make_model(model, 3)
    active = explained.activations(make_images(), explained.predict(make_images()).predicted)
    np.testing.assert_allclose(active.values, again(again(make_images())).numpy(), rtol=1e-5, atol=1e-6)
    # One dense layer behind it: the gradient is the kernel under the log-odds weights, whatever ran before.
    kernel = dense.kernel.numpy().astype(np.float64)
    p = model.predict(make_images(), verbose=0).astype(np.float64)
    for i, c in enumerate(active.predictions.predicted):
        q = np.where(np.arange(3) == c, 0, p[i]) / (1 - p[i, c])
        expected = (kernel[:, c] - kernel @ q).reshape(active.values.shape[1:])
        np.testing.assert_allclose(active.gradients[i], expected, rtol=1e-3, atol=1e-5)
