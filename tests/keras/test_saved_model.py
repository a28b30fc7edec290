"""SavedModel folders from Keras 3, Keras 2 and plain TensorFlow: the same numbers as the model that was saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import networks
import numpy as np
import pytest
import tensorflow as tf
from networks import BATCH, SIZE, class_names, layers, make_images, make_model

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.doors import load_model
from bias_audit.models.tensorflow.framework import saved_model_pb2


def _load(folder: Path, classes: int = 3, **config: Any) -> Any:
    return load_model(folder, AuditConfig(**{"batch_size": BATCH, **config}), class_names(classes))


def _exported(model: Any, folder: Path) -> Path:
    model.export(folder, verbose=False)
    return folder


class Net(tf.Module):
    """conv -> ReLU -> what a test puts behind it, without Keras."""

    def __init__(self, head: Callable[[Any], Any], kernel: Any | None = None) -> None:
        rng = np.random.default_rng(0)
        self.kernel = tf.Variable(rng.normal(0, 0.5, (3, 3, 3, 4)).astype(np.float32) if kernel is None else kernel)
        self.dense = tf.Variable(rng.normal(0, 1, (4, 3)).astype(np.float32))
        self.head = head

    def features(self, images: Any) -> Any:
        return tf.nn.relu(tf.nn.conv2d(tf.cast(images, tf.float32), self.kernel, 2, "SAME", name="conv"))

    def __call__(self, images: Any) -> Any:
        return self.head(tf.matmul(tf.reduce_mean(self.features(images), [1, 2]), self.dense))


def _saved(function: Callable[..., Any], folder: Path, *specs: Any, module: tf.Module | None = None) -> Path:
    """Saved by plain TensorFlow under the signature serving_default."""
    module = module or (function if isinstance(function, tf.Module) else tf.Module())
    module.function = tf.function(function)
    specs = specs or (tf.TensorSpec((None, *SIZE), tf.float32, name="photo"),)
    tf.saved_model.save(module, str(folder), signatures=module.function.get_concrete_function(*specs))
    return folder


@pytest.mark.parametrize(
    ("name", "here", "there"),
    [
        ("functional", "side", "side"),
        ("nested_twice", "auto", "auto"),
        ("any_size", "auto", "auto"),
        ("nested", "backbone/first,backbone/second", "first,second"),
    ],
)
def test_as_the_keras_model_itself(tmp_path: Path, name: str, here: str, there: str) -> None:
    """Inside a residual branch too, where the part behind the cut needs what passes beside it."""
    keras.utils.set_random_seed(21)
    network = getattr(networks, name)()
    size = {"image_size": SIZE[:2]} if name == "any_size" else {}
    expected = make_model(network, 3, layer=here, **size)
    model = _load(_exported(network, tmp_path / "saved"), layer=there, **size)
    assert model.differentiable
    assert (model.head, model.grid, model.input_size, model.outputs) == ("softmax", expected.grid, SIZE, 3)
    assert not model.notes
    labels = (expected.predict(make_images()).predicted + np.arange(BATCH) % 2) % 3

    def weigh(values: Any, gradients: Any, xp: Any) -> Any:
        return sum(xp.sum(v * g, -1) for v, g in zip(values, gradients, strict=True))

    for ours, theirs in (
        (model.activations(make_images(), labels), expected.activations(make_images(), labels)),
        (model.explain(make_images(), labels, weigh), expected.explain(make_images(), labels, weigh)),
    ):
        for field in ("values", "gradients", "gradients_label", "maps", "maps_label"):
            if (value := getattr(theirs, field, None)) is not None:
                scale = np.abs(value).max()
                np.testing.assert_allclose(getattr(ours, field), value, rtol=1e-4, atol=1e-5 * scale, err_msg=field)
        np.testing.assert_allclose(ours.predictions.log_odds, theirs.predictions.log_odds, rtol=1e-4, atol=1e-5)
    probabilities = network.predict(make_images(), verbose=0)
    np.testing.assert_allclose(model.predict(make_images()).probabilities, probabilities, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        model.input_gradients(make_images(), labels), expected.input_gradients(make_images(), labels),
        rtol=1e-3, atol=1e-7,
    )  # fmt: skip
    np.testing.assert_allclose(
        model.at_layer(model.layers[-1][0]).predict(make_images()).probabilities, probabilities, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
def test_keras_2(tmp_path: Path, activation: str | None) -> None:
    tf_keras = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")
    old = tf_keras.layers
    units = 1 if activation == "sigmoid" else 3
    network = tf_keras.Sequential(
        [
            tf_keras.Input(SIZE),
            old.RandomFlip(),
            old.Rescaling(1 / 127.5, offset=-1),
            old.DepthwiseConv2D(3, activation="relu", name="deep"),
            old.BatchNormalization(),
            old.Dropout(0.5),
            old.GlobalAveragePooling2D(),
            old.Dense(units, activation=activation, kernel_initializer=tf_keras.initializers.RandomNormal(stddev=3)),
        ]
    )
    network.save(tmp_path / "saved")
    model = _load(tmp_path / "saved", max(units, 2))
    assert model.head == (activation or "logits")
    assert [text.partition(": ")[2] for text in model.inside] == ["x / 127.5", "x - 1"]
    assert not model.notes
    raw = network.predict(make_images() * 255, verbose=0).astype(np.float64)
    if units == 1:
        raw = np.concatenate([1 - raw, raw], axis=1)
    elif activation is None:
        raw = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    predictions = model.predict(make_images() * 255)
    np.testing.assert_allclose(predictions.probabilities, raw, rtol=1e-4, atol=1e-7)
    assert np.abs(model.activations(make_images() * 255, np.zeros(BATCH, int)).gradients).max() > 0


class TestPlainTensorFlow:
    @pytest.mark.parametrize("dtype", [tf.float32, tf.uint8])
    def test_gradients_by_hand_and_odds_beyond_rounding(self, tmp_path: Path, dtype: Any) -> None:
        """Mean and one matrix: the gradient of the log-odds is that of the matrix, a share of it in each cell."""
        net = Net(tf.nn.softmax)
        net.dense.assign(net.dense * 400)
        spec = tf.TensorSpec((None, *SIZE), dtype, name="photo")
        model = _load(_saved(net, tmp_path / "saved", spec, module=net))
        assert (model.layer, model.grid, model.head) == ("Relu", (6, 8), "softmax")
        images = np.round(make_images() * 60 + 128) if dtype == tf.uint8 else make_images()
        z = net.features(images).numpy().mean(axis=(1, 2)) @ net.dense.numpy().astype(np.float64)
        odds = np.stack([z[:, c] - np.logaddexp.reduce(np.delete(z, c, 1), axis=1) for c in range(3)], axis=1)
        assert np.abs(odds).max() > 100  # where the probability rounds to 1
        active = model.activations(images, np.zeros(BATCH, int))
        np.testing.assert_allclose(active.predictions.log_odds, odds, rtol=1e-3, atol=1e-2)
        dense = net.dense.numpy().astype(np.float64)
        for i, c in enumerate(active.predictions.predicted):
            others = np.delete(np.arange(3), c)
            q = np.exp(z[i, others] - np.logaddexp.reduce(z[i, others]))
            expected = (dense[:, c] - dense[:, others] @ q) / 48
            np.testing.assert_allclose(active.gradients[i], np.broadcast_to(expected, (6, 8, 4)), rtol=1e-2, atol=1e-2)

    def test_no_gradient_leaves_perturbation(self, tmp_path: Path) -> None:
        model = _load(_saved(Net(tf.floor), tmp_path / "saved"))
        assert not model.differentiable
        assert "no gradient at Relu" in model.notes[0]
        assert model.predict(make_images(2)).log_odds.shape == (2, 3)
        assert model.at_layer("conv").layer == "conv"

    def test_no_grid_leaves_perturbation(self, tmp_path: Path) -> None:
        weights = tf.Variable(np.random.default_rng(1).normal(size=(576, 3)).astype(np.float32))
        module = tf.Module()
        module.weights = weights
        saved = _saved(lambda x: tf.reshape(x, (-1, 576)) @ weights, tmp_path / "saved", module=module)
        model = _load(saved)
        assert not model.differentiable
        assert model.layer == ""
        assert "spatial grid" in model.notes[0]
        assert model.predict(make_images(2)).log_odds.shape == (2, 3)
        with pytest.raises(ModelError, match="spatial grid"):
            _load(saved, layer="conv")

    def test_layers_are_named(self, tmp_path: Path) -> None:
        saved = _exported(networks.nested(), tmp_path / "saved")
        model = _load(saved)
        assert model.layer.endswith("second_1/Relu")
        assert {grid for path, grid in model.layers if "first" in path} == {(6, 8)}
        with pytest.raises(ModelError, match="'nope' does not exist") as caught:
            _load(saved, layer="nope")
        assert "second_1/Relu (6x8)" in caught.value.hint

    def test_frozen_weights_are_not_shuffled(self, tmp_path: Path) -> None:
        model = _load(_saved(Net(tf.nn.softmax), tmp_path / "saved"))
        with pytest.raises(ModelError, match="weights of this format are frozen"), model.randomised(0):
            pass

    def test_the_hash_follows_every_file(self, tmp_path: Path) -> None:
        saved = _saved(Net(tf.nn.softmax), tmp_path / "saved")
        before = _load(saved).sha256
        assert before == _load(saved).sha256
        (saved / "assets" / "labels.txt").write_text("a")
        assert _load(saved).sha256 != before


def test_exported_augmentation_is_reported(tmp_path: Path) -> None:
    """Keras 3 exports RandomFlip in training mode: what is served flips photos at random."""
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(4, 3, activation="relu")(layers.RandomFlip("horizontal", name="flip")(inputs))
    network = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))
    model = _load(_exported(network, tmp_path / "saved"))
    assert "draws random numbers" in model.notes[0]
    assert "flip" in model.notes[0]


class TestRefused:
    @pytest.mark.parametrize(
        ("reach", "operation"),
        [
            (lambda x, path: tf.io.write_file(path, "x"), "WriteFile"),
            (lambda x, path: tf.print("x", output_stream=f"file://{path}"), "PrintV2"),
            (lambda x, path: tf.py_function(lambda: None, [], []), "EagerPyFunc"),
            (lambda x, path: tf.io.matching_files(path), "MatchingFiles"),
            (lambda x, path: tf.io.read_file(path), "ReadFile"),
        ],
    )
    def test_a_graph_that_reaches_out(self, tmp_path: Path, reach: Callable[..., Any], operation: str) -> None:
        path = str(tmp_path / "written")
        net = Net(tf.nn.softmax)
        saved = _saved(lambda x: net(x) + 0 * _touch(reach, x, path), tmp_path / "saved", module=net)
        self._refused(saved, "reach beyond the model", operation)
        assert not Path(path).exists()

    def test_a_gradient_that_reaches_out(self, tmp_path: Path) -> None:
        """Nothing in the graph calls a gradient of its own making; computing gradients does."""
        written, net = tmp_path / "written", Net(tf.nn.softmax)

        @tf.custom_gradient
        def evil(x: Any) -> Any:
            def gradient(upstream: Any) -> Any:
                with tf.control_dependencies([tf.io.write_file(str(written), "x")]):
                    return tf.identity(upstream)

            return tf.identity(x), gradient

        saved = _saved(lambda x: net(evil(x)), tmp_path / "saved", module=net)
        content = saved_model_pb2.SavedModel.FromString((saved / "saved_model.pb").read_bytes())
        graph = content.meta_graphs[0]
        for made in graph.graph_def.library.registered_gradients:
            graph.object_graph_def.concrete_functions.pop(made.gradient_func, None)  # as a hostile file would
        (saved / "saved_model.pb").write_bytes(content.SerializeToString())
        self._refused(saved, "reach beyond the model", "WriteFile")
        assert not written.exists()

    def test_an_initialiser_runs_on_loading(self, tmp_path: Path) -> None:
        """Tables are filled when TensorFlow loads the folder, before anything is called."""
        names = tmp_path / "names.txt"
        names.write_text("a\nb\n")
        net = Net(tf.nn.softmax)
        net.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(names), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            -1,
        )
        self._refused(_saved(net, tmp_path / "saved", module=net), "InitializeTableFromTextFileV2")

    def test_heads_and_inputs(self, tmp_path: Path) -> None:
        image = tf.TensorSpec((None, *SIZE), tf.float32, name="photo")
        net = Net(tf.nn.softmax)
        two = _saved(
            lambda a, b: net(a + b), tmp_path / "two", image, tf.TensorSpec((None, *SIZE), name="b"), module=net
        )
        self._refused(two, "2 inputs", "one image input")
        heads = _saved(lambda x: {"a": net(x), "b": net(x)}, tmp_path / "heads", module=net)
        self._refused(heads, "2 outputs", "one classification head")
        self._refused(_saved(net.features, tmp_path / "maps", module=net), "no classifier", "(5, 6, 8, 4)")
        self._refused(_saved(net, tmp_path / "two classes", module=net), "3 outputs", "2 classes", classes=2)
        text = tf.TensorSpec((None,), tf.string, name="jpeg")
        decoded = _saved(
            lambda x: net(tf.zeros((1, *SIZE))) + tf.cast(tf.size(x), tf.float32), tmp_path / "t", text, module=net
        )
        self._refused(decoded, "no images", "string")
        tf.saved_model.save(net, str(tmp_path / "bare"))
        self._refused(tmp_path / "bare", "no signature")

    def test_batches_of_fixed_size(self, tmp_path: Path) -> None:
        net = Net(tf.nn.softmax)
        saved = _saved(net, tmp_path / "saved", tf.TensorSpec((2, *SIZE), tf.float32), module=net)
        with pytest.raises(ConfigError, match="exactly 2 images"):
            _load(saved)
        assert _load(saved, batch_size=2).predict(make_images(3)).log_odds.shape == (3, 3)

    def test_channels_first(self, tmp_path: Path) -> None:
        kernel = tf.constant(np.ones((3, 3, 3, 4), np.float32))

        def first(x: Any) -> Any:
            maps = tf.nn.conv2d(tf.transpose(x, (0, 3, 1, 2)), kernel, 1, "SAME", data_format="NCHW")
            return tf.nn.softmax(tf.reduce_mean(maps, (2, 3)))

        self._refused(_saved(first, tmp_path / "saved"), "channels first", classes=4)

    def test_files_that_are_no_saved_models(self, tmp_path: Path) -> None:
        self._refused(tmp_path, "is a folder without saved_model.pb")
        (tmp_path / "saved_model.pb").write_bytes(b"I am no graph")
        self._refused(tmp_path, "cut off or no SavedModel")
        (tmp_path / "saved_model.pb").write_bytes(b"")
        self._refused(tmp_path, "cut off or no SavedModel")
        self._refused(tmp_path / "saved_model.pb", "is no model", "'.pb'")

    def test_the_folder_above_says_where(self, tmp_path: Path) -> None:
        _saved(Net(tf.nn.softmax), tmp_path / "1")
        with pytest.raises(ModelError) as caught:
            _load(tmp_path)
        assert str(tmp_path / "1") in caught.value.hint

    def _refused(self, folder: Path, *says: str, classes: int = 3) -> None:
        with pytest.raises(ModelError) as caught:
            _load(folder, classes)
        for part in says:
            assert part in caught.value.message
        assert "\n" not in caught.value.message


def _touch(reach: Callable[..., Any], x: Any, path: str) -> Any:
    """The operation inside a branch, so in a function that another function calls."""

    def touched() -> Any:
        result = reach(x, path)
        needs = [result] if isinstance(result, tf.Tensor | tf.Operation) else []
        with tf.control_dependencies(needs):
            return tf.constant(1.0)

    return tf.cond(tf.reduce_sum(x) > -1e9, touched, lambda: tf.constant(0.0))
