"""Model files become Keras models: read safely, by Keras 3 or Keras 2, and identified by their bytes."""

from __future__ import annotations

import hashlib
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np

from bias_audit.errors import ModelError
from bias_audit.models.file_safety import Source, check_configuration
from bias_audit.models.framework import keras, keras2, registered_object
from bias_audit.models.keras_file import read_keras_file
from bias_audit.models.tapping import first_line
from bias_audit.users_code import IMPORTABLE, import_module, running

FRAMEWORKS = ("keras", "keras_cv", "keras_hub", "keras_nlp", "tensorflow", "tf_keras")
"""Packages that register classes of their own, some of which reach out: registering does not make them the user's."""


def load_keras(path: Path, custom_objects: str | None = None) -> Any:
    """Read a .keras or .h5 file without running code that it holds.

    Keras 3 goes first. What it cannot read and Keras 2 wrote is read by Keras 2, the package tf_keras.

    Args:
        path: of the file.
        custom_objects: module with the classes and functions that the file needs.

    Raises:
        ModelError: unreadable, holds code or names that are not known to be harmless, or leads to other files.
        ConfigError: the module cannot be imported.
    """
    known = find_custom_objects(custom_objects) if custom_objects is not None else {}

    def knows(name: str) -> bool:
        if name not in known and (found := _registered(name, custom_objects)) is not None:
            known[name] = found  # for both Kerases: one that does not know a name would import the module beside it
        return name in known

    version, content = read_keras_file(path)
    source = Source(path, knows, custom_objects)
    check_configuration(source, content)  # before Keras 3 and Keras 2: what they check depends on their versions
    try:
        with keras.saving.custom_object_scope(known):
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if not version.startswith("2."):
            raise _refusal(source, error) from error
        first = error
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
        raise _refusal(source, error) from error


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


def _registered(name: str, custom_objects: str | None) -> Any:
    """What code of the user registered with Keras under a name, when it was imported or before; else None."""
    if (found := registered_object(name)) is None:
        return None
    package = str(getattr(found, "__module__", "")).partition(".")[0]
    # KerasHub registers its classes like a user; who names it as custom objects wants them.
    named = (custom_objects or "").partition(".")[0]
    users = package not in FRAMEWORKS or (package == named and package not in ("keras", "tensorflow", "tf_keras"))
    return found if users else None


def _refusal(source: Source, error: Exception) -> ModelError:
    if unknown := re.search(r"(?:Could not locate \w+|Unknown [\w ]+:?) '([^']+)'", str(error)):
        return source.unknown(unknown[1])
    if "safe_mode" in str(error):
        return source.code()
    return source.refused(first_line(error), "")
