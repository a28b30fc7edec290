"""Writes the verdict into the run folder: gate.json, gate.md, gate.junit.xml, gate.sarif."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from bias_audit.gate.formats import FILES, Place, place_of, write_format
from bias_audit.gate.formats.place import PICTURE
from bias_audit.gate.values import GateResult


def write_gate(result_path: str | Path, gate_result: GateResult, place: Place | None = None) -> tuple[Path, ...]:
    """Write each of FILES into the run folder, each under a temporary name that is then renamed.

    Args:
        result_path: run folder.
        gate_result: the verdict.
        place: where SARIF puts its results; None = at the gate file.

    Returns:
        the paths, in the order of FILES.

    Raises:
        ResultError: the folder is missing or cannot be written.
    """
    folder = Path(result_path)
    place = place or place_of(gate_result, folder)
    if (folder / PICTURE).is_file():
        place = dataclasses.replace(place, picture=PICTURE)
    return tuple(write_format(name, gate_result, place, folder / file, own=True) for name, file in FILES.items())
