"""What people save with Keras 2 and 3 still loads, and predicts what it predicted when it was saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.doors import load_model
from bias_audit.models.tensorflow.file_safety import Source, check_configuration
from bias_audit.models.tensorflow.loading import load_keras

tf_keras = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")
layers = tf_keras.layers

FAMILIES: dict[str, tuple[str, dict[str, Any], int]] = {
    "MobileNet": (".keras", {"alpha": 0.25}, 32),
    "MobileNetV2": (".keras", {"alpha": 0.35}, 32),
    "MobileNetV3Small": (".keras", {"alpha": 0.75}, 32),
    "EfficientNetB0": (".h5", {}, 32),
    "EfficientNetV2B0": (".h5", {}, 32),
    "DenseNet121": (".h5", {}, 32),
    "ResNet50V2": (".h5", {}, 32),
    "Xception": (".h5", {}, 71),
    "InceptionV3": (".h5", {}, 75),
    "RegNetX002": (".keras", {}, 32),
}

QUICK = ("MobileNetV3Small", "EfficientNetB0", "Xception")
"""Those of every test run: arithmetic on tensors, normalisation inside, separable convolutions; both kinds of file."""


def _same(path: Path, network: Any, **options: Any) -> Any:
    """Saved, loaded, and both asked about the same pictures."""
    network.save(path)
    loaded = load_keras(path, **options)
    images = np.random.default_rng(5).uniform(0, 255, (2, *network.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(
        np.asarray(loaded(images, training=False)), np.asarray(network(images, training=False)), rtol=1e-4, atol=1e-5
    )
    return loaded


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.families) for name in FAMILIES]
)
def test_a_family_of_keras_2(tmp_path: Path, name: str) -> None:
    suffix, options, side = FAMILIES[name]
    network = getattr(tf_keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=3, **options)
    _same(tmp_path / f"m{suffix}", network)


def test_a_family_with_classes_of_its_own(tmp_path: Path) -> None:
    """ConvNeXt's LayerScale is in no table of Keras 2, so Keras 2 itself wants it named."""
    inputs = tf_keras.Input((16, 16, 3))
    module = tf_keras.src.applications.convnext
    x = module.LayerScale(1e-6, 4, name="scale")(layers.Conv2D(4, 4, strides=4)(inputs))
    network = tf_keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    _same(tmp_path / "m.h5", network, custom_objects="tf_keras.src.applications.convnext")
    with pytest.raises(ModelError, match="custom object 'LayerScale'") as caught:
        load_keras(tmp_path / "m.h5")
    assert "--custom-objects MODULE" in caught.value.hint


def _arithmetic() -> Any:
    inputs = tf_keras.Input((20, 24, 3))
    x = inputs / 255.0 - 0.5
    x = (x - tf.constant([0.1, 0.2, 0.3])) * 2.0 + tf.reduce_mean(x, axis=[1, 2], keepdims=True)
    x = tf.image.resize(x, (16, 16))[:, 2:, 1:-1, ::-1]
    x = tf.nn.relu6(tf.nn.leaky_relu(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])))
    x = tf.concat([x, tf.abs(x), tf.square(x)], axis=-1)
    x = layers.Conv2D(4, 3, activation=tf.nn.swish)(x)
    parts = tf.split(x, 2, axis=-1)
    x = tf.where(parts[0] > 0.0, parts[0], tf.stop_gradient(parts[1])) ** 2.0
    x = tf.clip_by_value(tf.math.l2_normalize(x, axis=-1), -1.0, 1.0)
    x = tf.transpose(tf.reshape(x, (-1, tf.shape(x)[1] * tf.shape(x)[2], 2)), (0, 2, 1))
    x = tf.math.reduce_std(tf.cast(x, tf.float32), axis=-1) + tf.squeeze(tf.expand_dims(x[:, :, 0], 1), 1)
    return tf_keras.Model(inputs, layers.Dense(3)(x))


def _transformer() -> Any:
    """A small ViT in functional style: patches by TensorFlow, attention by hand and by a layer."""
    inputs = tf_keras.Input((16, 16, 3))
    patches = tf.image.extract_patches(inputs / 127.5 - 1.0, [1, 4, 4, 1], [1, 4, 4, 1], [1, 1, 1, 1], "VALID")
    x = layers.Dense(8)(tf.reshape(patches, (-1, 16, 48)))
    x = x + layers.Embedding(16, 8)(tf.range(16))
    weights = tf.nn.softmax(tf.matmul(layers.Dense(8)(x), layers.Dense(8)(x), transpose_b=True) / 8.0**0.5)
    x = layers.LayerNormalization()(x + tf.matmul(weights, layers.Dense(8)(x)))
    x = x + layers.MultiHeadAttention(2, 4)(x, x)
    x = x + layers.Dense(8)(tf.nn.gelu(layers.Dense(16)(x)))
    return tf_keras.Model(inputs, layers.Dense(3, activation="softmax")(tf.reduce_mean(x, axis=1)))


