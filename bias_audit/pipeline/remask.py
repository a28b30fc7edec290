"""Scoring of stored heatmaps with new masks: attention is computed again from a run's shards, without the model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Geometry
from bias_audit.data.contents import content_of
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.geometry import fit_mask
from bias_audit.data.masks import Mask, load_mask, read_mask_file
from bias_audit.data.pictures import declared, read_picture
from bias_audit.data.samples import Samples
from bias_audit.errors import DataError, ResultError
from bias_audit.heatmaps import attention
from bias_audit.heatmaps.localization import LABEL_METRICS, METRICS, localize, reach, with_maps
from bias_audit.heatmaps.photo_records import score
from bias_audit.run.columns import Row
from bias_audit.run.folder import Run
from bias_audit.run.records import Records
from bias_audit.run.shares import shard_path
from bias_audit.run.statuses import OK

_OF_MASKS = {*METRICS, *LABEL_METRICS, "void_share", "foreground_area", "attention_status", "mask_status", "mask_kind"}
"""Columns of a record whose values depend on the mask."""


@dataclass(frozen=True)
class Rescored:
    """Records of the images, scored with the new masks.

    Attributes:
        records: one per sample, in the order of the data set.
        given: number of readable images that have a new mask file.
        changed: positions of images whose mask differs from the earlier one at the resolution of the heatmap.
    """

    records: Records
    given: int
    changed: frozenset[int]


def rescore_shards(
    dataset: Dataset, geometry: Geometry, batch: int, old: Run, new: Run, advance: Callable[[int], None]
) -> Rescored:
    """Score images that have a new mask file again, keep the other records, and write the shards of the new run.

    Args:
        dataset: samples in the order of the run; `mask` is set only where there is a new mask file.
        geometry: how pictures and masks became model inputs in the run.
        batch: images per batch of the run.
        old, new: run folders from which shards are read, and to which they are written.
        advance: called with the number of images that are done.

    Raises:
        ResultError: a shard is missing or damaged.
        DataError: a picture cannot be read, or has changed since it was audited.
    """
    records = Records(len(dataset.samples))
    changed: set[int] = set()
    given = 0
    size = batch * attention.BATCHES_PER_SHARD
    for start in range(0, len(dataset.samples), size):
        name = shard_path(start // size)
        rows, shard = _read(old, name, start, min(size, len(dataset.samples) - start))
        places = {int(position): i for i, position in enumerate(shard.get("positions", ()))}
        masked = [row for row in rows if row["status"] == OK and dataset.samples[row["#position"]].outlined]
        given += len(masked)
        for first in range(0, len(masked), batch):
            part = masked[first : first + batch]
            changed.update(_rescore(part, [places[row["#position"]] for row in part], dataset, geometry, shard))
        shard["records"] = np.array(json.dumps(rows))
        new.write_arrays(name, shard)
        for row in rows:
            records.put(row["#position"], row)
        advance(len(rows))
    return Rescored(records, given, frozenset(changed))


def _read(run: Run, name: str, start: int, count: int) -> tuple[list[Row], dict[str, NDArray[Any]]]:
    stored = run.read_arrays(name, partial(attention.sound, start=start, count=count))
    if stored is None:
        raise ResultError(
            f"{str(run.path / name)!r} is missing: without the shards of a run nothing can be scored again",
            "Give the run folder as the audit wrote it, with its folder `shards`, or audit the data again.",
        )
    return stored


def _rescore(
    rows: Sequence[Row], places: Sequence[int], dataset: Dataset, geometry: Geometry, shard: dict[str, NDArray[Any]]
) -> list[int]:
    """Score some images again, writing into `rows` and `shard`; returns positions of the images whose mask changed."""
    masks = []
    for row in rows:
        mask, row["mask_status"], row["mask_kind"] = _load(dataset.samples[row["#position"]], row, geometry)
        masks.append(mask)
        for name in _OF_MASKS - {"mask_status", "mask_kind"}:
            row.pop(name, None)
    at_label = {int(position): i for i, position in enumerate(shard["positions_label"])}
    heat = np.stack([_map(shard, "maps", "scales", place) for place in places])
    heat_label = heat.copy()
    for i, row in enumerate(rows):
        if (own := at_label.get(row["#position"])) is not None:
            heat_label[i] = _map(shard, "maps_label", "scales_label", own)
    at = localize(heat, np.stack(masks))
    score(rows, at, with_maps(at, heat_label))
    changed: set[int] = set()
    for name, values in reach(at).items():
        for row, place, value in zip(rows, places, values, strict=True):
            if not np.array_equal(shard[name][place], value):
                changed.add(row["#position"])
            shard[name][place] = value
    return sorted(changed)


def _load(sample: Sample, row: Row, geometry: Geometry) -> tuple[Mask, str, str]:
    """The mask of an image at the model's input size, its status and its kind; the pixels are not decoded."""
    data, reason = read_picture(sample.path, geometry.pixel_range)
    header = None
    if data is not None:
        header, reason = declared(data, geometry.decoder, geometry.limits.pixels, geometry.pixel_range)
    if data is None or header is None:
        raise DataError(f"{sample.image_id!r} cannot be read any more: {reason}")
    height, width = header.height, header.width
    if row.get("content") and content_of(data) != row["content"]:
        raise DataError(
            f"{sample.image_id!r} is not the picture that was audited: the file has changed", "Audit the data again."
        )
    mask_data, row["mask_content"], _ = read_mask_file(sample)  # a mask that cannot be read is a row
    mask, status, kind = load_mask(sample, (height, width), geometry.masks, mask_data)
    if mask is None:
        mask = np.zeros((height, width), np.uint8)
    return fit_mask(mask, geometry.size, geometry.resize), status, kind


def _map(shard: dict[str, NDArray[Any]], maps: str, scales: str, place: int) -> NDArray[np.float32]:
    return np.asarray(shard[maps][place].astype(np.float32) * shard[scales][place], np.float32)


def only_masks(dataset: Dataset) -> Dataset:
    """The data set without its masks and boxes, so that only masks attached afterwards count."""
    bare = Samples(dataclasses.replace(sample, mask=None, boxes=()) for sample in dataset.samples)
    return dataclasses.replace(dataset, samples=bare)
