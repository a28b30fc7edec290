"""The explained layer is one that the head still reads; where there is none, that is said and nothing is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import networks
import numpy as np
import pytest
import tensorflow as tf
import token_networks
from networks import BATCH, SIZE, class_names, layers, make_images, make_model

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.doors import load_model
from bias_audit.models.tensorflow.keras_model import NO_LAYER

LABELS = np.arange(BATCH) % 3


class Frozen(keras.Model):
    """A backbone that no gradient is to reach, and what is made of its features."""

    def __init__(self, *rest: Any) -> None:
        super().__init__()
        self.backbone, self.rest = networks.backbone(), list(rest)

    def call(self, images: Any) -> Any:
        x = tf.stop_gradient(self.backbone(images))
        for layer in self.rest:
            x = layer(x)
        return x


class Gate(keras.Model):
    """The last convolution that runs only weighs features, and no gradient reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="features")
        self.gate = layers.Conv2D(5, 1, activation="sigmoid", name="gate")
        self.pool, self.out = layers.GlobalAveragePooling2D(), layers.Dense(3)

    def call(self, images: Any) -> Any:
        x = self.features(images)
        gate = tf.stop_gradient(self.gate(x))
        return tf.nn.softmax(self.out(self.pool(x) * self.pool(gate)))


def _built(model: Any) -> Any:
    model(make_images(1))
    return model


def _functional() -> Any:
    inputs = keras.Input(SIZE)
    x = keras.ops.stop_gradient(networks.backbone()(inputs))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _subclassed() -> Any:
    return _built(Frozen(layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")))


class TestStoppedGradients:
    @pytest.mark.parametrize("build", [_functional, _subclassed])
    def test_behind_everything_there_is_nothing_to_explain(self, build: Any) -> None:
        """A map there would be constant, and be scored as if it said something."""
        model = build()
        explained = make_model(model, 3, image_size=SIZE[:2])
        assert (explained.layer, explained.grid, explained.differentiable) == ("", (1, 1), False)
        assert explained.notes == (NO_LAYER,)
        assert Explainer(explained, "default", lambda x: x).name == "none"
        said = explained.predict(make_images()).probabilities
        np.testing.assert_allclose(said, model.predict(make_images(), verbose=0), rtol=1e-5, atol=1e-7)

    def test_a_layer_that_is_asked_for_is_named(self) -> None:
        explained = make_model(_functional(), 3, layer="second")
        assert not explained.differentiable
        assert explained.notes[0].startswith("The model gives no gradient at backbone/second: only methods")

    def test_what_follows_is_explained(self) -> None:
        after = layers.Conv2D(4, 3, activation="relu", name="after")
        head = (layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax"))
        explained = make_model(_built(Frozen(after, *head)), 3, image_size=SIZE[:2])
        assert (explained.layer, explained.differentiable, explained.notes) == ("after", True, ())

    def test_a_dead_last_layer_leaves_the_one_before(self, tmp_path: Path) -> None:
        keras.utils.set_random_seed(4)
        model = _built(Gate())
        explained = make_model(model, 3, image_size=SIZE[:2])
        assert [path for path, _ in explained.layers] == ["features", "gate"]
        assert (explained.layer, explained.differentiable) == ("features", True)
        active = explained.activations(make_images(), LABELS)
        assert (np.ptp((active.values * active.gradients).sum(axis=3), axis=(1, 2)) > 0).all()
        model.export(tmp_path / "saved", verbose=False)
        config = AuditConfig(batch_size=BATCH, image_size=SIZE[:2])
        saved = load_model(tmp_path / "saved", config, class_names(3))
        assert saved.layers[-1][0] != saved.layer  # the gate ran last, or this shows nothing
        assert "/features" in saved.layer
        assert saved.differentiable
        theirs = saved.activations(make_images(), LABELS)
        np.testing.assert_allclose(theirs.gradients, active.gradients, rtol=1e-4, atol=1e-7)

    def test_the_branch_of_another_output_is_not_explained(self) -> None:
        keras.utils.set_random_seed(5)
        inputs = keras.Input(SIZE)
        x = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="shared")(inputs)
        p = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
        for number in range(3):
            x = layers.Conv2D(4, 3, padding="same", name=f"decoder_{number}")(x)
        model = keras.Model(inputs, [p, x])
        explained = make_model(model, 3, output="0")
        assert explained.layers[-1][0] == "decoder_2"
        assert explained.layer == "shared"


@pytest.mark.parametrize("width", [20, token_networks.TOKENS])
def test_a_mixer_is_explained_at_its_last_tokens(width: int) -> None:
    """HiResCAM behind a mean and one dense layer is CAM: the tokens times the weights of the class, by hand."""
    keras.utils.set_random_seed(6)
    model = token_networks.mixer(width)
    explained = make_model(model, 3)
    assert (explained.layer, explained.grid) == ("norm", token_networks.GRID)
    images = token_networks.images(BATCH)
    maps = Explainer(explained, "hires_cam", lambda x: x).explain(images, LABELS).maps_label
    tokens = keras.Model(model.inputs[0], model.get_layer("norm").output).predict(images, verbose=0)
    kernel = model.get_layer("head").get_weights()[0].astype(np.float64)
    p = model.predict(images, verbose=0).astype(np.float64)
    for i, c in enumerate(LABELS):
        others = np.where(np.arange(3) == c, 0, p[i]) / (1 - p[i, c])
        weights = (kernel[:, c] - kernel @ others) / token_networks.TOKENS
        expected = (tokens[i] @ weights).reshape(token_networks.GRID)
        np.testing.assert_allclose(maps[i], expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an exported classifier."""
    keras.utils.set_random_seed(7)
    folder = tmp_path_factory.mktemp("inner") / "saved"
    networks.functional().export(folder, verbose=False)
    return folder


class TestSavedModelInALayer:
    """TFSMLayer: Keras sees none of the layers inside."""

    @pytest.mark.parametrize("endpoint", ["serve", "serving_default"])
    def test_in_memory_it_predicts_and_says_what_to_do_for_heatmaps(self, folder: Path, endpoint: str) -> None:
        """Under the signature its output is one in a dict."""
        inputs = keras.Input(SIZE)
        model = keras.Model(inputs, layers.TFSMLayer(folder, call_endpoint=endpoint, name="inner")(inputs))
        explained = make_model(model, 3)
        assert explained.notes == (
            NO_LAYER,
            "The layer inner runs a SavedModel (TFSMLayer), whose layers Keras does not show: audit that folder itself "
            "for heatmaps.",
        )
        expected = load_model(folder, AuditConfig(batch_size=BATCH), class_names(3)).predict(make_images())
        np.testing.assert_allclose(
            explained.predict(make_images()).probabilities, expected.probabilities, rtol=1e-5, atol=1e-7
        )

    def test_a_file_is_refused_and_the_folder_named(self, folder: Path, tmp_path: Path) -> None:
        """The folder that it names could be any of the machine."""
        inputs = keras.Input(SIZE)
        keras.Model(inputs, layers.TFSMLayer(str(folder))(inputs)).save(tmp_path / "m.keras")
        with pytest.raises(ModelError, match="loads another model by its path") as caught:
            load_model(tmp_path / "m.keras", AuditConfig(), None)
        assert caught.value.hint == (
            "Audit the folder of that SavedModel instead, or load the model in Python yourself and call "
            "bias_audit.audit(model, data)."
        )
