"""Model files that try to do something: written here by hand, so that each leaves a mark in its folder if it runs."""

from __future__ import annotations

import base64
import copy
import functools
import hashlib
import json
import marshal
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from bias_audit.errors import ModelError
from bias_audit.models.tensorflow.loading import load_keras

SIDE = 8
MARK = "mark"
INPUT = {
    "class_name": "InputLayer", "name": "in", "inbound_nodes": [],
    "config": {"batch_input_shape": [None, SIDE, SIDE, 3], "dtype": "float32", "sparse": False, "ragged": False,
               "name": "in"},
}  # fmt: skip


def constant(value: Any, **arguments: Any) -> list[Any]:
    """Calls of a layer in a Keras 2 file with values of the file's choice, which are executed while it is built."""
    return [["_CONSTANT_VALUE", -1, value, arguments]]


def layer(kind: str, settings: dict[str, Any], inbound: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """A layer of a Keras 2 file; without `inbound`, it is called on the picture."""
    inbound = [[["in", 0, 0, {}]]] if inbound is None else inbound
    return {"class_name": kind, "config": {"name": "x", **settings}, "name": "x", "inbound_nodes": inbound, **more}


def calls(symbol: str, *inbound: Any, kind: str = "TFOpLambda") -> dict[str, Any]:
    """A layer that calls a TensorFlow function."""
    return layer(kind, {"function": symbol, "trainable": True, "dtype": "float32"}, *inbound)


def writes(folder: Path, kind: str = "TFOpLambda") -> dict[str, Any]:
    """A layer that writes the mark: TFOpLambda called on a path and a text."""
    return calls("io.write_file", constant(str(folder / MARK), contents="ran"), kind=kind)


def code(folder: Path) -> str:
    """Python code that leaves the mark, as both Kerases store it."""
    text = f"lambda x: open({str(folder / MARK)!r}, 'w') and x"
    return base64.b64encode(marshal.dumps(eval(text).__code__)).decode()


def functional(*layers: dict[str, Any], name: str = "model") -> dict[str, Any]:
    """A functional model of Keras 2 that gives its own input."""
    settings = {"name": name, "trainable": True, "layers": [INPUT, *layers]}
    ends = {"input_layers": [["in", 0, 0]], "output_layers": [["in", 0, 0]]}
    return {"class_name": "Functional", "config": {**settings, **ends}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    """A sequential model of Keras 2."""
    first = {key: INPUT[key] for key in ("class_name", "config")}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}}


def write_h5(path: Path, model: dict[str, Any] | str, keras_version: str = "2.15.0") -> Path:
    """An HDF5 file of Keras 2 with a configuration and no weights."""
    with h5py.File(path, "w") as file:
        text = model if isinstance(model, str) else json.dumps(model)
        file.attrs.update({"keras_version": keras_version, "backend": "tensorflow", "model_config": text})
        weights = file.create_group("model_weights")
        weights.attrs.update({"layer_names": np.array([], "S1"), "backend": "tensorflow", "keras_version": "2.15.0"})
    return path


@functools.cache
def plain() -> dict[str, bytes]:
    """Members of a .keras file of Keras 3: rescaling, a convolution, pooling, dense."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plain.keras"
        keras.Sequential(
            [
                keras.Input((SIDE, SIDE, 3)),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(2, 3, name="conv"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(2, name="dense"),
            ]
        ).save(file)
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def write_archive(path: Path, change: Callable[[dict[str, Any]], Any] | None = None, **members: bytes) -> Path:
    """A .keras file of Keras 3, `plain` with its configuration changed by a function."""
    parts = {**plain()}
    content = json.loads(parts["config.json"])
    if change is not None:
        content = change(content) or content
    parts["config.json"] = json.dumps(content).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**parts, **members}.items():
            archive.writestr(name, data)
    return path


def with_layer(part: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """A change of a configuration: one more layer after the input."""

    def change(content: dict[str, Any]) -> None:
        content["config"]["layers"].insert(1, copy.deepcopy(part))

    return change


def own(module: str | None, kind: str, settings: Any, registered: str | None = None, **more: Any) -> dict[str, Any]:
    """An object as Keras 3 and the .keras files of Keras 2 write it."""
    return {"module": module, "class_name": kind, "config": settings, "registered_name": registered, **more}


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder, and what is in it."""
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest() if each.is_file() else "folder"
        for each in sorted(folder.rglob("*"))
    }


def refused(path: Path, *says: str, load: Callable[[Path], Any] = load_keras) -> ModelError:
    """Loading ends in one sentence, and the folder of the file stays as it was."""
    before = contents(path.parent)
    with pytest.raises(ModelError) as caught:
        load(path)
    assert contents(path.parent) == before
    assert "\n" not in caught.value.message
    for part in says:
        assert part in caught.value.message
    return caught.value


def graph_piece(folder: Path) -> dict[str, Any]:
    node = {"name": "w", "op": "WriteFile", "input": ["a", "b"], "attr": {}}
    return layer("TensorFlowOpLayer", {"node_def": node, "constants": {"1": "ran"}, "trainable": True}, [])


def lambda_layer(folder: Path, **more: Any) -> dict[str, Any]:
    settings = {"function": [code(folder), None, None], "function_type": "lambda", "module": "keras"}
    shape = {"output_shape": None, "output_shape_type": "raw", "output_shape_module": None, "arguments": {}}
    return layer("Lambda", {**settings, **shape, **more}, constant("x"))


def external_h5(folder: Path, how: str) -> Path:
    """Numbers or groups out of another file."""
    path = write_h5(folder / "m.h5", functional())
    with h5py.File(folder / "other.h5", "w") as other:
        other["numbers"] = np.zeros(4, "f4")
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        if how == "link":
            group["leak"] = h5py.ExternalLink(str(folder / "other.h5"), "/numbers")
        elif how == "storage":
            name = str(folder / "secret.bin")
            group.create_dataset("leak", (4,), "f4", external=[(name, 0, h5py.h5f.UNLIMITED)])
        else:
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "numbers", (4,))
            group.create_virtual_dataset("leak", layout)
    return path
