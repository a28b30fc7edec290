"""Nothing runs that must not: model files that write, read, load or call are refused before Keras builds anything."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import hostile
import keras
import numpy as np
import pytest
import tensorflow as tf
from hostile import (
    MARK,
    calls,
    constant,
    external_h5,
    functional,
    graph_piece,
    lambda_layer,
    layer,
    own,
    refused,
    sequential,
    with_layer,
    write_archive,
    write_h5,
    writes,
)
from tensorflow.python.util.tf_export import get_symbol_from_name

from bias_audit.models.tensorflow import keras_file
from bias_audit.models.tensorflow.loading import load_keras

tf_keras = pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")

REACHING = (
    "Assert", "audio.decode_wav", "audio_microfrontend", "autograph.to_graph", "compat.v1.Print",
    "compat.v1.disable_eager_execution", "compat.v1.gfile.Copy", "compat.v1.gfile.DeleteRecursively",
    "compat.v1.gfile.MakeDirs", "compat.v1.graph_util.import_graph_def", "compat.v1.import_graph_def",
    "compat.v1.load_file_system_library", "compat.v1.matching_files", "compat.v1.py_func",
    "compat.v1.python_io.TFRecordWriter", "compat.v1.read_file", "compat.v1.rpc_server",
    "compat.v1.saved_model.load", "compat.v1.summary.FileWriter", "compat.v1.train.import_meta_graph",
    "compat.v1.train.write_graph", "compat.v1.write_file", "config.experimental_connect_to_cluster",
    "config.run_functions_eagerly", "data.Dataset", "data.TextLineDataset",
    "data.experimental.service.DispatchServer", "debugging.experimental.enable_dump_debug_info",
    "debugging.set_log_device_placement", "distribute.Server", "distribute.experimental.rpc.Server.create",
    "function", "graph_util.import_graph_def", "image.decode_image", "io.TFRecordWriter", "io.gfile.GFile",
    "io.gfile.copy", "io.gfile.glob", "io.gfile.makedirs", "io.gfile.remove", "io.gfile.rmtree",
    "io.matching_files", "io.read_file", "io.write_file", "io.write_graph", "keras.backend.function",
    "keras.backend.set_floatx", "keras.models.load_model", "keras.models.model_from_json",
    "keras.preprocessing.image.load_img", "keras.utils.get_file", "load_library", "load_op_library",
    "lookup.TextFileInitializer", "map_fn", "nn.fixed_unigram_candidate_sampler", "numpy_function", "print",
    "profiler.experimental.start", "py_function", "quantization.experimental.QuantizationOptions",
    "random.fixed_unigram_candidate_sampler", "raw_ops.PyFunc", "raw_ops.ReadFile", "raw_ops.WriteFile",
    "rpc_client", "saved_model.load", "saved_model.save", "summary.create_file_writer", "summary.trace_export",
    "sysconfig.get_lib", "train.Checkpoint", "train.load_checkpoint", "while_loop", "xla_custom_call",
)  # fmt: skip
"""Names that TensorFlow exports, of nearly all of its modules."""


@pytest.fixture(autouse=True)
def _in_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of these files crashes the HDF5 library: the process that tries it takes nearly all time of a refusal.

    `test_hostile_containers` has one that does.
    """
    monkeypatch.setattr(keras_file, "_refuse_crashing", lambda path, file: None)


@contextlib.contextmanager
def _anything() -> Iterator[None]:
    """What Keras raises after the harm is done is of no interest."""
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        yield


