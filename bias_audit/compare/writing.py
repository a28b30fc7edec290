"""Files of a comparison: anywhere the user says, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from bias_audit.errors import ConfigError
from bias_audit.run.atomic import guarded, write_atomically

_HINT = "Free space or make the folder writable."


def write(file: Path, content: bytes) -> Path:
    """Write a page or a table; folders above it are made.

    Raises:
        ConfigError: a folder has that name.
        ResultError: it cannot be written.
    """
    if file.is_dir():
        raise ConfigError(f"{str(file)!r} is a folder, not a file to write")
    guarded(lambda: file.parent.mkdir(parents=True, exist_ok=True), file.parent, _HINT)
    return write_atomically(file, content, _HINT)
