"""Models with several outputs: the one that is asked for is audited, as if it stood alone; without it, one sentence."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import BATCH, SIZE, class_names, layers, make_images, make_model

from bias_audit.cli.command_line import main
from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.doors import load_model


def _parts() -> tuple[Any, Any, Any]:
    """Input, a softmax over three classes, and an embedding of four numbers from other weights."""
    keras.utils.set_random_seed(31)
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="last")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    wide = keras.initializers.RandomNormal(stddev=5)
    probabilities = layers.Dense(3, activation="softmax", kernel_initializer=wide, name="probabilities")(x)
    return inputs, probabilities, layers.Dense(4, kernel_initializer=wide, name="embedding")(x)


@functools.cache
def _alone() -> Any:
    """The model of the probabilities, as every call of `_parts` has them."""
    inputs, probabilities, _ = _parts()
    return make_model(keras.Model(inputs, probabilities), 3)


KINDS = {
    "list": lambda p, e: [p, e],
    "dict": lambda p, e: {"probabilities": p, "embedding": e},
}


def _same(model: Any, alone: Any) -> None:
    """The model predicts and is explained as the model of that output alone."""
    images, labels = make_images(), np.arange(BATCH) % 3
    ours, theirs = model.activations(images, labels), alone.activations(images, labels)
    assert np.ptp(theirs.predictions.probabilities, axis=0).max() > 0.05  # exchanged images would be noticed
    for predictions in (ours.predictions, model.predict(images)):
        np.testing.assert_allclose(predictions.probabilities, theirs.predictions.probabilities, rtol=1e-5, atol=1e-7)
    scale = np.abs(theirs.gradients_label).max()
    assert scale > 0
    np.testing.assert_allclose(ours.gradients_label, theirs.gradients_label, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", ["probabilities", "0"])
def test_a_keras_model_and_its_file(tmp_path: Path, kind: str, asked: str) -> None:
    inputs, p, e = _parts()
    model = keras.Model(inputs, KINDS[kind](p, e))
    _same(make_model(model, 3, output=asked), _alone())
    model.save(tmp_path / "two.keras")
    config = AuditConfig(batch_size=BATCH, output=asked)
    _same(load_model(tmp_path / "two.keras", config, class_names(3)), _alone())


def test_the_other_output_is_another_model() -> None:
    inputs, p, e = _parts()
    model = make_model(keras.Model(inputs, [p, e]), 4, output="embedding")
    assert (model.head, model.outputs) == ("logits", 4)
    _same(model, make_model(keras.Model(inputs, e), 4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model(tmp_path: Path, kind: str) -> None:
    """Exported lists have names by their places; the places of a dict are those of the sorted names."""
    inputs, p, e = _parts()
    keras.Model(inputs, KINDS[kind](p, e)).export(tmp_path / "two", verbose=False)
    for asked in ("output_0", "0") if kind == "list" else ("probabilities", "1"):
        _same(load_model(tmp_path / "two", AuditConfig(batch_size=BATCH, output=asked), class_names(3)), _alone())


def test_one_output_in_a_collection_is_the_output(tmp_path: Path) -> None:
    inputs, p, _ = _parts()
    for number, made in enumerate(({"probabilities": p}, [p])):
        model = keras.Model(inputs, made)
        _same(make_model(model, 3), _alone())
        model.save(tmp_path / f"{number}.keras")
        _same(load_model(tmp_path / f"{number}.keras", AuditConfig(batch_size=BATCH), class_names(3)), _alone())


def test_keras_2() -> None:
    old = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")
    inputs = old.Input(SIZE)
    x = old.layers.GlobalAveragePooling2D()(old.layers.Conv2D(5, 3, activation="relu")(inputs))
    wide = old.initializers.RandomNormal(stddev=5)
    p = old.layers.Dense(3, activation="softmax", kernel_initializer=wide, name="probabilities")(x)
    model = old.Model(inputs, [old.layers.Dense(4, name="embedding")(x), p])
    alone = make_model(old.Model(inputs, p), 3)
    for asked in ("probabilities", "1"):
        _same(make_model(model, 3, output=asked), alone)


class TestRefused:
    SAID = "the model has 2 outputs, 'probabilities' (N, 3), 'embedding' (N, 4); one classification head is needed"

    @pytest.mark.parametrize("kind", KINDS)
    def test_without_a_choice_the_outputs_are_listed(self, kind: str) -> None:
        inputs, p, e = _parts()
        with pytest.raises(ModelError) as caught:
            make_model(keras.Model(inputs, KINDS[kind](p, e)), 3)
        assert caught.value.message == self.SAID
        assert caught.value.hint == "Choose one with --output, by its name or by its place from 0 to 1."

    @pytest.mark.parametrize("asked", ["logits", "2", "-1", ""])
    def test_no_such_output(self, tmp_path: Path, asked: str) -> None:
        inputs, p, e = _parts()
        model = keras.Model(inputs, [p, e])
        with pytest.raises(ConfigError) as caught:
            make_model(model, 3, output=asked)
        assert caught.value.message == f"the model has no output {asked!r}"
        assert caught.value.hint == "It has 'probabilities' (N, 3), 'embedding' (N, 4); places count from 0."
        model.export(tmp_path / "two", verbose=False)
        with pytest.raises(ConfigError, match="has no output"):
            load_model(tmp_path / "two", AuditConfig(output=asked), None)

    def test_an_output_that_is_no_vector(self) -> None:
        image = keras.Input(SIZE)
        maps = layers.Conv2D(4, 3, name="maps")(image)
        model = keras.Model(image, [maps, layers.GlobalAveragePooling2D()(maps)])
        with pytest.raises(ModelError, match=r"no classifier: its output has shape \(5, 10, 14, 4\)"):
            make_model(model, 4, output="0")

    def test_code_that_predicts_has_one(self) -> None:
        def predict(images: Any) -> Any:
            return tf.ones((len(images), 2)) / 2

        with pytest.raises(ConfigError, match="is code that predicts, with one output"):
            load_model(predict, AuditConfig(output="0"), None)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs, p, e = _parts()
    keras.Model(inputs, [e, p]).save(tmp_path / "two.keras")
    assert main(["inspect", str(tmp_path / "two.keras"), "--quiet"]) == 2
    assert "'embedding' (N, 4), 'probabilities' (N, 3)" in capsys.readouterr().err
    settings = tmp_path / "audit.toml"
    settings.write_text('[audit]\noutput = "probabilities"\n')
    for options in (["--output", "1"], ["--config", str(settings)]):
        assert main(["inspect", str(tmp_path / "two.keras"), "--quiet", "--json", *options]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert (facts["head"], facts["outputs"]) == ("softmax", 3)
