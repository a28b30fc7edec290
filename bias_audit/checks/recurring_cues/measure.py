"""Recurring cues over the data set: the pass, the proofs and their pictures, each kept in a shard."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from bias_audit.checks.recurring_cues.collect import Seen, choose, collect
from bias_audit.checks.recurring_cues.discover import (
    MOST_PROVED,
    Cue,
    cluster_id,
    discover,
    from_arrays,
    row,
    spot_rows,
    to_arrays,
)
from bias_audit.config import AuditConfig
from bias_audit.data.batches import OK, Geometry, Pixels, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.heatmaps import attention
from bias_audit.heatmaps.methods import Explainer
from bias_audit.report.pictures import encode_picture
from bias_audit.run.folder import Run
from bias_audit.run.progress import Progress

Record = dict[str, Any]

SEEN, FOUND = "shards/attended.npz", "shards/clusters.json"

CROPS = 12
"""Typical spots of a cluster that are kept as pictures."""

MOST_SHEETS = 24
"""Clusters with pictures; the table holds all."""

CLOSER = 4
"""Crops are cut at so many times the model's input size: what a mark of 8 pixels is, only more pixels say."""

AROUND = 2.0
"""Side of a crop, in sides of the spot."""


def find_clusters(
    dataset: Dataset,
    records: Sequence[Mapping[str, Any]],
    explainer: Explainer,
    geometry: Geometry,
    config: AuditConfig,
    run: Run,
    progress: Progress,
) -> Record:
    """Rows of the tables `clusters` and `cluster_spots`, pictures by cluster id, and why nothing was looked for.

    Returns:
        {"clusters": rows, "spots": rows, "pictures": {cluster_id: {"crops", "shots"}}, "reason": "" or why not}.
    """
    nothing: Record = {"clusters": [], "spots": [], "pictures": {}, "reason": ""}
    if config.discovery == 0:
        return {**nothing, "reason": "switched off"}
    if not explainer.model.differentiable:
        return {**nothing, "reason": "the model gives no activations with a gradient"}
    kept: Record | None = run.read_json(FOUND)
    if kept is not None:
        return kept
    positions = choose(dataset, records, config.discovery, config.seed)
    stored = run.read_arrays(SEEN)
    if stored is None:
        with progress.stage("What the network looks at", len(positions), "images") as advance:
            heats = attention.read_maps(run, explainer.model.batch_size, positions)
            stored = to_arrays(collect(dataset, positions, heats, explainer, geometry, advance))
        run.write_arrays(SEEN, stored)
    seen = from_arrays(stored)
    with progress.stage("Recurring cues", MOST_PROVED, "cues") as advance:
        cues = discover(dataset, seen, explainer, geometry, config.seed, advance)
    found = {
        **nothing,
        "clusters": [row(cue, dataset, seen) for cue in cues],
        "spots": [each for cue in cues for each in spot_rows(cue, dataset, seen)],
        "pictures": _sheets(cues[:MOST_SHEETS], dataset, seen, geometry),
    }
    run.write_json(FOUND, found)
    return found


def _sheets(cues: Sequence[Cue], dataset: Dataset, seen: Seen, geometry: Geometry) -> dict[str, Record]:
    wanted = [(place, int(spot)) for place, cue in enumerate(cues) for spot in cue.spots[:CROPS]]
    images = sorted({int(seen.positions[seen.spots.image[spot]]) for _, spot in wanted})
    height, width = (side * CLOSER for side in geometry.size)
    closer = dataclasses.replace(geometry, size=(height, width))
    crops: dict[int, list[Record]] = {place: [] for place in range(len(cues))}
    for at, group in load_in_order([dataset.samples[position] for position in images], closer, 4):
        for offset, loaded in enumerate(group):
            if loaded.status != OK or loaded.pixels is None:
                continue
            position = images[at + offset]
            for place, spot in wanted:
                if int(seen.positions[seen.spots.image[spot]]) == position:
                    picture = encode_picture(_crop(loaded.pixels, seen, spot))
                    crops[place].append({"image_id": dataset.samples[position].image_id, "spot": spot, **picture})
    sheets = {}
    for place, cue in enumerate(cues):
        order = {int(spot): number for number, spot in enumerate(cue.spots[:CROPS])}
        shots = [
            {
                "image_id": dataset.samples[shot.position].image_id,
                "host_id": dataset.samples[shot.host].image_id if shot.host >= 0 else None,
                "arm": shot.arm,
                "probability": shot.probability,
                "turned": shot.turned,
                **encode_picture(shot.pixels),
            }
            for shot in cue.proof.shots
        ]
        sheets[cluster_id(cue, dataset, seen)] = {
            "crops": sorted(crops[place], key=lambda crop, order=order: order[crop["spot"]]),  # type: ignore[misc]
            "shots": shots,
            "hosts": cue.proof.hosts,
        }
    return sheets


def _crop(pixels: Pixels, seen: Seen, spot: int) -> Pixels:
    """The surroundings of a spot with its outline drawn: black in white, to be seen on any ground."""
    height, width = pixels.shape[:2]
    cell = (height / seen.spots.grid[0], width / seen.spots.grid[1])
    middle = ((seen.spots.row[spot] + 0.5) * cell[0], (seen.spots.column[spot] + 0.5) * cell[1])
    half = [(seen.spots.reach + 0.5) * side for side in cell]
    top, bottom = (round(middle[0] + sign * AROUND * half[0]) for sign in (-1, 1))
    left, right = (round(middle[1] + sign * AROUND * half[1]) for sign in (-1, 1))
    top, left, bottom, right = max(0, top), max(0, left), min(height, bottom), min(width, right)
    crop = np.ascontiguousarray(pixels[top:bottom, left:right])
    first, last = ((int(middle[1] + sign * half[1]) - left, int(middle[0] + sign * half[0]) - top) for sign in (-1, 1))
    thick = max(1, round(0.01 * max(crop.shape[:2])))
    cv2.rectangle(crop, first, last, (255.0,) * 3, 3 * thick)
    cv2.rectangle(crop, first, last, (0.0,) * 3, thick)
    return crop.reshape(*crop.shape[:2], -1)
