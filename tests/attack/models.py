"""Damaged model files, and such as would write a file if any of their code ran.

The pieces that would run something are those of `tests/keras/hostile.py`; here they are mixed and moved at random.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from random import Random
from typing import Any

from .beside import module
from .changing import changed_bytes, changed_value, deep
from .trying import EXECUTED, REFUSED, Attempt, Kind, sentence

SYMBOLS = (
    "io.write_file", "compat.v1.write_file", "raw_ops.WriteFile", "io.gfile.makedirs", "io.gfile.copy", "py_function",
    "numpy_function", "compat.v1.py_func", "load_library", "load_op_library", "io.read_file", "saved_model.load",
    "keras.models.load_model", "io.write_graph", "debugging.experimental.enable_dump_debug_info", "print",
    "compat.v1.gfile.MakeDirs", "__operators__.getitem", "math.add", "nn.relu", "summary.create_file_writer",
)  # fmt: skip
"""Functions of TensorFlow that reach beyond the model, and some that compute."""


def bytes_of_models(attempt: Attempt) -> str:
    """Changed bytes of a .keras or .h5 file, also inside the archive: a sentence, or a model."""
    rng = attempt.rng
    name = rng.choice(("model.keras", "model.h5"))
    path = attempt.folder / name
    data = (attempt.world / name).read_bytes()
    if name.endswith(".keras") and rng.random() < 0.6:
        with zipfile.ZipFile(attempt.world / name) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        member = rng.choice(sorted(members))
        members[member], done = changed_bytes(members[member], rng)
        attempt.what = f"{member} of {name}: {done}"
        with zipfile.ZipFile(path, "w") as archive:
            for each, content in members.items():
                archive.writestr(each, content)
    else:
        data, done = changed_bytes(data, rng)
        attempt.what = f"{name}: {done}"
        path.write_bytes(data)
    return _loaded(attempt, path)


def configurations(attempt: Attempt) -> str:
    """A configuration with hostile or changed parts: what loads has left no mark."""
    import h5py

    rng = attempt.rng
    if rng.random() < 0.5:
        path = attempt.folder / "model.keras"
        with zipfile.ZipFile(attempt.world / "model.keras") as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        content = json.loads(members["config.json"])
        text = _dressed_up(content, attempt)
        members["config.json"] = text.encode("utf-8", "surrogatepass")
        with zipfile.ZipFile(path, "w") as archive:
            for each, data in members.items():
                archive.writestr(each, data)
    else:
        path = attempt.folder / "model.h5"
        shutil.copy(attempt.world / "model.h5", path)
        with h5py.File(path, "r+") as file:
            content = json.loads(file.attrs["model_config"])
            file.attrs["model_config"] = _dressed_up(content, attempt)[:60_000]  # as much as an attribute may hold
            file.attrs["keras_version"] = rng.choice(("2.15.0", "3.5.0", ""))
    return _loaded(attempt, path)


def _dressed_up(content: Any, attempt: Attempt) -> str:
    """The text of a configuration after some of its parts were replaced."""
    rng = attempt.rng
    if rng.random() < 0.03:
        text, attempt.what = deep(rng)
        return text
    done = []
    for _ in range(rng.choice((1, 1, 2))):
        how = rng.randrange(3)
        if how == 0:
            done.append(changed_value(content, rng))
            continue
        homes = [each for each in _dicts(content) if how == 1 or "class_name" in each]
        piece = _piece(rng, attempt.folder)
        home = rng.choice(homes)
        if how == 1:
            key = rng.choice([*home, "cell", "layer", "activation", "kernel_initializer", "dtype", "module"])
            home[key] = rng.choice((piece, [piece], {"class_name": "__lambda__", "config": piece}))
            done.append(f"{key} made {str(piece)[:80]}")
        else:
            home.clear()
            home.update(piece)
            done.append(f"a part made {str(piece)[:80]}")
    attempt.what = "; ".join(done)
    return json.dumps(content)


def _dicts(content: Any) -> list[dict[str, Any]]:
    found = [content] if isinstance(content, dict) else []
    for value in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        found += _dicts(value)
    return found


def _piece(rng: Random, folder: Path) -> dict[str, Any]:
    """Something that would leave the mark, in one of the forms that a Keras reads."""
    hostile = module("keras", "hostile")
    code = hostile.code(folder)
    mark = str(folder / hostile.MARK)
    registered = rng.choice((None, "Dense", "my>Thing", "function", "builtins>exec"))
    return rng.choice(
        (
            hostile.lambda_layer(folder),
            hostile.writes(folder),
            hostile.writes(folder, rng.choice(("SlicingOpLambda", "TFOpLambda"))),
            hostile.calls(rng.choice(SYMBOLS), hostile.constant(mark, contents="ran")),
            hostile.graph_piece(folder),
            hostile.own("keras.layers", "Lambda", {"function": hostile.own("builtins", "__lambda__", {"value": code})}),
            hostile.own("builtins", "function", rng.choice(("exec", "eval", "open", "print")), registered),
            hostile.own("os", "function", "system", registered),
            hostile.own(rng.choice(("os", "posix", "subprocess", "builtins", "keras.src")), "mkdir", {"path": mark}),
            hostile.own("keras.layers", "TFSMLayer", {"filepath": str(folder), "call_endpoint": "serve"}),
            hostile.own("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
            hostile.own("keras.layers", rng.choice(("TorchModuleWrapper", "JaxLayer")), {"module": code}),
        )
    )  # fmt: skip


def _loaded(attempt: Attempt, path: Path) -> str:
    """Load as an audit does, and call what was loaded: no other file may be there afterwards."""
    import numpy as np

    from bias_audit.models.tensorflow.loading import load_keras

    found: list[Any] = []
    answer = sentence(lambda: found.append(load_keras(path)))
    if found:
        try:
            found[0](np.zeros((1, 8, 8, 3), np.float32), training=False)
        except Exception:
            answer = REFUSED  # the audit looks at the model's shapes before it calls it
    if left := [each.name for each in attempt.folder.rglob("*") if each != path]:
        attempt.bad(EXECUTED, f"{left} is there")
    return answer


def prepare(folder: Path) -> None:
    """A model as Keras 3 and as Keras 2 writes it."""
    hostile = module("keras", "hostile")
    hostile.write_archive(folder / "model.keras")
    hostile.write_h5(folder / "model.h5", hostile.functional(hostile.layer("ReLU", {"max_value": 6.0})))
    from bias_audit.models.tensorflow.loading import load_keras

    for name in ("model.keras", "model.h5"):
        load_keras(folder / name)


KINDS = {
    "model files: bytes": Kind(bytes_of_models, prepare, 15, 0, heavy=True, seconds=60),
    "model files: configurations": Kind(configurations, prepare, 20, 0, heavy=True, seconds=60),
}
