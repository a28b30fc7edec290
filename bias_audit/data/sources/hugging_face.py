"""Lists the samples of a folder as `load_dataset("imagefolder")` of `datasets` reads it: parts, and metadata files.

A metadata file (metadata.csv, .jsonl or .parquet) has a column file_name, relative to its own folder; it lies beside
the folders of pictures, or in the folder of a part. Without one the folders below that of a part are classes, and the
part has to be chosen.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.locations import Location, open_location
from bias_audit.data.sources.folder import from_folder, is_image, told_unread
from bias_audit.data.sources.labels import LABELS, MASKS, NO_LABEL, classes, text_of
from bias_audit.data.sources.mistakes import nested
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.sources.splits import KEYWORDS, chosen, known_as, named, part_of
from bias_audit.data.sources.table import read_records
from bias_audit.data.sources.user_columns import user_columns
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Place, Tree, printable_name
from bias_audit.errors import DataError, reason_of
from bias_audit.files.text import LARGEST, parse_json

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
FILE, MASK_FILES = "file_name", tuple(f"{name}_file_name" for name in MASKS)
"""Columns of paths: `datasets` makes pictures of file_name and of every column NAME_file_name."""

UNLISTED = "are listed in no metadata file"

_BEGIN = 65_536
"""Bytes of a metadata file in which its first row stands."""


@dataclass(frozen=True)
class _Photo:
    """A picture that a metadata file lists, or that lies in the folder of a class.

    Attributes:
        image_id, path, mask: as of `Sample`.
        part: name of its part; "" = it belongs to none.
        label: its label as text; "" = it has none.
        by_folder: whether the label is the name of its folder.
        columns: all else that is said of it, by name.
        others: ids of the further files that its row names.
    """

    image_id: str
    path: Location
    part: str
    label: str
    by_folder: bool
    mask: Location | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    others: tuple[str, ...] = ()


def is_image_folder(place: Place) -> bool:
    """Whether a place is a folder with a metadata file, at its root or in the folder of a part; or of parts alone."""
    if place.file:
        return False
    folders, others, _ = place.tree.top()
    seen = [name for name in folders if not name.startswith(".")]
    if seen and all(known_as(name) in KEYWORDS and nested(place.tree, name) for name in seen):
        return True
    names = [f"{each}/{name}" for each in seen if part_of(each) for name in METADATA]
    names = [name for name in METADATA if name in others] + [name for name in names if place.tree.has(name)]
    return any(_lists_files(place.tree.location(name)) for name in names)


def from_image_folder(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of such a folder. For the arguments see `open_dataset`.

    The label is the column label, else the name of the folder that holds the picture; the mask is the column
    mask_file_name; further columns of numbers and texts are kept. Pictures that no metadata file lists are left out.

    Raises:
        DataError: a metadata file that cannot be read or lacks file_name, a picture that is listed twice or lies
            outside, a label that the class map does not name, no such part, or no pictures.
    """
    tree, said = place.tree, repr(str(place))
    folders, _, unread = tree.top()
    parts = [name for name in folders if not name.startswith(".") and part_of(name)]
    metadata = [name for folder in ("", *parts) if (name := _metadata(tree, folder))]
    if not metadata and options.split is None:
        return from_folder(place, class_names, options)  # it refuses parts, unless a class map calls them classes
    left_out: Counter[str] = Counter()
    if metadata:
        photos = [photo for name in metadata for photo in _listed(tree, name, options)]
        known = {each for photo in photos for each in (photo.image_id, *photo.others)}
        left_out[UNLISTED] = sum(printable_name(name) not in known for name in _images(tree, ""))
    else:
        photos = [_in_folder(tree, name) for folder in parts for name in _images(tree, folder)]
        unread |= {name: why for folder in parts for name, why in tree.files(folder).unread.items()}
    if not photos:
        raise DataError(f"{said} lists no pictures", "Expected rows of metadata, or a folder per class in each part.")
    counts = Counter(photo.part for photo in photos)
    part, of_others = chosen(counts, options.split, said)
    photos = [photo for photo in photos if photo.part == part]
    left_out[NO_LABEL] = sum(not photo.label for photo in photos)
    photos = sorted((photo for photo in photos if photo.label), key=lambda photo: photo.image_id)
    if not photos:
        raise DataError(
            f"{said} gives no picture a label: it has no column {LABELS[0]!r}, and no folder per class",
            f"Add a column {LABELS[0]!r} to the metadata.",
        )
    for one, other in itertools.pairwise(photos):
        if one.image_id == other.image_id:
            raise DataError(f"{said}: image {one.image_id!r} is listed twice")
    order, index = classes(
        (photo.label for photo in photos),
        class_names,
        said,
        class_map=options.class_map,
        names_only=any(photo.by_folder for photo in photos),
    )
    columns = user_columns([photo.columns for photo in photos], (), options.limits.columns, said)
    return Dataset(
        tuple(
            Sample(
                *(photo.image_id, photo.path, index[photo.label], photo.mask),
                columns={name: values[row] for name, values in columns.items()},
            )
            for row, photo in enumerate(photos)
        ),
        order,
        "hugging_face",
        columns=tuple(columns),
        unread_folders=told_unread(unread),
        left_out={**of_others, **{why: count for why, count in left_out.items() if count}},
        splits=named(counts),
    )


