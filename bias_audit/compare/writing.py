"""Writes files of a comparison to any path that a user names."""

from __future__ import annotations

from pathlib import Path

from bias_audit.errors import ConfigError
from bias_audit.run.atomic import guarded, write_atomically

_HINT = "Free space or make the folder writable."


def write(file: Path, content: bytes) -> Path:
    """Write a page or a table as a whole or not at all; missing folders above the file are made.

    Returns:
        the path of the file.

    Raises:
        ConfigError: there is a folder at this path.
        ResultError: the file cannot be written.
    """
    if file.is_dir():
        raise ConfigError(f"{str(file)!r} is a folder, not a file to write")
    guarded(lambda: file.parent.mkdir(parents=True, exist_ok=True), file.parent, _HINT)
    return write_atomically(file, content, _HINT)