def _settings() -> Any:
    """Initialisers, regularisers, constraints and activations, as texts and as objects; wrappers; training settings."""
    inputs = tf_keras.Input((8, 8, 3))
    x = layers.RandomFlip()(layers.Rescaling(1 / 127.5, offset=-1)(inputs))
    x = layers.Conv2D(4, 3, kernel_regularizer="l2", bias_initializer=tf.constant_initializer(0.1), dtype="float32")(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.Activation("gelu")(x))
    x = layers.TimeDistributed(layers.Dense(4, kernel_constraint=tf_keras.constraints.MaxNorm(2.0)))(x)
    x = layers.Bidirectional(layers.LSTM(3, recurrent_activation="hard_sigmoid"))(layers.Reshape((36, 4))(x))
    inner = tf_keras.Sequential(
        [tf_keras.Input((6,)), layers.Dense(5, activity_regularizer=tf_keras.regularizers.L1L2())]
    )
    inner.compile("adam", "mse", metrics=["accuracy"])
    outputs = layers.Dense(3, activation="softmax", kernel_initializer="he_normal")(inner(x))
    model = tf_keras.Model(inputs, outputs)
    model.compile(tf_keras.optimizers.AdamW(1e-3), tf_keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    return model


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("build", [_arithmetic, _transformer, _settings])
def test_models_in_functional_style(tmp_path: Path, build: Callable[[], Any], suffix: str) -> None:
    _same(tmp_path / f"m{suffix}", build())


def test_it_is_audited_too(tmp_path: Path) -> None:
    network = _arithmetic()
    network.save(tmp_path / "m.h5")
    model = load_model(tmp_path / "m.h5", AuditConfig(batch_size=2), ("a", "b", "c"))
    images = np.random.default_rng(6).uniform(0, 255, (2, 20, 24, 3)).astype(np.float32)
    raw = network.predict(images, verbose=0).astype(np.float64)
    expected = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(images).probabilities, expected, rtol=1e-4, atol=1e-6)


def test_pieces_of_graphs_of_older_tensorflow(tmp_path: Path) -> None:
    """TensorFlow 2.0 to 2.3 wrote `x / 255.` as an operation of a graph."""
    from hostile import functional, layer, write_h5

    node = {"name": "truediv", "op": "RealDiv", "input": ["in", "y"], "attr": {"T": {"type": "DT_FLOAT"}}}
    part = layer("TensorFlowOpLayer", {"node_def": node, "constants": {"1": 255.0}, "dtype": "float32"})
    model = functional(part)
    model["config"]["output_layers"] = [["x", 0, 0]]
    loaded = load_keras(write_h5(tmp_path / "m.h5", model))
    np.testing.assert_allclose(np.asarray(loaded(np.full((1, 8, 8, 3), 51.0, np.float32))), 0.2, rtol=1e-6)


@pytest.mark.parametrize("build", ["operations", "settings"])
def test_keras_3(tmp_path: Path, build: str) -> None:
    make, ops = keras.layers, keras.ops
    inputs = keras.Input((16, 16, 3))
    if build == "operations":
        x = ops.image.resize((inputs / 255.0 - 0.5)[:, ::2, 1:-1], (8, 8))
        x = ops.relu(ops.concatenate([x, ops.abs(x)], axis=-1))
        x = ops.einsum("bhwc,cd->bhwd", x, np.ones((6, 4), np.float32))
        x = ops.mean(x, axis=(1, 2)) + ops.squeeze(ops.expand_dims(ops.max(x, axis=(1, 2)), 1), 1)
    else:
        x = make.RandAugment()(inputs)
        x = make.Dropout(0.5, seed=3)(make.Normalization(mean=[1, 2, 3], variance=[1, 1, 1])(x))
        x = make.Conv2D(4, 3, kernel_regularizer="l2", bias_constraint=keras.constraints.MaxNorm(2))(x)
        x = make.Reshape((-1, 4))(make.Activation(keras.ops.gelu)(x))
        x = make.Bidirectional(make.GRU(3))(make.MultiHeadAttention(2, 4)(x, x))
        inner = keras.Sequential([keras.Input((6,)), make.Dense(4, activation=keras.activations.log_softmax)])
        inner.compile("adam", "mse", metrics=[keras.metrics.AUC()])
        x = inner(x)
    network = keras.Model(inputs, make.Dense(3, dtype=keras.DTypePolicy("float32"))(x))
    network.compile(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(0.1, 10)), lambda y, p: p)
    _same(tmp_path / "m.keras", network)


def test_a_custom_layer_gives_its_own_texts_a_meaning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
import keras

class Block(keras.layers.Layer):
    def __init__(self, activation="half", **options):
        super().__init__(**options)
        self.activation = activation

    def call(self, x):
        return x / 2 if self.activation == "half" else x

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}
"""
    (tmp_path / "block_objects.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from block_objects import Block

    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(Block()(inputs))))
    _same(tmp_path / "m.keras", network, custom_objects="block_objects")


def test_classifiers_of_keras_hub_are_known() -> None:
    """Only the check: the package itself need not be there."""

    def part(module: str, kind: str, settings: dict[str, Any]) -> dict[str, Any]:
        home = f"keras_hub.src.models.resnet.{module}"
        return {"module": home, "class_name": kind, "config": settings, "registered_name": f"keras_hub>{kind}"}

    backbone = part("resnet_backbone", "ResNetBackbone", {"stackwise_num_blocks": [2, 2], "block_type": "basic_block"})
    converter = part("resnet_image_converter", "ResNetImageConverter", {"image_size": [224, 224]})
    inside = {"image_converter": converter}
    preprocessor = part("resnet_image_classifier_preprocessor", "ResNetImageClassifierPreprocessor", inside)
    settings = {"backbone": backbone, "preprocessor": preprocessor, "num_classes": 2, "activation": "softmax"}
    model = part("resnet_image_classifier", "ResNetImageClassifier", settings)
    check_configuration(Source(Path("m.keras"), lambda name: False, None), model)
