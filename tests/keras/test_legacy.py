"""Files of Keras 2, written here by Keras 2 itself: read, explained, and their code never run."""

from __future__ import annotations

import base64
import json
import marshal
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from networks import BATCH, SIZE, class_names, make_images

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError, PackageError
from bias_audit.models.doors import load_model

tf_keras = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")
layers = tf_keras.layers


def _teachable_machine() -> Any:
    """Sequential in Sequential, as Teachable Machine exports: (MobileNet ... pooling), (dense, softmax)."""
    inputs = tf_keras.Input(SIZE)
    x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="first")(inputs)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="deep")(x)
    backbone = tf_keras.Model(inputs, layers.Conv2D(5, 1, activation="relu", name="last")(x), name="mobilenet")
    features = tf_keras.Sequential([backbone, layers.GlobalAveragePooling2D()], name="features")
    head = tf_keras.Sequential(
        [
            tf_keras.Input((5,)),
            layers.Dense(6, activation="relu"),
            layers.Dense(3, activation="softmax", use_bias=False),
        ],
        name="head",
    )
    return tf_keras.Sequential([features, head])


def _depthwise() -> Any:
    inputs = tf_keras.Input(SIZE)
    x = tf_keras.applications.mobilenet_v2.preprocess_input(inputs)
    x = layers.DepthwiseConv2D(3, strides=2, activation="relu", name="last")(x)
    return tf_keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def _one_unit() -> Any:
    inputs = tf_keras.Input(SIZE)
    x = layers.DepthwiseConv2D(3, name="last")(inputs)
    return tf_keras.Model(inputs, layers.Dense(1, activation="sigmoid")(layers.GlobalMaxPooling2D()(x)))


