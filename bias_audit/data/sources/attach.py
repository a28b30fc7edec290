"""Attaches masks from a folder, and boxes from a table, to the samples of a data set."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from bias_audit.data.addresses import Url
from bias_audit.data.dataset import Box, Dataset
from bias_audit.data.locations import Location
from bias_audit.data.remote.reach import Reach
from bias_audit.data.sources.folder import told_unread
from bias_audit.data.sources.table import box_of, read_records
from bias_audit.data.tables import told_names
from bias_audit.data.trees import place_of, printable_name
from bias_audit.errors import DataError
from bias_audit.files.regular import unreachable
from bias_audit.limits.bounds import Limits

MASK_FORMATS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jpg", ".jpeg")


def attach_masks(dataset: Dataset, folder: Path | Url, reach: Reach | None = None) -> Dataset:
    """Give each sample the mask file at the same relative path, up to the suffix: wolf/1.jpg -> FOLDER/wolf/1.png.

    A sample that has a mask already keeps it. `reach`: what may be fetched, where the folder lies elsewhere.

    Raises:
        DataError: no such folder, no masks in it, or no sample with a mask afterwards.
    """
    if isinstance(folder, Path) and not os.path.isdir(folder):
        raise DataError(f"no mask folder at {str(folder)!r}{unreachable(folder)}")
    place = place_of(folder, reach)
    if place.file:
        raise DataError(f"{str(folder)!r} is a file, not a folder of masks")
    tree = place.tree
    masks: dict[str, Location] = {}
    listed = tree.files()
    for name in sorted(listed.files, key=_rank):
        if _suffix(name) in MASK_FORMATS:
            masks.setdefault(printable_name(name.rpartition(".")[0]), tree.location(name))
    unread = told_unread(listed.unread)
    because = f"; not read was {unread[0]}" if unread else ""
    if not masks:
        raise DataError(
            f"the mask folder {str(folder)!r} holds no masks{because}", f"Read are {', '.join(MASK_FORMATS)}."
        )
    stems = [sample.image_id.rpartition(".")[0] for sample in dataset.samples]
    samples = tuple(
        replace(sample, mask=sample.mask or masks.get(stem))
        for sample, stem in zip(dataset.samples, stems, strict=True)
    )
    if all(sample.mask is None for sample in samples):
        raise DataError(
            f"none of the {len(masks)} masks in {str(folder)!r} matches an image",
            f"Expected the same tree and stem: {stems[0]}.png; found for instance {next(iter(masks))!r}.",
        )
    bare = {sample.label for sample in samples} - {sample.label for sample in samples if sample.mask is not None}
    for name in (dataset.class_names[label] for label in sorted(bare)):
        if lost := {below: why for below, why in listed.unread.items() if below.partition("/")[0] == name}:
            raise DataError(
                f"no mask of the class {name!r} can be read: {told_unread(lost)[0]}",
                "Allow the folder of masks to be read.",
            )
    return replace(dataset, samples=samples, unread_folders=(*dataset.unread_folders, *unread))


def attach_boxes(dataset: Dataset, file: Path, columns: int = Limits.columns) -> Dataset:
    """Add boxes to samples from a second table with one row per box: image, x_min, y_min, x_max, y_max.

    Raises:
        DataError: an unreadable or empty table, a missing column, a box of no finite numbers or without area, or no row
            that matches an image.
    """
    records = read_records(file, columns)
    needed = ("image", "x_min", "y_min", "x_max", "y_max")
    if not records or any(column not in records[0] for column in needed):
        has = told_names(records[0]) if records else "no rows"
        raise DataError(f"the box table {str(file)!r} needs the columns {', '.join(needed)}; it has {has}")
    boxes: dict[str, list[Box]] = {}
    for record in records:
        where = f"{str(file)!r} row {record['#row']}"
        box = box_of([record[column] for column in needed[1:]], where)
        boxes.setdefault(str(record["image"]).replace("\\", "/"), []).append(box)
    samples = tuple(
        replace(sample, boxes=(*sample.boxes, *boxes.get(sample.image_id, []))) for sample in dataset.samples
    )
    if not any(sample.image_id in boxes for sample in dataset.samples):
        raise DataError(
            f"no row of the box table {str(file)!r} matches an image",
            f"Its first image is {records[0]['image']!r}; the data set's first is {dataset.samples[0].image_id!r}.",
        )
    return replace(dataset, samples=samples)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _rank(name: str) -> int:
    suffix = _suffix(name)
    return MASK_FORMATS.index(suffix) if suffix in MASK_FORMATS else len(MASK_FORMATS)
