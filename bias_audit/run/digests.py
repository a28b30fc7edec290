"""Digests that audit.json carries of itself, of tables and of shards: they find damage and carelessness, no forgery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bias_audit.errors import ResultError

Digests = Mapping[str, Sequence[str]]
"""Name of a file -> SHA-256 digests that its bytes may have.

There is one digest, and a second one only while the table is being replaced: a command that was killed on the way
leaves a run that can still be read.
"""

REPAIR = "Restore the folder from a copy, or run the audit again with --overwrite."


def digest_of(data: bytes | memoryview) -> str:
    """SHA-256 of the bytes of a file, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(file: BinaryIO) -> str:
    """SHA-256 of all bytes of an open file, 64 hex digits; the file is never whole in memory."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def content_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 over the values of audit.json without its own entry "digest"; line breaks and spaces do not count.

    Args:
        content: content of the file, in types that JSON has.
    """
    values = {name: value for name, value in content.items() if name != "digest"}
    return digest_of(json.dumps(values, sort_keys=True, separators=(",", ":")).encode())


def verified(file: Path, digests: Digests | None) -> bytes:
    """The bytes of a file of a run, if they are those that the run wrote.

    Args:
        file: file of a table, or in the folder of shards.
        digests: see `Digests`; None = a run of format version 1, which has none: nothing is compared.

    Raises:
        ResultError: the file is missing, cannot be read, or was changed after the run was written.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise ResultError(f"{str(file)!r} is missing", REPAIR) from error
    except OSError as error:
        raise ResultError(f"{str(file)!r} cannot be read: {error.strerror or error}", REPAIR) from error
    if digests is not None and digest_of(data) not in digests.get(file.name, ()):
        what = "was changed after the run was written" if file.name in digests else "is no file of the run"
        raise ResultError(f"{str(file)!r} {what}: audit.json names another digest, or none", REPAIR)
    return data
