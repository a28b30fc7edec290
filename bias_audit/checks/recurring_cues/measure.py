"""Recurring cues over the data set: the pass over the sample, the discovery and its pictures, kept in shards."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from bias_audit.checks.base import Context, Given, Measured
from bias_audit.checks.recurring_cues import names
from bias_audit.checks.recurring_cues.collect import Seen, choose_images, collect
from bias_audit.checks.recurring_cues.discover import (
    MOST_PROVED,
    Cue,
    cue_id,
    discover,
    from_arrays,
    row,
    spot_rows,
    to_arrays,
)
from bias_audit.data.batches import Geometry, Pixels, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.errors import ConfigError
from bias_audit.heatmaps import attention
from bias_audit.heatmaps.methods import WITHOUT
from bias_audit.models.given import NO_MODEL
from bias_audit.report.pictures import encode_picture
from bias_audit.run import versions
from bias_audit.run.folder import Run
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import OK, SWITCHED_OFF
from bias_audit.run.tables import table

SEEN, FOUND = "shards/attended.npz", "shards/cues.json"

CROPS = 12
"""Number of typical spots per cue that are kept as pictures."""

MOST_SHEETS = 24
"""Largest number of cues with pictures; the table holds all."""

CLOSER = 4
"""Factor over the model's input size at which crops are cut, so that a mark of 8 pixels can be recognised."""

LONGEST = 2048
"""Longest side to which a picture is enlarged for that: larger inputs show a mark as it is."""

AROUND = 2.0
"""Side of a crop as a multiple of the spot's side."""


NO_HEATMAPS = "there are no heatmaps, and so no places that the network looks at"
NOTHING_FINITE = "activations and gradients of the explained layer are finite on no image"
"""Why recurring cues are not looked for, where they are not switched off."""


@dataclass(frozen=True)
class Found:
    """Recurring cues, as the run keeps them.

    Attributes:
        cues: rows of the table `cues`.
        spots: rows of the table `cue_spots`.
        pictures: cue_id -> {"crops", "shots", "hosts"}, as in pictures.json.
        reason: why no cues were looked for; "" where they were.
        invalid: photos, per cue, some of whose changed pictures have no valid prediction.
    """

    cues: list[dict[str, Any]] = field(default_factory=list)
    spots: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)
    reason: str = ""
    invalid: int = 0


def measure(context: Context) -> Measured:
    """Measure the tables of cues and spots, with names that reviewers gave to cues, and pictures of the strongest."""
    found = find_cues(context)
    rows = names.named(found.cues, found.spots, known_names(context.given))
    return Measured(
        {"cues": table("cues", rows), "cue_spots": table("cue_spots", found.spots)},
        pictures={"cues": found.pictures},
        counts={"invalid_cues": found.invalid},
        own=lambda: found.reason,
    )


def known_names(given: Given) -> list[dict[str, Any]]:
    """Names that reviewers gave to cues, from the given file or else from the one beside the run folder.

    Args:
        given: paths that the audit was given.

    Returns:
        entries of the file, see `names.read_names`.

    Raises:
        ConfigError: the given file does not exist, or the file of names is damaged.
    """
    if given.cues is not None and not os.path.exists(given.cues):
        raise ConfigError(f"no file of names at {str(given.cues)!r}", "bias-audit name RUN CUE NAME writes one.")
    return names.read_names(given.cues or given.beside / names.FILE)


def why_not(result: AuditResult) -> str:
    """Why no cues were looked for in a finished run; "" where they were.

    Raises:
        ResultError: the shard of the cues is damaged.
    """
    if result.info.config.get("discovery") == 0:
        return SWITCHED_OFF
    found = Run(result.path).read_json(versions.shard_name(FOUND, result.version), _found)
    return NO_HEATMAPS if found is None else found.reason


def find_cues(context: Context) -> Found:
    """Look for recurring cues, and erase and paste the strongest, or read those of an interrupted audit."""
    dataset, explainer, geometry = context.dataset, context.explainer, context.geometry
    config, run, progress = context.config, context.run, context.progress
    if config.discovery == 0:
        return Found(reason=SWITCHED_OFF)
    if context.given.results is not None:
        found = Found(reason=NO_MODEL)
        run.write_json(FOUND, dataclasses.asdict(found))
        return found
    if explainer.name == WITHOUT:
        return Found(reason=NO_HEATMAPS)
    kept: Found | None = run.read_json(FOUND, _found)
    if kept is not None:
        return kept
    positions = choose_images(dataset, context.records, config.discovery, config.seed)
    seen = run.read_arrays(SEEN, from_arrays)
    if seen is None:
        with progress.stage("What the network looks at", len(positions), "images") as advance:
            heats = attention.read_maps(run, explainer.model.batch_size, positions)
            finite = [position for position in positions if position in heats]
            advance(len(positions) - len(finite))
            collected = collect(dataset, finite, heats, explainer, geometry, advance)
            if collected is None:
                found = Found(reason=NOTHING_FINITE)
                run.write_json(FOUND, dataclasses.asdict(found))
                return found
            stored = to_arrays(collected)
        run.write_arrays(SEEN, stored)
        seen = from_arrays(stored)
    with progress.stage("Recurring cues", MOST_PROVED, "cues") as advance:
        cues = discover(dataset, seen, explainer, geometry, config.seed, advance, context.groups)
    found = Found(
        [row(cue, dataset, seen) for cue in cues],
        [each for cue in cues for each in spot_rows(cue, dataset, seen)],
        _sheets(cues[:MOST_SHEETS], dataset, seen, geometry),
        invalid=sum(cue.proof.invalid for cue in cues),
    )
    run.write_json(FOUND, dataclasses.asdict(found))
    return found


def _found(kept: dict[str, Any]) -> Found:
    found = Found(**versions.renamed(kept, versions.PICTURES))
    listed = isinstance(found.cues, list) and isinstance(found.spots, list)
    if not (listed and isinstance(found.pictures, dict) and isinstance(found.reason, str)):
        raise TypeError("it holds no cues")
    if not all(isinstance(row, dict) for row in (*found.cues, *found.spots)):
        raise TypeError("it holds no cues")
    cues, spots = (
        [versions.renamed(row, versions.COLUMNS[table]) for row in rows]
        for table, rows in (("cues", found.cues), ("cue_spots", found.spots))
    )
    if not all("cue_id" in row for row in (*cues, *spots)):
        raise TypeError("it holds cues without a cue_id")
    return dataclasses.replace(found, cues=cues, spots=spots)


def _sheets(cues: Sequence[Cue], dataset: Dataset, seen: Seen, geometry: Geometry) -> dict[str, dict[str, Any]]:
    wanted = [(place, int(spot)) for place, cue in enumerate(cues) for spot in cue.spots[:CROPS]]
    images = sorted({int(seen.positions[seen.spots.image[spot]]) for _, spot in wanted})
    times = max(1, min(CLOSER, LONGEST // max(geometry.size)))
    height, width = (side * times for side in geometry.size)
    closer = dataclasses.replace(geometry, size=(height, width))
    crops: dict[int, list[dict[str, Any]]] = {place: [] for place in range(len(cues))}
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
        sheets[cue_id(cue, dataset, seen)] = {
            "crops": sorted(crops[place], key=lambda crop, order=order: order[crop["spot"]]),  # type: ignore[misc]
            "shots": shots,
            "hosts": cue.proof.hosts,
        }
    return sheets


def _crop(pixels: Pixels, seen: Seen, spot: int) -> Pixels:
    """The surroundings of a spot, with its outline drawn in black and white to be visible on any ground."""
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
