"""Every kind of attack, by name."""

from __future__ import annotations

from . import (
    audits,
    coco,
    decision_stores,
    deep_pictures,
    fetched,
    functions,
    gate_files,
    in_memory,
    models,
    networks_by_name,
    onnx_models,
    packed_data,
    pictures,
    places,
    programs,
    results,
    run_folders,
    segmenters,
    settings,
    shared_runs,
    voc_yolo,
)
from .trying import Kind

KINDS: dict[str, Kind] = {
    **run_folders.KINDS,
    **gate_files.KINDS,
    **decision_stores.KINDS,
    **pictures.KINDS,
    **packed_data.KINDS,
    **coco.KINDS,
    **deep_pictures.KINDS,
    **places.KINDS,
    **fetched.KINDS,
    **settings.KINDS,
    **results.KINDS,
    **models.KINDS,
    **functions.KINDS,
    **in_memory.KINDS,
    **networks_by_name.KINDS,
    **programs.KINDS,
    **segmenters.KINDS,
    **onnx_models.KINDS,
    **voc_yolo.KINDS,
    **shared_runs.KINDS,
    **audits.KINDS,
}
"""Name -> kind, in the order of the table. A new kind is a function in the file of what it attacks and a line there."""
