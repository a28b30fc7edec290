"""Lists the samples of a data set from a folder per class or from a table, and attaches masks and boxes to them.

A new source is one function here and one line in SOURCES.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bias_audit.data.dataset import Box, Dataset, Sample, printable_path
from bias_audit.data.folders import list_files, list_folders
from bias_audit.data.tables import read_table, told_names
from bias_audit.errors import DataError
from bias_audit.files.regular import unreachable
from bias_audit.limits.bounds import Limits

KERAS_FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
"""Formats that `keras.utils.image_dataset_from_directory` reads: a model trained with it saw no other files."""

OTHER_FORMATS = (".avif", ".heic", ".jp2", ".jfif", ".pgm", ".ppm", ".svg", ".tif", ".tiff", ".webp")
MASK_FORMATS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jpg", ".jpeg")
RESERVED = ("image", "label", "mask", "box", "split")

ClassNames = tuple[str, ...] | None


def from_folder(root: Path, class_names: ClassNames, *, split: str | None, outside: bool, columns: int) -> Dataset:
    """List the samples of a folder per class as `keras.utils.image_dataset_from_directory` reads them.

    Formats and the alphabetical order of classes are the same, subfolders are included, and class folders whose name
    begins with a dot are skipped. Pictures in other formats become samples with a `skip` reason, so that nothing is
    lost silently; all other files are listed in `ignored_files`. For the arguments see `open_dataset`.

    Raises:
        DataError: no class folders, no images, a folder that the class map does not name, or a `split`.
    """
    if split is not None:
        raise DataError("--split needs a table with a column 'split'", f"{str(root)!r} is a folder of class folders.")
    try:
        names_there, others, unread = list_folders(root)
    except OSError as error:
        raise DataError(f"cannot read the folder {str(root)!r}: {error.strerror or error}") from error
    folders = [name for name in names_there if not name.startswith(".")]
    if not folders:
        loose = sum(1 for name in others if _is_image(name))
        found = f"{loose} images directly inside it" if loose else "nothing to read"
        raise DataError(
            f"{str(root)!r} holds no class folders, but {found}",
            "Expected one folder per class: DATA/husky/1.jpg, DATA/wolf/2.jpg, ... or a table (CSV, Parquet).",
        )
    names = class_names or tuple(folders)
    if unknown := [name for name in folders if name not in names]:
        raise DataError(
            f"{str(root)!r} has class folders that the class map does not name: {told_names(unknown)}",
            f"The class map names {told_names(names)}.",
        )
    samples: list[Sample] = []
    ignored: list[str] = []
    for name in folders:
        listed = list_files(root / name)
        unread |= listed.unread
        before = len(samples)
        for path in listed.files:
            image_id = printable_path(path, root)
            if not _is_image(path.name):
                ignored.append(image_id)
                continue
            skip = "" if path.name.lower().endswith(KERAS_FORMATS) else _skip_reason(path.name)
            samples.append(Sample(image_id, path, names.index(name), skip=skip))
        if len(samples) == before and listed.unread:
            raise DataError(
                f"no image of the class {name!r} can be read: {_told(listed.unread, root)[0]}",
                "Allow the folder to be read, or take it away.",
            )
    if not samples:
        raise DataError(
            f"{str(root)!r} has {len(folders)} class folders, but no images in them",
            f"Read are {', '.join(KERAS_FORMATS)}, as keras.utils.image_dataset_from_directory does.",
        )
    return Dataset(root, tuple(samples), names, "folder", tuple(ignored), unread_folders=_told(unread, root))


def from_table(file: Path, class_names: ClassNames, *, split: str | None, outside: bool, columns: int) -> Dataset:
    """List the samples of a CSV or Parquet table with the columns image and label.

    The columns mask, box and split are optional; further columns are kept. Paths are relative to the table's folder,
    and must stay inside it unless `outside`. A box is "x_min,y_min,x_max,y_max" in pixels of the picture; several are
    separated by ";". For the arguments see `open_dataset`.

    Raises:
        DataError: an unreadable or empty table, a missing column, an empty label, a label that the class map does not
            name, no row of the split, an image that is listed twice, a path outside the folder, or a bad box.
    """
    records = read_records(file, columns)
    if not records:
        raise DataError(f"{str(file)!r} has no rows")
    for column in ("image", "label"):
        if column not in records[0]:
            raise DataError(
                f"{str(file)!r} has no column {column!r}; it has {told_names(records[0])}",
                "Needed are image and label; optional are mask, box and split; further columns are kept.",
            )
    if split is not None:
        if "split" not in records[0]:
            raise DataError(f"{str(file)!r} has no column 'split', but --split {split} was given")
        values = {str(record["split"]) for record in records}
        records = [record for record in records if str(record["split"]) == split]
        if not records:
            raise DataError(f"{str(file)!r} has no row with split {split!r}; it has {told_names(sorted(values))}")
    root = file.parent.resolve()
    labels = []
    for record in records:
        label = "" if record["label"] is None else str(record["label"])
        if not label:
            raise DataError(f"{str(file)!r} row {record['#row']}: no label for image {record['image']!r}")
        labels.append(label)
    names = class_names or tuple(sorted(set(labels)))
    if unknown := sorted(set(labels) - set(names)):
        raise DataError(
            f"{str(file)!r} has labels that the class map does not name: {told_names(unknown)}",
            f"The class map names {told_names(names)}.",
        )
    extra = tuple(column for column in records[0] if column not in RESERVED and column != "#row")
    samples: dict[str, Sample] = {}
    for record, label in zip(records, labels, strict=True):
        where = f"{str(file)!r} row {record['#row']}"
        path = _inside(record["image"], root, where, outside)
        image_id = printable_path(path, root) if path.is_relative_to(root) else path.as_posix()
        if image_id in samples:
            raise DataError(f"{where}: image {image_id!r} is listed twice")
        mask = record.get("mask")
        samples[image_id] = Sample(
            image_id,
            path,
            names.index(label),
            mask=_inside(mask, root, where, outside) if mask else None,
            boxes=parse_boxes(record.get("box"), where),
            columns={name: record[name] for name in extra},
        )
    ordered = tuple(samples[image_id] for image_id in sorted(samples))
    return Dataset(root, ordered, names, "table", columns=extra)


def open_dataset(
    data: Path,
    class_names: ClassNames,
    *,
    split: str | None = None,
    outside: bool = False,
    columns: int = Limits.columns,
) -> Dataset:
    """List the samples of a data set that is a folder per class or a table.

    Args:
        data: folder with one folder per class, or a .csv/.parquet file.
        class_names: order of the classes when a class map gives it; None = alphabetical.
        split: keep only the rows of a table with this value in the column `split`; None = all rows.
        outside: whether paths in a table may leave its folder.
        columns: most columns of a table, see `Limits`.

    Raises:
        DataError: nothing there, or nothing that can be audited.
    """
    if not os.path.exists(data):
        raise DataError(
            f"no data at {str(data)!r}{unreachable(data)}",
            "Give a folder with one folder per class, or a CSV/Parquet table.",
        )
    suffix = "folder" if data.is_dir() else data.suffix.lower()
    if suffix not in SOURCES:
        raise DataError(f"{str(data)!r} is neither a folder nor a table", f"Read are {', '.join(SOURCES)}.")
    return SOURCES[suffix](data, class_names, split=split, outside=outside, columns=columns)


def attach_masks(dataset: Dataset, folder: Path) -> Dataset:
    """Give each sample the mask file at the same relative path, up to the suffix: wolf/1.jpg -> FOLDER/wolf/1.png.

    A sample that has a mask already keeps it.

    Raises:
        DataError: no such folder, no masks in it, or no sample with a mask afterwards.
    """
    if not os.path.isdir(folder):
        raise DataError(f"no mask folder at {str(folder)!r}{unreachable(folder)}")
    masks: dict[str, Path] = {}
    listed = list_files(folder)
    for path in sorted(listed.files, key=lambda path: _rank(path.name)):
        if path.suffix.lower() in MASK_FORMATS:
            masks.setdefault(printable_path(path.with_suffix(""), folder), path)
    unread = _told(listed.unread, folder)
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
        if lost := {path: why for path, why in listed.unread.items() if folder / name in (path, *path.parents)}:
            raise DataError(
                f"no mask of the class {name!r} can be read: {_told(lost, folder)[0]}",
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
        box = _box([record[column] for column in needed[1:]], where)
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


def read_records(file: Path, columns: int = Limits.columns) -> list[dict[str, Any]]:
    """Rows of a CSV or Parquet file as dicts; empty texts become None.

    Each row has a further entry "#row": the number of its line as a person counts it, the header being 1. At most
    `columns` columns are read, see `Limits`.

    Raises:
        DataError: a file that cannot be read, more columns than that, or two columns of one name.
    """

    def records_of(table: Any) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = table.to_pylist()
        return records

    records = read_table(file, records_of, columns=columns, text=RESERVED)
    rows = [{name: None if _empty(value) else value for name, value in row.items()} for row in records]
    return [{**row, "#row": number} for number, row in enumerate(rows, start=2)]


def parse_boxes(text: object, where: str) -> tuple[Box, ...]:
    """Boxes written as "x_min,y_min,x_max,y_max", several separated by ";"; () for None or an empty text.

    Args:
        text: value of the column `box`.
        where: file and row, for the message.

    Raises:
        DataError: not four finite numbers, or a box without area.
    """
    if text is None or text == "":
        return ()
    return tuple(_box(part.replace(",", " ").split(), where) for part in str(text).split(";") if part.strip())


def _box(values: Iterable[object], where: str) -> Box:
    try:
        x_min, y_min, x_max, y_max = (float(str(value)) for value in values)
    except ValueError as error:
        raise DataError(f"{where}: a box needs four numbers x_min,y_min,x_max,y_max") from error
    if not all(map(math.isfinite, (x_min, y_min, x_max, y_max))):
        raise DataError(f"{where}: a box needs four finite numbers, got {x_min:g},{y_min:g},{x_max:g},{y_max:g}")
    if not (x_max > x_min and y_max > y_min):
        raise DataError(
            f"{where}: box {x_min:g},{y_min:g},{x_max:g},{y_max:g} has no area (x_max > x_min, y_max > y_min)"
        )
    return x_min, y_min, x_max, y_max


def _inside(value: object, root: Path, where: str, outside: bool) -> Path:
    if value is None or value == "":
        raise DataError(f"{where}: no image path")
    if "\0" in str(value):
        raise DataError(f"{where}: {value!r} is no path, it holds a zero byte")
    try:
        path = (root / str(value).replace("\\", "/")).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        raise DataError(f"{where}: {str(value)!r} is no path that can be followed: {error}") from error
    if not outside and not path.is_relative_to(root):
        raise DataError(
            f"{where}: {str(value)!r} leaves the folder of the table",
            "Allow it with --allow-outside, if you trust the table.",
        )
    return path


def _told(unread: Mapping[Path, str], root: Path) -> tuple[str, ...]:
    return tuple(f"{printable_path(path, root)} ({why})" for path, why in sorted(unread.items()))


def _is_image(name: str) -> bool:
    return name.lower().endswith((*KERAS_FORMATS, *OTHER_FORMATS)) and not name.startswith("._")


def _skip_reason(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return f"{suffix} files are not read by image_dataset_from_directory; list it in a table to audit it"


def _rank(name: str) -> int:
    suffix = Path(name).suffix.lower()
    return MASK_FORMATS.index(suffix) if suffix in MASK_FORMATS else len(MASK_FORMATS)


def _empty(value: object) -> bool:
    return isinstance(value, str) and value == ""


SOURCES: dict[str, Callable[..., Dataset]] = {"folder": from_folder, ".csv": from_table, ".parquet": from_table}
