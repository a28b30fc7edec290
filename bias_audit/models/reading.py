"""Reads a whole file of a model into memory, so that what was checked is what is loaded; where others may lie."""

from __future__ import annotations

import os
from pathlib import Path

from bias_audit.errors import ModelError, reason_of
from bias_audit.files.regular import open_regular
from bias_audit.limits.bounds import Limits, beyond


def read_model_file(path: Path, what: str, limits: Limits) -> bytes:
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


def blobs_of(folder: Path) -> Path | None:
    """The folder of Hugging Face's cache to which the files of a snapshot are links: they count as inside of it.

    Args:
        folder: an absolute path without links: REPOSITORY/snapshots/REVISION, or a folder below it where REPOSITORY has
            a name as the cache gives it, models--OWNER--NAME.

    Returns:
        REPOSITORY/blobs, whether it is there or not; None = the folder is no snapshot.
    """
    for place in (folder, *folder.parents):
        repository = place.parent.parent
        if place.parent.name == "snapshots" and (place == folder or repository.name.startswith("models--")):
            return repository / "blobs"
    return None
