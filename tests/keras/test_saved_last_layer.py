"""The last linear layer of SavedModels: what it gets, its weights, and the model in memory with other weights in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
import tensorflow as tf
from networks import BATCH, SIZE, class_names, make_images

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.base import Linear
from bias_audit.models.doors import load_model
from bias_audit.models.last_layer import last_layer, read_logits


def opened(folder: Path) -> Any:
    return load_model(folder, AuditConfig(batch_size=BATCH), class_names(3))


class Turned(tf.Module):
    """Means of feature maps times weights that lie turned, in half precision, with a bias of one row."""

    def __init__(self, *, last: bool = True) -> None:
        rng, self.last = np.random.default_rng(3), last
        self.kernel = tf.Variable(rng.normal(0, 0.5, (3, 3, 3, 4)).astype(np.float32))
        self.dense = tf.Variable(rng.normal(0, 1, (3, 4)).astype(np.float16))
        self.bias = tf.Variable(rng.normal(0, 1, (1, 3)).astype(np.float16))

    def __call__(self, photo: Any) -> Any:
        maps = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(photo / 100, self.kernel, 2, "SAME")), [1, 2])
        made = tf.matmul(tf.cast(maps, tf.float16), self.dense, transpose_b=True) + self.bias
        return tf.nn.softmax(tf.cast(made, tf.float32) if self.last else maps[:, :3] ** 2)


def saved(module: tf.Module, folder: Path) -> Path:
    module.function = tf.function(module)
    asked = module.function.get_concrete_function(tf.TensorSpec((None, *SIZE), tf.float32, name="photo"))
    tf.saved_model.save(module, str(folder), signatures=asked)
    return folder


def exported(folder: Path) -> Path:
    networks.functional().export(folder, verbose=False)
    return folder


@pytest.mark.parametrize("make", [exported, lambda folder: saved(Turned(), folder)])
def test_a_changed_model_predicts_with_the_new_weights_and_the_model_stays(make: Any, tmp_path: Path) -> None:
    model, images = opened(make(tmp_path / "saved")), make_images(BATCH + 1)
    found, before = last_layer(model), model.predict(images).log_odds
    said = read_logits(found.head, found.linear.logits(found.features(images)))
    assert np.allclose(said.log_odds, before, atol=2e-2)
    assert found.endings == ()
    rng = np.random.default_rng(1)
    new = Linear(rng.normal(size=found.linear.weights.shape), rng.normal(size=3))
    other = found.changed(new)
    said = read_logits(found.head, new.logits(found.features(images)))
    assert np.allclose(other.predict(images).log_odds, said.log_odds, atol=2e-2)
    assert not np.allclose(before, said.log_odds, atol=0.1)
    assert np.array_equal(model.predict(images).log_odds, before)
    again = last_layer(other)
    assert np.allclose(again.linear.weights, new.weights, atol=2e-3)
    assert np.allclose(again.linear.bias, new.bias, atol=2e-3)
    assert (other.layer, other.grid) == (model.layer, model.grid)
    assert len({model.sha256, other.sha256, found.changed(Linear(new.weights, new.bias + 1)).sha256}) == 3
    assert found.changed(new).sha256 == other.sha256


def test_the_features_are_the_means_that_the_layer_gets(tmp_path: Path) -> None:
    module, images = Turned(), make_images(3)
    found = last_layer(opened(saved(module, tmp_path / "saved")))
    maps = tf.nn.relu(tf.nn.conv2d(images / 100, module.kernel, 2, "SAME"))
    assert np.allclose(found.features(images), np.mean(maps, axis=(1, 2)), rtol=2e-3)
    assert np.array_equal(found.linear.weights, module.dense.numpy().T)
    assert np.array_equal(found.linear.bias, module.bias.numpy()[0])


def test_a_graph_that_ends_in_something_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no last linear layer: .* no product with fixed weights"):
        last_layer(opened(saved(Turned(last=False), tmp_path / "saved")))
