"""Model files become Keras models: read safely, and identified by their bytes."""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from bias_audit.errors import ModelError
from bias_audit.models.framework import keras
from bias_audit.models.tapping import first_line


def load_keras(path: Path) -> Any:
    """Read a .keras or .h5 file without running code that it holds.

    Raises:
        ModelError: unreadable, holds code, or needs classes that are not known here.
    """
    if path.suffix.lower() == ".keras" and not zipfile.is_zipfile(path):  # Keras would say "File not found"
        raise ModelError(f"cannot load the model {str(path)!r}: the file is cut off or no .keras archive")
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        text, hint = first_line(error), ""
        if unknown := re.search(r"(?:Could not locate \w+|Unknown layer:?) '([^']+)'", str(error)):
            text = f"it needs the custom object {unknown[1]!r}, which is not known here"
            hint = "Custom classes: load the model in Python and call bias_audit.audit(model, data)."
        elif "safe_mode" in str(error):
            text = "it holds a Lambda layer, whose code Keras would have to run"
            hint = "Keras safe mode stays on. Load the model in Python yourself and call bias_audit.audit(model, data)."
        raise ModelError(f"cannot load the model {str(path)!r}: {text}", hint) from error


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
        digest.update(getattr(weight, "path", weight.name).encode())  # Keras 2 variables have no path
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()
