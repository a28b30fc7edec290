"""Every kind of attack, by name."""

from __future__ import annotations

from . import (
    audits,
    decision_stores,
    deep_pictures,
    functions,
    gate_files,
    models,
    networks_by_name,
    onnx_models,
    pictures,
    places,
    programs,
    results,
    run_folders,
    segmenters,
    settings,
)
from .trying import Kind

KINDS: dict[str, Kind] = {
    **run_folders.KINDS,
    **gate_files.KINDS,
    **decision_stores.KINDS,
    **pictures.KINDS,
    **deep_pictures.KINDS,
    **places.KINDS,
    **settings.KINDS,
    **results.KINDS,
    **models.KINDS,
    **functions.KINDS,
    **networks_by_name.KINDS,
    **programs.KINDS,
    **segmenters.KINDS,
    **onnx_models.KINDS,
    **audits.KINDS,
}
"""Name -> kind, in the order of the table. A new kind is a function in the file of what it attacks and a line there."""
