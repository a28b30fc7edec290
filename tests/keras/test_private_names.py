"""Private names of TensorFlow, Keras and PyTorch that the models are read by: each has a test that fails when it goes.

Where one went unnoticed, an audit would go on and say less: log-odds that round, preprocessing that is not named.
"""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import networks
import numpy as np
import pytest
import tensorflow as tf
from networks import SIZE, make_images

import bias_audit.models
from bias_audit.models.tensorflow import framework
from bias_audit.models.tensorflow.preprocessing_inside import preprocessing_inside

tf_keras = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")
both = pytest.mark.parametrize("kerases", [keras, tf_keras], ids=["Keras 3", "Keras 2"])

TESTED = {
    "_flatten_layers": "test_layers_of_a_model",
    "_inbound_nodes": "test_arguments_of_an_operation",
    "_keras_logits": "test_logits_of_a_softmax",
    "_metadata": "test_version_of_the_layers_in_a_state_dict",
    "tensorflow.core.protobuf": "test_saved_models_as_messages",
    "tensorflow.lite.python": "test_tflite_files_as_tables",
    "tensorflow.python.client": "test_memory_of_devices",
    "tensorflow.python.framework": "test_operations_by_name",
    "tensorflow.python.framework.convert_to_constants": "test_variables_become_constants",
}
"""Private name, or module that holds names that are no public interface -> the test of this file."""

OWN = ("self", "cls", "other")
OF_ITS_ROOM = dict.fromkeys(("last_layer.py", "saved_last_layer.py"), ("model", "self._model"))
"""File -> what holds a model of the same room there, whose own parts it looks at."""
PUBLIC = ("_fields",)
"""Names with an underscore that are documented: the fields of a named tuple."""
MODULES = ("tensorflow.python", "tensorflow.core", "tensorflow.lite.python", "keras.src", "tf_keras.src", "torch._")


def _private_in(source: str, own: tuple[str, ...] = OWN) -> set[str]:
    """Private attributes of objects other than those of the package's own classes, and private modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) not in own:
            found.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
            found.update(each.value for each in node.args[1:2] if isinstance(each, ast.Constant))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(MODULES):
            found.add(f"{node.module} ")
    modules = {name.strip() for name in found if name.endswith(" ")}
    return modules | {name for name in found if name.startswith("_") and not name.startswith("__")} - {*PUBLIC}


def test_every_private_name_has_a_test() -> None:
    used: set[str] = set()
    for file in Path(bias_audit.models.__file__).parent.rglob("*.py"):
        used |= _private_in(file.read_text(encoding="utf-8"), (*OWN, *OF_ITS_ROOM.get(file.name, ())))
    assert used == set(TESTED)
    assert [name for name in TESTED.values() if name not in globals()] == []


def test_a_private_name_is_seen() -> None:
    source = (
        "from keras.src.ops import core\nx = layer._new\ny = getattr(layer, '_other', None)\nself._own = tuple._fields"
    )
    assert _private_in(source) == {"keras.src.ops", "_new", "_other"}


@both
def test_layers_of_a_model(kerases: ModuleType) -> None:
    inputs = kerases.Input(SIZE)
    parts = [kerases.layers.Flatten(name="flat"), kerases.layers.Dense(3, name="dense")]
    model = kerases.Model(inputs, kerases.Sequential(parts, name="inner")(inputs))
    children = list(model._flatten_layers(include_self=False, recursive=False))
    assert [layer.name for layer in children][1:] == ["inner"]
    inside = children[1]._flatten_layers(include_self=False, recursive=False)
    assert [layer.name for layer in inside][1:] == ["flat", "dense"]


@both
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_logits_of_a_softmax(kerases: ModuleType, activation: str) -> None:
    inputs = kerases.Input((4,))
    model = kerases.Model(inputs, kerases.layers.Dense(3, activation=activation, name="head")(inputs))
    kernel, bias = model.get_layer("head").get_weights()
    rows = np.eye(4, dtype=np.float32)

    @tf.function(autograph=False)
    def logits(given: Any) -> Any:
        return model(given, training=False)._keras_logits

    np.testing.assert_allclose(logits(tf.constant(rows)).numpy(), rows @ kernel + bias, rtol=1e-6)


@both
def test_arguments_of_an_operation(kerases: ModuleType) -> None:
    inputs = kerases.Input(SIZE)
    model = kerases.Model(inputs, kerases.layers.Conv2D(2, 3)(inputs / 127.5))
    assert [text.partition(": ")[2] for text in preprocessing_inside(model)] == ["x / 127.5"]


def test_variables_become_constants() -> None:
    model = networks.sequential()
    function = tf.function(lambda images: model(images, training=False), autograph=False)
    frozen = framework.freeze(function.get_concrete_function(tf.TensorSpec((5, *SIZE), tf.float32)))
    assert not frozen.variables
    np.testing.assert_allclose(frozen(tf.constant(make_images()))[0], model(make_images()), rtol=1e-5, atol=1e-6)


def test_operations_by_name() -> None:
    get = framework.op_def_registry.get
    assert get("WriteFile").is_stateful
    assert not get("Relu").is_stateful
    assert get("NoSuchOperation") is None


def test_memory_of_devices() -> None:
    devices = framework.device_lib.list_local_devices()
    assert any(device.device_type == "CPU" and device.memory_limit > 0 for device in devices)


def test_saved_models_as_messages(tmp_path: Path) -> None:
    networks.sequential().export(tmp_path / "m", verbose=False)
    content = framework.saved_model_pb2.SavedModel.FromString((tmp_path / "m" / "saved_model.pb").read_bytes())
    (graph,) = content.meta_graphs
    assert "serving_default" in graph.signature_def
    assert graph.object_graph_def.nodes
    assert {"MatMul", "StatefulPartitionedCall"} <= {
        node.op for function in graph.graph_def.library.function for node in function.node_def
    }


def test_tflite_files_as_tables() -> None:
    function = tf.function(lambda rows: tf.nn.relu(rows)).get_concrete_function(tf.TensorSpec((1, 4), tf.float32))
    content = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()
    schema = framework.tflite_schema
    model = schema.Model.GetRootAs(content)
    codes = [model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())]
    assert codes == [schema.BuiltinOperator.RELU] != [schema.BuiltinOperator.CUSTOM]


def test_version_of_the_layers_in_a_state_dict() -> None:
    torch = pytest.importorskip("torch")
    seen: list[Any] = []

    class Asks(torch.nn.BatchNorm2d):  # type: ignore[misc, name-defined]
        def _load_from_state_dict(self, state: Any, prefix: str, metadata: dict[str, Any], *rest: Any) -> None:
            seen.append(metadata.get("version"))
            super()._load_from_state_dict(state, prefix, metadata, *rest)

    net = torch.nn.Sequential(Asks(2))
    bare = type(net.state_dict())(net.state_dict().items())
    net.load_state_dict(bare)
    bare._metadata = net.state_dict()._metadata
    net.load_state_dict(bare)
    assert seen == [None, torch.nn.BatchNorm2d._version]
