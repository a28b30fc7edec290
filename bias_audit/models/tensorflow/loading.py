"""Loads Keras files safely, by Keras 3 or Keras 2, and computes the hashes that identify models."""

from __future__ import annotations

import hashlib
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np

from bias_audit.errors import ModelError, first_line
from bias_audit.limits.bounds import DEFAULTS, Limits
from bias_audit.models.tensorflow.file_safety import Source, check_configuration
from bias_audit.models.tensorflow.framework import keras, keras2, registered_object
from bias_audit.models.tensorflow.keras_file import read_keras_file
from bias_audit.packages import needed
from bias_audit.users_code import IMPORTABLE, import_module, running

FRAMEWORKS = ("keras", "keras_cv", "keras_hub", "keras_nlp", "tensorflow", "tf_keras")
"""Packages whose registered classes do not count as the user's: some of these classes reach beyond the model."""


def load_keras(path: Path, custom_objects: str | None = None, limits: Limits = DEFAULTS) -> Any:
    """Read a .keras or .h5 file without running code that it holds.

    Keras 3 is tried first. A file that Keras 3 cannot read and Keras 2 wrote is read by Keras 2, the package tf_keras.

    Args:
        path: path of the file.
        custom_objects: module with the classes and functions of the user that the file needs; None = none.
        limits: what the parts of the file may cost.

    Returns:
        The Keras model, not compiled.

    Raises:
        ModelError: a file that is unreadable, has parts beyond the limits, holds code or names that are not known to be
            harmless, or leads to other files.
        ConfigError: the module cannot be imported.
        PackageError: Keras 2 is needed and not installed.
    """
    known = find_custom_objects(custom_objects) if custom_objects is not None else {}

    def knows(name: str) -> bool:
        if name not in known and (found := _registered(name, custom_objects)) is not None:
            known[name] = found  # for both Kerases: else they would import the module that the file names
        return name in known

    version, content = read_keras_file(path, limits)
    source = Source(path, knows, custom_objects)
    check_configuration(source, content)  # before any Keras: what Keras 3 and Keras 2 check depends on the version
    try:
        with keras.saving.custom_object_scope(known):
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if not version.startswith("2."):
            raise _refusal(source, error) from error
        first = error
    said = f"{str(path)!r}, which Keras {version} saved and Keras 3 cannot read ({first_line(first)}),"
    try:
        with needed(said):
            tf_keras = keras2()
    except ImportError as error:  # installed, but for another TensorFlow
        hint = f"Install the one that fits: pip install 'bias-audit[keras2]'. It says: {first_line(error)}"
        raise ModelError(f"{said} needs a Keras 2 that fits the installed TensorFlow", hint) from error
    try:
        with tf_keras.saving.custom_object_scope(known):
            return tf_keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise _refusal(source, error) from error


def find_custom_objects(module_name: str) -> dict[str, Any]:
    """Name -> public class or function that a module, or another module of its package, defines.

    The module is imported, so it may also register classes with Keras.

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
    """SHA-256 of a file, or of the relative paths and contents of all files below a folder; 64 hex digits."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for each in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{each.relative_to(path).as_posix()}\0{file_hash(each)}\n".encode())
    return digest.hexdigest()


def model_hash(model: Any) -> str:
    """SHA-256 of the names and values of a Keras model's weights; 64 hex digits."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update((weight.path if hasattr(weight, "path") else weight.name).encode())  # Keras 2 has no paths
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def _registered(name: str, custom_objects: str | None) -> Any:
    """The class or function that the user's own code registered with Keras under a name; else None."""
    if (found := registered_object(name)) is None:
        return None
    package = str(getattr(found, "__module__", "")).partition(".")[0]
    # KerasHub registers its classes as a user does; they count if the user named KerasHub as custom objects.
    named = (custom_objects or "").partition(".")[0]
    users = package not in FRAMEWORKS or (package == named and package not in ("keras", "tensorflow", "tf_keras"))
    return found if users else None


def _refusal(source: Source, error: Exception) -> ModelError:
    if unknown := re.search(r"(?:Could not locate \w+|Unknown [\w ]+:?) '([^']+)'", str(error)):
        return source.unknown(unknown[1])
    if "safe_mode" in str(error):
        return source.code()
    return source.refused(first_line(error), "")
