"""The last linear layer of Keras models: what it gets, its weights, and files with other weights in it."""

from __future__ import annotations

import io
import zipfile

import h5py
import keras
import numpy as np
import pytest
from networks import SIZE, functional, layers, make_images, make_model, nested, nested_twice, sequential

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.base import Linear
from bias_audit.models.doors import load_model
from bias_audit.models.last_layer import last_layer, read_logits


def other(found, seed: int = 1) -> Linear:
    rng = np.random.default_rng(seed)
    return Linear(rng.normal(size=found.linear.weights.shape), rng.normal(size=found.linear.weights.shape[1]))


def trained() -> keras.Model:
    """A model with the state of an optimiser, whose moments have the shapes of the weights."""
    net = functional()
    net.compile("adam", "sparse_categorical_crossentropy")
    net.fit(make_images(8), np.arange(8) % 3, epochs=1, verbose=0)
    return net


@pytest.mark.parametrize("make", [sequential, functional, nested, nested_twice])
def test_features_and_weights_give_the_predictions(make):
    model, images = make_model(make(), 3), make_images(7)
    found = last_layer(model)
    features = found.features(images)
    assert features.shape == (7, len(found.linear.weights))
    said = read_logits(found.head, found.linear.logits(features))
    assert np.allclose(said.log_odds, model.predict(images).log_odds, atol=1e-3)


def arrays(data: bytes) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with h5py.File(io.BytesIO(data)) as file:
        file.visititems(lambda name, part: found.update({name: part[()].tobytes()}) if hasattr(part, "dtype") else None)
    return found


def test_a_written_archive_differs_in_two_arrays_alone(tmp_path):
    trained().save(tmp_path / "old.keras")
    model = load_model(tmp_path / "old.keras", AuditConfig(batch_size=5), None)
    found = last_layer(model)
    new = other(found)
    found.write(new, tmp_path / "new.keras")
    one, two = (zipfile.ZipFile(tmp_path / name) for name in ("old.keras", "new.keras"))
    assert one.namelist() == two.namelist()
    same = [name for name in one.namelist() if one.read(name) == two.read(name)]
    assert set(one.namelist()) - set(same) == {"model.weights.h5"}
    before, after = (arrays(each.read("model.weights.h5")) for each in (one, two))
    assert set(before) == set(after)
    assert sum(before[name] != after[name] for name in before) == 2
    again, images = load_model(tmp_path / "new.keras", AuditConfig(batch_size=5), None), make_images(6)
    said = read_logits(found.head, new.logits(found.features(images)))
    assert np.allclose(again.predict(images).log_odds, said.log_odds, atol=1e-3)


def test_a_written_hdf5_file_predicts_with_the_new_weights(tmp_path):
    trained().save(tmp_path / "old.h5")
    found = last_layer(load_model(tmp_path / "old.h5", AuditConfig(batch_size=5), None))
    new, images = other(found), make_images(6)
    found.write(new, tmp_path / "new.h5")
    again = load_model(tmp_path / "new.h5", AuditConfig(batch_size=5), None)
    said = read_logits(found.head, new.logits(found.features(images)))
    assert np.allclose(again.predict(images).log_odds, said.log_odds, atol=1e-3)


def test_a_model_in_memory_is_saved_with_them_and_left_as_it_was(tmp_path):
    net, images = functional(), make_images(6)
    model = make_model(net, 3)
    found = last_layer(model)
    before, new = [each.numpy() for each in net.weights], other(found)
    found.write(new, tmp_path / "new.keras")
    assert all(np.array_equal(one, two.numpy()) for one, two in zip(before, net.weights, strict=True))
    again = load_model(tmp_path / "new.keras", AuditConfig(batch_size=5), None)
    said = read_logits(found.head, new.logits(found.features(images)))
    assert np.allclose(again.predict(images).log_odds, said.log_odds, atol=1e-3)


def test_a_layer_without_bias_and_a_single_unit(tmp_path):
    inputs = keras.Input(SIZE)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3, activation="relu")(inputs))
    keras.Model(inputs, layers.Dense(1, activation="sigmoid", use_bias=False)(x)).save(tmp_path / "one.keras")
    found = last_layer(load_model(tmp_path / "one.keras", AuditConfig(batch_size=5), None))
    assert found.linear.bias is None
    found.write(Linear(found.linear.weights + 1, None), tmp_path / "new.keras")
    again = last_layer(load_model(tmp_path / "new.keras", AuditConfig(batch_size=5), None))
    assert np.allclose(again.linear.weights, found.linear.weights + 1, atol=1e-6)


def test_a_model_that_ends_in_a_convolution_is_told():
    inputs = keras.Input(SIZE)
    net = keras.Model(inputs, layers.Softmax()(layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3)(inputs))))
    with pytest.raises(ModelError, match="no last linear layer"):
        last_layer(make_model(net, 3))