class TestTheMarkIsLeft:
    """What these tests rest on: without the check, Keras does what the file says, and the mark is found."""

    @pytest.mark.parametrize("kind", ["TFOpLambda", "SlicingOpLambda"])
    def test_by_a_function(self, tmp_path: Path, kind: str) -> None:
        path = write_h5(tmp_path / "m.h5", functional(writes(tmp_path, kind)))
        with _anything():
            tf_keras.models.load_model(path, compile=False)
        assert (tmp_path / MARK).read_text() == "ran"

    @pytest.mark.parametrize(
        ("symbol", "arguments"),
        [
            ("compat.v1.write_file", {"contents": "x"}),
            ("io.gfile.makedirs", {}),
            ("io.TFRecordWriter", {}),
            ("summary.create_file_writer", {}),
        ],
    )
    def test_by_other_functions(self, tmp_path: Path, symbol: str, arguments: dict[str, Any]) -> None:
        part = calls(symbol, constant(str(tmp_path / MARK), **arguments))
        path = write_h5(tmp_path / "m.h5", functional(part))
        with _anything():
            tf_keras.models.load_model(path, compile=False)
        assert (tmp_path / MARK).exists()
        (tmp_path / MARK).rename(tmp_path / "before")
        refused(path, f"calls the function tf.{symbol}")

    def test_by_a_piece_of_a_graph(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "m.h5", functional(graph_piece(tmp_path)))
        with _anything():
            model = tf_keras.models.load_model(path, compile=False)
            model.layers[1](tf.constant(str(tmp_path / MARK)))
        assert (tmp_path / MARK).exists()

    def test_by_a_lambda(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "m.h5", functional(lambda_layer(tmp_path)))
        with _anything():
            tf_keras.models.load_model(path, compile=False)
        assert (tmp_path / MARK).exists()

    def test_by_a_link(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret.bin"
        secret.write_bytes(np.arange(4, dtype="<f4").tobytes())
        path = external_h5(tmp_path, "storage")
        with h5py.File(path) as file:
            assert file["model_weights/leak"][3] == 3


class TestFunctions:
    @pytest.mark.parametrize("symbol", REACHING)
    def test_one_that_reaches_out(self, tmp_path: Path, symbol: str) -> None:
        (tmp_path / "source").write_text("s")
        part = calls(symbol, constant(str(tmp_path / MARK), contents="ran"))
        error = refused(write_h5(tmp_path / "m.h5", functional(part)), f"calls the function tf.{symbol}")
        assert "bias_audit.audit(model" in error.hint

    def test_the_names_are_real(self) -> None:
        unknown = [symbol for symbol in REACHING if not _exported(symbol)]
        assert unknown == []

    def test_no_known_function_takes_a_file_or_a_function(self) -> None:
        import inspect

        from bias_audit.models.tensorflow.allowed_names import TENSOR_FUNCTIONS

        found = {}
        for symbol in sorted(TENSOR_FUNCTIONS):
            for name in (symbol, f"compat.v1.{symbol}"):
                if (function := get_symbol_from_name(name)) is not None:
                    words = ("file", "path", "func", "fn", "call", "library", "url", "address", "directory", "server")
                    takes = [each for each in inspect.signature(function).parameters if each.lower().startswith(words)]
                    takes += [each for each in inspect.signature(function).parameters if each.endswith(words)]
                    assert callable(function)
                    found.update({name: takes} if takes else {})
        assert found == {}

    @pytest.mark.parametrize("symbol", ["TFOpLambda", "SlicingOpLambda"])
    @pytest.mark.parametrize(
        "name", [None, 3, ["io.write_file"], {"a": 1}, "nn.relu ", "NN.relu", "nn", "", "compat.v1."]
    )
    def test_what_is_no_known_name(self, tmp_path: Path, symbol: str, name: Any) -> None:
        refused(write_h5(tmp_path / "m.h5", functional(layer(symbol, {"function": name}))), "calls the function tf.")


def _exported(symbol: str) -> bool:
    if get_symbol_from_name(symbol) is not None or get_symbol_from_name(f"compat.v1.{symbol}") is not None:
        return True
    found: Any = tf
    for part in symbol.split("."):
        found = getattr(found, part, None)
    return found is not None


def _everywhere(folder: Path) -> dict[str, dict[str, Any]]:
    """The layer that writes, at every depth of a Keras 2 model."""
    part = writes(folder)
    bare = {key: part[key] for key in ("class_name", "config")}
    inner = layer("Functional", functional(part)["config"])
    return {
        "functional": functional(part),
        "slicing": functional(writes(folder, "SlicingOpLambda")),
        "sequential": sequential(bare),
        "old sequential": {"class_name": "Sequential", "config": [bare]},
        "nested": functional(inner),
        "nested twice": functional(layer("Functional", functional(inner)["config"])),
        "sequential in functional": functional(layer("Sequential", sequential(bare)["config"])),
        "TimeDistributed": functional(layer("TimeDistributed", {"layer": bare})),
        "Bidirectional": functional(layer("Bidirectional", {"layer": bare, "backward_layer": bare})),
        "RNN": functional(layer("RNN", {"cell": bare})),
        "StackedRNNCells": functional(layer("RNN", {"cell": layer("StackedRNNCells", {"cells": [bare]})})),
        "argument": functional(layer("Dense", {"units": 1}, [[["in", 0, 0, {"training": bare}]]])),
        "activation": functional(layer("Dense", {"units": 1, "activation": bare})),
        "initializer": functional(layer("Dense", {"units": 1, "kernel_initializer": bare})),
        "dtype": functional(layer("Dense", {"units": 1, "dtype": bare})),
        "build_config": functional(layer("Dense", {"units": 1}, build_config={"a": bare})),
        "compile_config of an inner model": functional(inner | {"compile_config": {"loss": bare}}),
        "__passive_serialization__": functional(layer("Dense", {"units": bare | {"__passive_serialization__": True}})),
        "tuple": functional(layer("Dense", {"units": {"class_name": "__tuple__", "items": [bare]}})),
    }


@pytest.mark.parametrize("place", list(_everywhere(Path("."))))
def test_places_in_a_keras_2_file(tmp_path: Path, place: str) -> None:
    model = _everywhere(tmp_path)[place]
    refused(write_h5(tmp_path / "m.h5", model), "calls the function tf.io.write_file")
    for version in ("2.15.0", "3.5.0", "", "1.0"):
        refused(write_h5(tmp_path / "m.hdf5", model, version), "calls the function tf.io.write_file")


def _classes(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    call = {"function": "io.write_file"}
    raw = {"cls_symbol": "RaggedTensor", "method_name": "from_tensor"}
    words = str(folder / "source")
    return {
        "Lambda": (lambda_layer(folder), "holds a Lambda layer"),
        "Lambda, shape": (lambda_layer(folder, output_shape_type="lambda", function_type="raw"), "a Lambda layer"),
        "Lambda, name": (lambda_layer(folder, function_type="function", function="system", module="os"), "'system'"),
        "Lambda raw": (lambda_layer(folder, function_type="raw", function="x"), "holds a Lambda layer"),
        "TensorFlowOpLayer": (graph_piece(folder), "the operation WriteFile"),
        "TensorFlowOpLayer, bytes": (layer("TensorFlowOpLayer", {"node_def": "\n\x01w\x12\tWriteFile"}), "operation"),
        "ClassMethod": (layer("ClassMethod", raw), "class ClassMethod"),
        "InstanceMethod": (layer("InstanceMethod", {"attr_name": "eval"}), "class InstanceMethod"),
        "InstanceProperty": (layer("InstanceProperty", {"attr_name": "graph"}), "class InstanceProperty"),
        "TFSMLayer": (layer("TFSMLayer", {"filepath": words}), "class TFSMLayer"),
        "DenseFeatures": (layer("DenseFeatures", {"feature_columns": []}), "class DenseFeatures"),
        "AddMetric": (layer("AddMetric", {}), "'AddMetric'"),
        "Custom>TFOpLambda": (layer("Custom>TFOpLambda", call), "'Custom>TFOpLambda'"),
        "Custom>Lambda": (layer("Custom>Lambda", lambda_layer(folder)["config"]), "'Custom>Lambda'"),
        "keras>TFOpLambda": (layer("keras>TFOpLambda", call), "'keras>TFOpLambda'"),
        "Keras>Lambda": (layer("Keras>Lambda", call), "'Keras>Lambda'"),
        "tfoplambda": (layer("tfoplambda", call), "'tfoplambda'"),
        "TFOPLAMBDA": (layer("TFOPLAMBDA", call), "'TFOPLAMBDA'"),
        "LAMBDA": (layer("LAMBDA", call), "'LAMBDA'"),
        "a class that is no text": (layer(["TFOpLambda"], call), "by something else than a text"),
        "a module that is no text": (layer("Dense", {}, module=["os"]), "by something else than a text"),
        "registered as another": (layer("Dense", {"units": 1}, registered_name="Custom>Evil"), "'Custom>Evil'"),
        "of another module": (layer("Dense", {"units": 1}, module="antigravity"), "'Dense'"),
        "of a module of Keras": (layer("Dense", {}, module="keras.src.utils.file_utils"), "class keras.src.utils"),
        "of kerasfoo": (layer("Dense", {}, module="kerasfoo.layers"), "'Dense'"),
        "StringLookup": (layer("StringLookup", {"vocabulary": words}), "reads its vocabulary from another file"),
        "IntegerLookup": (layer("IntegerLookup", {"vocabulary": words}), "reads its vocabulary from another file"),
        "TextVectorization": (layer("TextVectorization", {"vocabulary": words}), "reads its vocabulary"),
        "TypeSpec": (layer("InputLayer", {"type_spec": {"class_name": "TypeSpec", "type_spec": "x"}}), "'TypeSpec'"),
        "activation by name": (layer("Dense", {"units": 1, "activation": "deserialize"}), "'deserialize'"),
        "initializer by name": (layer("Dense", {"kernel_initializer": "get"}), "'get'"),
        "constraint by name": (layer("Dense", {"kernel_constraint": "tf"}), "'tf'"),
        "regularizer by name": (layer("Dense", {"activity_regularizer": "serialize"}), "'serialize'"),
        "a name that is a path": (layer("Functional", functional(name="../x")["config"]), "as if that were a path"),
        "recurrent activation": (layer("LSTM", {"recurrent_activation": "dispatch"}), "'dispatch'"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(_classes(Path("."))))
@pytest.mark.parametrize("nested", [False, True])
def test_classes_in_a_keras_2_file(tmp_path: Path, kind: str, nested: bool) -> None:
    (tmp_path / "source").write_text("a\nb\n")
    part, says = _classes(tmp_path)[kind]
    part = layer("Functional", functional(part)["config"]) if nested else part
    refused(write_h5(tmp_path / "m.h5", functional(part)), says)


def _keras_3(folder: Path) -> dict[str, tuple[dict[str, Any], str]]:
    code = {"class_name": "__lambda__", "config": {"code": hostile.code(folder), "defaults": None, "closure": None}}
    words, dense = str(folder / "source"), {"units": 2}
    tokenizer = own("keras_hub.src.models.bert.bert_tokenizer", "BertTokenizer", {"vocabulary": words})

    def built(kind: str, **settings: Any) -> dict[str, Any]:
        return own("keras.layers", kind, settings)

    def function(module: str, name: str, registered: str | None = None) -> dict[str, Any]:
        return own(module, "function", name, registered)

    return {
        "os.system": (built("Dense", **dense, activation=function("os", "system", "system")), "'system'"),
        "os.system as a layer": (function("os", "system", "system"), "'system'"),
        "builtins.exec": (built("Dense", activation=function("builtins", "exec")), "'exec'"),
        "get_file": (built("Lambda", function=function("keras.utils", "get_file")), "function keras.utils.get_file"),
        "get_file as a class": (own("keras.utils", "get_file", {"fname": "x"}), "class keras.utils.get_file"),
        "load_model": (built("Lambda", function=function("keras.models", "load_model")), "keras.models.load_model"),
        "enable_unsafe": (function("keras.config", "enable_unsafe_deserialization"), "enable_unsafe_deserialization"),
        "relu of os": (built("Dense", activation=function("os", "relu")), "'relu'"),
        "relu, registered": (built("Dense", activation=function("builtins", "relu", "get_file")), "'relu'"),
        "Lambda": (built("Lambda", function=code), "holds a Lambda layer"),
        "code elsewhere": (built("Dense", activation=code), "holds a Lambda layer"),
        "code in a wrapper": (built("TimeDistributed", layer=built("Lambda", function=code)), "holds a Lambda layer"),
        "TFSMLayer": (built("TFSMLayer", filepath=str(folder)), "class TFSMLayer"),
        "TorchModuleWrapper": (built("TorchModuleWrapper", module="AAAA"), "class TorchModuleWrapper"),
        "JaxLayer": (built("JaxLayer", call_fn="f"), "class JaxLayer"),
        "FlaxLayer": (built("FlaxLayer"), "class FlaxLayer"),
        "StringLookup": (built("StringLookup", vocabulary=words), "reads its vocabulary"),
        "StringLookup, address": (built("StringLookup", vocabulary="http://127.0.0.1/x"), "http://127.0.0.1/x"),
        "TextVectorization": (built("TextVectorization", vocabulary=words), "reads its vocabulary"),
        "a value of a module": (own("evil", "__ellipsis__", {}), "'__ellipsis__'"),
        "a value, registered": (own(None, "__tuple__", {}, "Custom>X"), "'__tuple__'"),
        "Map": (own("keras.src.ops.core", "Map", {}), "class keras.src.ops.core.Map"),
        "typespec": (own("os", "__typespec__", [], spec_name="x"), "__typespec__"),
        "Keras 2": (
            own("keras.src.layers.core.tf_op_layer", "TFOpLambda", {"function": "io.write_file"}),
            "write_file",
        ),
        "another module": (own("subprocess", "Popen", {"args": ["true"]}), "'Popen'"),
        "module and name": (own("os", "Dense", dense), "'Dense'"),
        "registered elsewhere": (own("keras.layers", "Dense", dense, "Custom>X"), "'Custom>X'"),
        "tokenizer of KerasHub": (tokenizer, "'BertTokenizer'"),
        "another module of KerasHub": (own("keras_hub.src.utils.preset_utils", "XBackbone", {}), "'XBackbone'"),
        "MetricWrapper": (own("keras.metrics", "MeanMetricWrapper", {"fn": "get"}), "MeanMetricWrapper"),
        "GPTQConfig": (own("keras.quantizers", "GPTQConfig", {}), "GPTQConfig"),
    }


def test_a_known_name_does_not_import_the_module_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered with Keras 3 only: Keras 2, which reads the file in the end, would look for it in the module."""

    @keras.saving.register_keras_serializable("only3")
    class Twice(keras.layers.Layer):
        pass

    (tmp_path / "evil_home.py").write_text(f"open({str(tmp_path / MARK)!r}, 'w')\nclass Twice: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    part = own("evil_home", "Twice", {"name": "t", "wrong": 1}, "only3>Twice")
    metadata = json.dumps({"keras_version": "2.15.0"}).encode()
    refused(write_archive(tmp_path / "m.keras", lambda content: part, **{"metadata.json": metadata}))
    assert "evil_home" not in sys.modules
    keras.saving.get_custom_objects().pop("only3>Twice")


@pytest.mark.parametrize("kind", list(_keras_3(Path("."))))
@pytest.mark.parametrize("keras_version", ["3.9.0", "2.15.0"])
def test_a_keras_archive(tmp_path: Path, kind: str, keras_version: str) -> None:
    (tmp_path / "source").write_text("a\nb\n")
    part, says = _keras_3(tmp_path)[kind]
    metadata = json.dumps({"keras_version": keras_version}).encode()
    refused(write_archive(tmp_path / "m.keras", with_layer(part), **{"metadata.json": metadata}), says)


def test_compile_settings_of_an_inner_model_are_looked_at_and_the_outermost_dropped(tmp_path: Path) -> None:
    evil = {"loss": own("os", "function", "system")}
    path = write_archive(tmp_path / "m.keras", lambda content: content | {"compile_config": evil})
    assert load_keras(path).layers[-1].name == "dense"  # neither Keras reads it: compile=False
    inner = own("keras", "Sequential", {"name": "i", "layers": []}, compile_config=evil)
    refused(write_archive(tmp_path / "n.keras", with_layer(inner)), "'system'")


def test_a_custom_object_is_the_users_and_the_rest_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user lends its own names, not those that a file claims for it."""
    text = (
        "import keras\n@keras.saving.register_keras_serializable('mine')\nclass Scale(keras.layers.Layer):\n    pass\n"
    )
    (tmp_path / "mine_objects.py").write_text(text + "class Plain(keras.layers.Layer):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name, registered in (("Scale", "mine>Scale"), ("Plain", "Plain")):
        part = own("mine_objects", name, {"name": "s"}, registered)
        path = write_archive(tmp_path / f"{name}.keras", with_layer(part))
        if name == "Plain":
            assert "not known here" in refused(path, "custom object 'Plain'").message
        assert name in [type(each).__name__ for each in load_keras(path, "mine_objects").layers]
    for part in (
        own("mine_objects", "Popen", {}, None),
        own("os", "Scale", {}, None),
        own("mine_objects", "TFSMLayer", {"filepath": "x"}, "mine>Scale"),
        own("keras.layers", "Lambda", {"function": own("os", "function", "system")}, None),
    ):
        path = write_archive(tmp_path / "m.keras", with_layer(part))
        refused(path, load=lambda file: load_keras(file, "mine_objects"))
    keras.saving.get_custom_objects().pop("mine>Scale")


def test_what_is_shown_stays_on_one_line(tmp_path: Path) -> None:
    name = "io.write\nfile " + "x" * 500
    error = refused(write_h5(tmp_path / "m.h5", functional(calls(name))), "tf.io.write file")
    assert len(error.message) < 400
    assert io.StringIO(error.message).readlines() == [error.message]
