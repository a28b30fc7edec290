"""Model files become Keras models: read safely, by Keras 3 or Keras 2, and identified by their bytes."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from bias_audit.errors import ModelError
from bias_audit.models.framework import keras, keras2
from bias_audit.models.tapping import first_line
from bias_audit.users_code import IMPORTABLE, import_module, running

KERAS_MODULES = ("keras", "tf_keras", "builtins")
"""Packages that a Keras 2 file may name as the home of what it is made of; tf_keras would import any other."""

HARMLESS_SYMBOLS = (
    "__operators__.", "linalg.", "math.", "nn.", "image.", "signal.", "keras.activations.", "keras.backend.",
)  # fmt: skip
HARMFUL_FUNCTIONS = (
    "function", "load_library", "load_op_library", "numpy_function", "print", "py_func", "py_function",
)  # fmt: skip
"""What TFOpLambda, Keras 2's layer of any TensorFlow function, may call: see `_calls_out`."""


def load_keras(path: Path, custom_objects: str | None = None) -> Any:
    """Read a .keras or .h5 file without running code that it holds.

    Keras 3 goes first. What it cannot read and Keras 2 wrote is read by Keras 2, the package tf_keras.

    Args:
        path: of the file.
        custom_objects: module with the classes and functions that the file needs.

    Raises:
        ModelError: unreadable, holds code, or needs classes that are not known here.
        ConfigError: the module cannot be imported.
    """
    known = find_custom_objects(custom_objects) if custom_objects is not None else {}
    version, content = _described(path)
    _refuse_code(path, content)
    try:
        with keras.saving.custom_object_scope(known):
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if not version.startswith("2."):
            raise _refusal(path, error, custom_objects) from error
        first = error
    _refuse_imports(path, content, known)
    try:
        tf_keras = keras2()
    except ImportError as error:
        raise ModelError(
            f"cannot load the model {str(path)!r}: Keras {version} saved it and Keras 3 cannot read it "
            f"({first_line(first)})",
            "Install Keras 2 beside it: pip install 'bias-audit[keras2]'",
        ) from error
    try:
        with tf_keras.saving.custom_object_scope(known):
            return tf_keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise _refusal(path, error, custom_objects) from error


def find_custom_objects(module_name: str) -> dict[str, Any]:
    """Public classes and functions of a module, by name; importing it registers those that it registers.

    Raises:
        ConfigError: the module cannot be imported.
    """
    hint = f"Name a module without .py; {IMPORTABLE}."
    with running(f"cannot import the custom objects {module_name!r}", hint, kind=False):
        module = import_module(module_name)
    package = module.__name__.partition(".")[0]
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.partition(".")[0] == package  # not what the module imports for itself
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or over the names and contents of the files of a folder."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for each in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{each.relative_to(path).as_posix()}\0{file_hash(each)}\n".encode())
    return digest.hexdigest()


def model_hash(model: Any) -> str:
    """SHA-256 over the names and values of a model's weights."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update((weight.path if hasattr(weight, "path") else weight.name).encode())  # Keras 2 has no paths
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def _described(path: Path) -> tuple[str, Any]:
    """The Keras version that wrote the file ("" where it does not say), and its configuration as JSON values.

    Raises:
        ModelError: no such file, cut off, or weights without a model.
    """
    try:
        if path.suffix.lower() == ".keras":
            if not zipfile.is_zipfile(path):  # Keras would say "File not found"
                raise ModelError(f"cannot load the model {str(path)!r}: the file is cut off or no .keras archive")
            with zipfile.ZipFile(path) as archive:
                version = json.loads(archive.read("metadata.json")).get("keras_version", "")
                return str(version), json.loads(archive.read("config.json"))
        with h5py.File(path, "r") as file:
            version, content = file.attrs.get("keras_version", ""), file.attrs.get("model_config")
            weights_only = content is None and ("layer_names" in file.attrs or "layers" in file)
    except (OSError, KeyError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(f"cannot load the model {str(path)!r}: {first_line(error)}") from error
    if content is None:
        what = "it holds weights without the model" if weights_only else "it holds no Keras model"
        raise ModelError(f"cannot load the model {str(path)!r}: {what}", "Save the whole model: model.save('m.keras').")
    try:
        return _text(version), json.loads(_text(content))
    except ValueError as error:
        raise ModelError(f"cannot load the model {str(path)!r}: its configuration is no JSON") from error


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _refuse_code(path: Path, content: Any) -> None:
    """Refuse code in a file before any reader sees it: Keras 2 would run it, and Keras 3 reads .h5 as Keras 2 did."""
    for part in _objects(content):
        settings = part.get("config")
        if part.get("class_name") == "__lambda__" or (part.get("class_name") == "Lambda" and _is_code(settings)):
            raise ModelError(
                f"cannot load the model {str(path)!r}: it holds a Lambda layer, whose code Keras would have to run",
                "Keras safe mode stays on. Load the model in Python yourself and call bias_audit.audit(model, data).",
            )
        if part.get("class_name") == "TFOpLambda" and isinstance(settings, dict):
            symbol = str(settings.get("function"))
            if _calls_out(symbol):
                raise ModelError(
                    f"cannot load the model {str(path)!r}: it calls the function tf.{symbol}, "
                    "which can reach beyond the model",
                    "Load the model in Python yourself and call bias_audit.audit(model, data).",
                )


def _is_code(settings: Any) -> bool:
    """Whether a Lambda layer's function is anything but a function's name."""
    if not isinstance(settings, dict) or "lambda" in (
        settings.get(key) for key in ("function_type", "output_shape_type", "mask_type")
    ):
        return True
    function = settings.get("function")
    named = isinstance(function, dict) and function.get("class_name") == "function"
    return not named and not (isinstance(function, str) and settings.get("function_type") == "function")


def _calls_out(symbol: str) -> bool:
    """Whether a TensorFlow function, such as "math.truediv", may do more than compute."""
    symbol = symbol.removeprefix("compat.v1.")
    return not symbol.startswith(HARMLESS_SYMBOLS) if "." in symbol else symbol in HARMFUL_FUNCTIONS


def _refuse_imports(path: Path, content: Any, known: dict[str, Any]) -> None:
    for part in _objects(content):
        module, name = part.get("module"), str(part.get("class_name"))
        if isinstance(module, str) and module.partition(".")[0] not in KERAS_MODULES and name not in known:
            raise _unknown(path, name, None)


def _objects(content: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a configuration, at any depth."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _refusal(path: Path, error: Exception, custom_objects: str | None) -> ModelError:
    if unknown := re.search(r"(?:Could not locate \w+|Unknown [\w ]+:?) '([^']+)'", str(error)):
        return _unknown(path, unknown[1], custom_objects)
    if "safe_mode" in str(error):
        return ModelError(
            f"cannot load the model {str(path)!r}: it holds a Lambda layer, whose code Keras would have to run",
            "Keras safe mode stays on. Load the model in Python yourself and call bias_audit.audit(model, data).",
        )
    return ModelError(f"cannot load the model {str(path)!r}: {first_line(error)}")


def _unknown(path: Path, name: str, custom_objects: str | None) -> ModelError:
    known = "not known here" if custom_objects is None else f"not in the module {custom_objects!r} either"
    return ModelError(
        f"cannot load the model {str(path)!r}: it needs the custom object {name!r}, which is {known}",
        "Name the module that defines it with --custom-objects MODULE, "
        "or load the model in Python and call bias_audit.audit(model, data).",
    )
