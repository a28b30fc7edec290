"""Output formats of the gate, for machines and for people: each is a function of a `GateResult` and a `Place`.

A new format is one function and one line in FORMATS.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bias_audit.gate.formats.as_json import as_json
from bias_audit.gate.formats.github import workflow_commands
from bias_audit.gate.formats.junit import junit
from bias_audit.gate.formats.markdown import markdown
from bias_audit.gate.formats.place import Place, place_of
from bias_audit.gate.formats.sarif import sarif
from bias_audit.gate.values import GateResult
from bias_audit.run.atomic import write_atomically

__all__ = ["FILES", "FORMATS", "Format", "Place", "place_of", "write_format"]

Format = Callable[[GateResult, Place], str]

FORMATS: dict[str, Format] = {
    "json": as_json,
    "junit": junit,
    "markdown": markdown,
    "sarif": sarif,
    "github": workflow_commands,
}

FILES = {"json": "gate.json", "markdown": "gate.md", "junit": "gate.junit.xml", "sarif": "gate.sarif"}
"""Formats that are always written into the run folder, with their file names."""


def write_format(name: str, gate: GateResult, place: Place, file: Path, *, own: bool = False) -> Path:
    """Write the gate's result in one format, under a temporary name that is then renamed; `own`: a file of the run.

    Raises:
        ResultError: the folder is missing or cannot be written.
    """
    text = FORMATS[name](gate, place)
    hint = "The verdict stands; free space, or name a file that can be written, to keep it."
    return write_atomically(file, text.encode("utf-8", "backslashreplace"), hint, own=own)