def _lists_files(location: Location) -> bool:
    """Whether a file called metadata begins with the column file_name, as far as its bytes tell."""
    try:
        with open_location(location) as opened:
            return location.name.endswith(".parquet") or FILE.encode() in opened.read(_BEGIN)
    except (OSError, ValueError):  # said by what reads it
        return True


def _metadata(tree: Tree, folder: str) -> str:
    """Name of the metadata file of a folder; "" = it has none."""
    names = [name for each in METADATA if tree.has(name := f"{folder}/{each}" if folder else each)]
    if len(names) > 1:
        raise DataError(f"{str(tree)!r} holds {told_names(names)}: one of them is enough", "Take the others away.")
    return names[0] if names else ""


def _images(tree: Tree, folder: str) -> list[str]:
    return [name for name in tree.files(folder).files if is_image(name.rpartition("/")[2])]


def _in_folder(tree: Tree, name: str) -> _Photo:
    """A picture whose class is its folder: test/wolf/1.jpg."""
    return _Photo(printable_name(name), tree.location(name), part_of(name.partition("/")[0]), _folder_of(name, 2), True)


def _folder_of(name: str, least: int) -> str:
    """Name of the folder that a picture lies in; "" where it lies above the level of classes."""
    folders = name.split("/")[:-1]
    return printable_name(folders[-1]) if len(folders) >= least else ""


def _listed(tree: Tree, name: str, options: SourceOptions) -> list[_Photo]:
    """The pictures that a metadata file lists."""
    folder = name.rpartition("/")[0]
    said, location = repr(f"{tree}/{name}"), tree.location(name)
    rows = _lines(location, said) if name.endswith(".jsonl") else read_records(location, options.limits.columns)
    every = list(dict.fromkeys(column for row in rows for column in row))
    if rows and FILE not in every:
        raise DataError(f"{said} has no column {FILE!r}; it has {told_names(every)}")
    files = [column for column in every if column == FILE or column.endswith(f"_{FILE}")]
    label = next((column for column in LABELS if column in every), "")
    mask = next((column for column in MASK_FILES if column in files), "")
    photos = []
    for row in rows:
        where = f"{said} row {row['#row']}"
        found = {
            column: tree.named(str(row.get(column) or ""), where, below=folder, outside=options.outside)
            for column in files
            if column == FILE or row.get(column)
        }
        image_id, path = found[FILE]
        photos.append(
            _Photo(
                image_id,
                path,
                known_as(str(row["split"])) if row.get("split") else part_of(folder) if folder else "",
                text_of(row.get(label)) if label else _folder_of(image_id, 2 if folder else 1),
                not label,
                found[mask][1] if mask in found else None,
                {column: row[column] for column in row if column not in (FILE, label, mask, "split", "#row")},
                tuple(each for each, _ in found.values()),
            )
        )
    if not folder and "split" not in every and all(part_of(photo.image_id.partition("/")[0]) for photo in photos):
        return [dataclasses.replace(photo, part=part_of(photo.image_id.partition("/")[0])) for photo in photos]
    return photos


def _lines(file: Location, said: str) -> list[dict[str, Any]]:
    """Objects of a JSON Lines file, each with the number of its line as "#row"."""
    try:
        with open_location(file) as opened:
            data = opened.read(LARGEST + 1)
        lines = data.decode("utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {said}: {reason_of(error)}") from error
    if len(data) > LARGEST:
        raise DataError(f"{said} is larger than {LARGEST:,} bytes")
    rows = []
    for number, line in enumerate(lines, start=1):
        row = parse_json(line, DataError, f"{said} row {number} is") if line.strip() else {}
        if not isinstance(row, dict):
            raise DataError(f"{said} row {number} is no object with names and values")
        if row:
            rows.append({**row, "#row": number})
    return rows
