"""Files that are there whole or not at all: the one way anything is written into a run folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bias_audit.errors import ResultError


def write_atomically(target: Path, content: bytes, hint: str) -> Path:
    """Write under a temporary name beside the target, flush to disk, rename; the temporary file never stays.

    Raises:
        ResultError: the disk is full or the folder cannot be written; an earlier target stays as it was.
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
    """Do something that writes to `path`; the operating system's refusal becomes one sentence.

    Raises:
        ResultError: the refusal, with `hint` for what to do.
    """
    try:
        action()
    except OSError as error:
        raise ResultError(f"cannot write {str(path)!r}: {error.strerror or error}", hint) from error
