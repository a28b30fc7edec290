"""Lists the samples of a CSV or Parquet table, with the masks and boxes that it names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from bias_audit.data.dataset import Box, Dataset, Sample
from bias_audit.data.locations import Location
from bias_audit.data.sources.labels import classes
from bias_audit.data.sources.options import ClassNames, SourceOptions
from bias_audit.data.tables import read_table, told_names
from bias_audit.data.trees import Place
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits

RESERVED = ("image", "label", "mask", "box", "split")


def from_table(place: Place, class_names: ClassNames, options: SourceOptions) -> Dataset:
    """List the samples of a CSV or Parquet table with the columns image and label.

    The columns mask, box and split are optional; further columns are kept. Paths are relative to the table's folder,
    and must stay inside it unless `outside`. A box is "x_min,y_min,x_max,y_max" in pixels of the picture; several are
    separated by ";". For the arguments see `open_dataset`.

    Raises:
        DataError: an unreadable or empty table, a missing column, an empty label, a label that the class map does not
            name, no row of the split, an image that is listed twice, a path outside the folder, or a bad box.
    """
    said = repr(str(place))
    records = read_records(place.location, options.limits.columns)
    if not records:
        raise DataError(f"{said} has no rows")
    for column in ("image", "label"):
        if column not in records[0]:
            raise DataError(
                f"{said} has no column {column!r}; it has {told_names(records[0])}",
                "Needed are image and label; optional are mask, box and split; further columns are kept.",
            )
    splits = Counter(str(record["split"]) for record in records if record.get("split") is not None)
    if (split := options.split) is not None:
        if "split" not in records[0]:
            raise DataError(f"{said} has no column 'split', but --split {split} was given")
        values = {str(record["split"]) for record in records}
        records = [record for record in records if str(record["split"]) == split]
        if not records:
            raise DataError(f"{said} has no row with split {split!r}; it has {told_names(sorted(values))}")
    labels = []
    for record in records:
        label = "" if record["label"] is None else str(record["label"])
        if not label:
            raise DataError(f"{said} row {record['#row']}: no label for image {record['image']!r}")
        labels.append(label)
    names, index = classes(labels, class_names, said, class_map=options.class_map)
    extra = tuple(column for column in records[0] if column not in RESERVED and column != "#row")
    samples: dict[str, Sample] = {}
    for record, label in zip(records, labels, strict=True):
        where = f"{said} row {record['#row']}"
        image_id, path = place.tree.named(str(record["image"] or ""), where, outside=options.outside)
        if image_id in samples:
            raise DataError(f"{where}: image {image_id!r} is listed twice")
        mask = record.get("mask")
        samples[image_id] = Sample(
            image_id,
            path,
            index[label],
            mask=place.tree.named(str(mask), where, outside=options.outside)[1] if mask else None,
            boxes=parse_boxes(record.get("box"), where),
            columns={name: record[name] for name in extra},
        )
    ordered = tuple(samples[image_id] for image_id in sorted(samples))
    return Dataset(ordered, names, "table", columns=extra, splits=splits)


def read_records(file: Location, columns: int = Limits.columns) -> list[dict[str, Any]]:
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
    return tuple(box_of(part.replace(",", " ").split(), where) for part in str(text).split(";") if part.strip())


def box_of(values: Iterable[object], where: str) -> Box:
    """A box of x_min, y_min, x_max, y_max in pixels. Errors as in `parse_boxes`."""
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


def _empty(value: object) -> bool:
    return isinstance(value, str) and value == ""
