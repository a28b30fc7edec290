"""Reads a whole file of a model into memory, so that what was checked is what is loaded."""

from __future__ import annotations

import os
from pathlib import Path

from bias_audit.errors import ModelError, reason_of
from bias_audit.files.regular import open_regular
from bias_audit.limits.bounds import Limits, beyond


def read_bounded(path: Path, what: str, limits: Limits) -> bytes:
    """Bytes of a regular file, of at most `limits.weights_bytes`.

    Args:
        path: the file.
        what: what it is to be, for the sentence: "model", "segmenter".
        limits: how large it may be.

    Raises:
        ModelError: the file is too large, or cannot be read.
    """
    said = f"cannot load the {what} {str(path)!r}"
    try:
        with open_regular(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > limits.weights_bytes:
                raise ModelError(f"{said}: it has {beyond('weights_bytes', size, limits.weights_bytes)}")
            return file.read()
    except OSError as error:
        raise ModelError(f"{said}: {reason_of(error)}") from error
