"""Atomic writing of files: a file is complete or does not exist. All files of a run folder are written this way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bias_audit.errors import ResultError


def write_atomically(target: Path, content: bytes, hint: str) -> Path:
    """Write a file under a temporary name, flush it to disk and rename it; the temporary file is always removed.

    Args:
        target: path of the file.
        content: its bytes.
        hint: what the user can do if writing fails.

    Returns:
        `target`.

    Raises:
        ResultError: the disk is full or the folder cannot be written; an earlier target is not changed.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")

    def store() -> None:
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    guarded(store, target, hint)
    return target


def guarded(action: Callable[[], Any], path: Path, hint: str) -> None:
    """Call a function that writes to `path`, and turn an error of the operating system into a sentence for the user.

    Args:
        action: the function.
        path: file or folder that the sentence names.
        hint: what the user can do.

    Raises:
        ResultError: the operating system refused.
    """
    try:
        action()
    except OSError as error:
        raise ResultError(f"cannot write {str(path)!r}: {error.strerror or error}", hint) from error
