"""Attaches masks from a folder, and boxes from a table, to the samples of a data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from bias_audit.data.addresses import Url, data_address
from bias_audit.data.archives import archive_of
from bias_audit.data.dataset import Box, Dataset
from bias_audit.data.remote.reach import Reach
from bias_audit.data.samples import Samples
from bias_audit.data.sources import mistakes
from bias_audit.data.sources.folder import told_unread
from bias_audit.data.sources.table import box_of, read_records
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Listing, Tree, is_tree, printable_name, tree_of
from bias_audit.errors import DataError
from bias_audit.files.regular import unreachable
from bias_audit.limits.bounds import Limits

MASK_FORMATS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jpg", ".jpeg")


def attach_masks(dataset: Dataset, folder: Path | Url, reach: Reach | None = None) -> Dataset:
    """Give each sample the mask file at the same relative path, up to the suffix: wolf/1.jpg -> FOLDER/wolf/1.png.

    A sample that has a mask already keeps it; boxes give way.

    Args:
        dataset: the samples.
        folder: the folder of masks, or an archive of them. One folder that holds all in it may stand above the tree.
        reach: what may be fetched, and what a file may cost; None = the defaults.

    Raises:
        DataError: no such folder, no masks in it, or no sample with a mask afterwards.
    """
    if not is_tree(folder):
        raise DataError(f"no mask folder at {str(folder)!r}{unreachable(Path(str(folder)))}")
    stems = [sample.image_id.rpartition(".")[0] or sample.image_id for sample in dataset.samples]
    tree = tree_of(folder, reach)
    masks, listed = _masks_of(tree)
    if masks.keys().isdisjoint(stems) and (inner := tree.inner()) != tree:
        tree = inner
        masks, listed = _masks_of(tree)
    unread = told_unread(listed.unread)
    because = f"; not read was {unread[0]}" if unread else ""
    if not masks:
        raise DataError(
            f"the mask folder {str(folder)!r} holds no masks{because}", f"Read are {', '.join(MASK_FORMATS)}."
        )
    samples = Samples(
        sample if sample.outlined or stem not in masks else replace(sample, mask=tree.location(masks[stem]))
        for sample, stem in zip(dataset.samples, stems, strict=True)
    )
    if not any(sample.outlined for sample in samples):
        raise DataError(
            f"none of the {len(masks)} masks in {str(folder)!r} matches an image",
            mistakes.unlike_masks([sample.image_id for sample in dataset.samples], masks, str(folder)),
        )
    bare = {sample.label for sample in samples} - {sample.label for sample in samples if sample.outlined}
    for name in (dataset.class_names[label] for label in sorted(bare)):
        if lost := {below: why for below, why in listed.unread.items() if below.partition("/")[0] == name}:
            raise DataError(
                f"no mask of the class {name!r} can be read: {told_unread(lost)[0]}",
                "Allow the folder of masks to be read.",
            )
    known = set(stems)
    # Of a sample nobody knows which masks are of the photos that it leaves out.
    unused = () if dataset.sampled_from else tuple(printable_name(masks[stem]) for stem in masks if stem not in known)
    return replace(dataset, samples=samples, unread_folders=(*dataset.unread_folders, *unread), unused_masks=unused)


def _masks_of(tree: Tree) -> tuple[dict[str, str], Listing]:
    """(name without suffix as text -> name of the mask, all files) of a tree."""
    masks: dict[str, str] = {}
    listed = tree.files()
    for name in sorted(listed.files, key=_rank):
        if _suffix(name) in MASK_FORMATS:
            masks.setdefault(printable_name(name.rpartition(".")[0]), name)
    return masks, listed


def table_of_boxes(given: str | Path | Url) -> Path:
    """The table of boxes that a user names: a file of this disk.

    Raises:
        DataError: it lies elsewhere, or in an archive.
    """
    table = data_address(given)
    if isinstance(table, Url) or archive_of(table) is not None:
        raise DataError(
            f"boxes are read from a file on this disk, and {str(table)!r} lies elsewhere or in an archive",
            "Download or unpack it; or name the boxes in the column box of the table of the data.",
        )
    return table


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
    samples = Samples(
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