def _load(path: Path, classes: int = 3, **config: Any) -> Any:
    return load_model(path, AuditConfig(batch_size=BATCH, **config), class_names(classes))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize(
    ("build", "head", "layer", "grid"),
    [
        (_teachable_machine, "softmax", "features/mobilenet/last", (6, 8)),
        (_depthwise, "logits", "last", (5, 7)),
        (_one_unit, "sigmoid", "last", (10, 14)),
    ],
)
def test_a_file_that_keras_3_cannot_read(
    tmp_path: Path, build: Callable[[], Any], head: str, layer: str, grid: tuple[int, int], suffix: str
) -> None:
    tf_keras.utils.set_random_seed(1)
    network = build()
    path = tmp_path / f"model{suffix}"
    network.save(path)
    with pytest.raises(Exception):  # noqa: B017, PT011 - if Keras 3 read it, this test would show nothing
        keras.saving.load_model(path, compile=False)
    model = _load(path, 2 if head == "sigmoid" else 3)
    assert (model.head, model.layer, model.grid, model.input_size) == (head, layer, grid, SIZE)

    raw = network.predict(make_images(), verbose=0).astype(np.float64)
    if head == "softmax":
        p = raw
    elif head == "logits":
        p = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    else:
        p = np.concatenate([1 - raw, raw], axis=1)
    active = model.activations(make_images(), np.zeros(BATCH, int))
    for predictions in (model.predict(make_images()), active.predictions):
        np.testing.assert_allclose(predictions.probabilities, p, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(predictions.log_odds, np.log(p / (1 - p)), rtol=1e-3, atol=1e-4)
    assert active.values.shape[:3] == (BATCH, *grid)
    assert np.abs(active.gradients).max() > 0


def test_gradients_of_a_nested_file_against_the_head_by_hand(tmp_path: Path) -> None:
    """Pooling, dense, ReLU, dense: the gradient of the log-odds is the same in each cell, from the two kernels."""
    tf_keras.utils.set_random_seed(2)
    network = _teachable_machine()
    network.save(tmp_path / "model.h5")
    model = _load(tmp_path / "model.h5")
    active = model.activations(make_images(), np.zeros(BATCH, int))
    first, second = network.get_layer("head").layers
    w, b = (values.astype(np.float64) for values in first.get_weights())
    u = second.get_weights()[0].astype(np.float64)
    on = (active.values.mean(axis=(1, 2)) @ w + b > 0).astype(float)
    p = network.predict(make_images(), verbose=0).astype(np.float64)
    for i, c in enumerate(active.predictions.predicted):
        q = np.where(np.arange(3) == c, 0, p[i]) / (1 - p[i, c])
        expected = w @ (on[i] * (u[:, c] - u @ q)) / (6 * 8)
        np.testing.assert_allclose(active.gradients[i], np.broadcast_to(expected, (6, 8, 5)), rtol=1e-3, atol=1e-7)


def test_what_it_does_to_images_is_said_in_words(tmp_path: Path) -> None:
    _depthwise().save(tmp_path / "m.h5")
    model = _load(tmp_path / "m.h5")
    assert [text.partition(": ")[2] for text in model.inside] == ["x / 127.5", "x - 1"]


def test_weights_are_shuffled_and_put_back(tmp_path: Path) -> None:
    _depthwise().save(tmp_path / "m.h5")
    model = _load(tmp_path / "m.h5")
    before = model.predict(make_images()).log_odds
    with model.randomised(3):
        assert np.abs(model.predict(make_images()).log_odds - before).max() > 1e-3
    np.testing.assert_array_equal(model.predict(make_images()).log_odds, before)


def test_a_model_in_memory() -> None:
    network = _teachable_machine()
    model = load_model(network, AuditConfig(batch_size=BATCH), class_names(3))
    expected = network.predict(make_images(), verbose=0)
    np.testing.assert_allclose(model.predict(make_images()).probabilities, expected, rtol=1e-5, atol=1e-7)
    assert len(model.sha256) == 64


def test_without_keras_2_one_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _depthwise().save(tmp_path / "m.h5")
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    with pytest.raises(PackageError, match=r"Keras 2\.\d+\.\d+ saved and Keras 3 cannot read") as caught:
        _load(tmp_path / "m.h5")
    assert caught.value.message.startswith("Keras 2 (tf_keras) is not installed, and '")
    assert caught.value.message.endswith(" needs it: pip install 'bias-audit[keras2]'")
    assert "\n" not in caught.value.message


class TestCode:
    """A Lambda layer is written by Keras 2; its code would leave a file behind if it ran."""

    @pytest.mark.parametrize("suffix", [".h5", ".keras"])
    @pytest.mark.parametrize("custom_objects", [None, "networks"])
    def test_a_lambda_layer(self, tmp_path: Path, suffix: str, custom_objects: str | None) -> None:
        inputs = tf_keras.Input(SIZE)
        x = layers.Lambda(lambda t: t * 2)(layers.DepthwiseConv2D(3)(inputs))
        wrapped = tf_keras.Sequential([tf_keras.Model(inputs, x), layers.Flatten(), layers.Dense(3)])
        wrapped.save(tmp_path / f"m{suffix}")
        self._refused(tmp_path / f"m{suffix}", "holds a Lambda layer", custom_objects=custom_objects)

    @pytest.mark.parametrize("change", ["function_type", "output_shape_type", "__lambda__"])
    def test_code_in_other_places(self, tmp_path: Path, change: str) -> None:
        """Each place that Keras 2 unmarshals, and the code really runs when Keras 2 reads the file."""
        ran = tmp_path / "ran"
        code = compile(f"open({str(ran)!r}, 'w').close()", "x", "exec")
        blob = base64.b64encode(marshal.dumps(code)).decode()
        settings = {
            "name": "evil", "function": "relu", "function_type": "function", "module": "keras",
            "output_shape": None, "output_shape_type": "raw", "output_shape_module": None, "arguments": {},
        }  # fmt: skip
        if change == "__lambda__":
            settings["function"] = {"class_name": "__lambda__", "config": {"code": blob}}
        else:
            settings[change] = "lambda"
            settings[change.removesuffix("_type")] = [blob, None, None]
        path = self._sequential_h5(tmp_path, "Lambda", settings)
        self._refused(path, "holds a Lambda layer")
        assert not ran.exists()

    @pytest.mark.parametrize("symbol", ["io.write_file", "py_function", "compat.v1.py_func", "keras.utils.get_file"])
    def test_a_tensorflow_function_that_reaches_out(self, tmp_path: Path, symbol: str) -> None:
        path = self._sequential_h5(tmp_path, "TFOpLambda", {"name": "evil", "function": symbol})
        self._refused(path, f"calls the function tf.{symbol}")

    def test_a_module_is_not_imported(self, tmp_path: Path) -> None:
        """Keras 2 imports whatever module a .keras file names."""
        (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
        path = tmp_path / "m.keras"
        _depthwise().save(path)
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        content = json.loads(parts["config.json"])
        content["config"]["layers"][-1].update({"module": "evil_module", "class_name": "Evil"})
        parts["config.json"] = json.dumps(content).encode()
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        sys.path.insert(0, str(tmp_path))
        try:
            self._refused(path, "custom object 'Evil'")
        finally:
            sys.path.remove(str(tmp_path))
        assert not (tmp_path / "ran").exists()

    def _sequential_h5(self, folder: Path, kind: str, settings: dict[str, Any]) -> Path:
        path = folder / "m.h5"
        tf_keras.Sequential([tf_keras.Input(SIZE), layers.Flatten(), layers.Dense(3)]).save(path)
        with h5py.File(path, "r+") as file:
            content = json.loads(file.attrs["model_config"])
            content["config"]["layers"].insert(1, {"class_name": kind, "config": settings})
            file.attrs["model_config"] = json.dumps(content).encode()
        return path

    def _refused(self, path: Path, says: str, **config: Any) -> None:
        with pytest.raises(ModelError) as caught:
            _load(path, **config)
        assert says in caught.value.message
        assert "\n" not in caught.value.message
        assert "bias_audit.audit(model" in caught.value.hint
