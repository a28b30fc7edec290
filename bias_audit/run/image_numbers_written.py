"""Writes what a gate needs of the images table (`image_numbers`), made of the very CSV file that it would read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from bias_audit.run.csv_text import all_parsed, unquoted
from bias_audit.run.digests import digest_of, digest_of_file
from bias_audit.run.folder import Run
from bias_audit.run.image_numbers import FOLDER, FORMAT, MISSING, MOST_VALUES, SHOWN, SUFFIX
from bias_audit.run.schema import columns_of

LEAST = 5_000
"""Fewest images of a run that has such files: a shorter table is read as fast."""

_AT_ONCE = 12
"""Columns that are parsed at the same time, which bounds the memory."""


@dataclass(frozen=True)
class _Layout:
    """Where the images of each class stand.

    Attributes:
        order: rows of the table, by class in the order of the table, and by name in each class.
        classes: (class, first place, end) in `order`.
        ids: names by place in `order`.
        names: see `image_numbers.Numbers`.
    """

    order: NDArray[np.int64]
    classes: Sequence[tuple[str, int, int]]
    ids: Sequence[str]
    names: str


def write_numbers(run: Run, images: pd.DataFrame, least: int = LEAST) -> None:
    """Write the numbers of every column of the images table into a run whose table has been written.

    Args:
        run: the run folder, with images.csv and its digest.
        images: the table.
        least: fewest images for which anything is written.

    Raises:
        ResultError: the disk is full or the folder cannot be written.
    """
    if len(images) < least:
        return
    table = run.path / "images.csv"
    with table.open("rb") as file:
        digest, size = digest_of_file(file), file.tell()
    if (digest,) != tuple(run.digests["images.csv"]):
        return  # somebody else writes here: the gate reads the table, and says so
    layout = _layout(table)
    if layout is None:
        return
    run.open_folder(FOLDER)
    numeric = [column.name for column in columns_of("images") if column.kind != "string" and column.name in images]
    about = {"format": FORMAT, "sha256": digest, "bytes": size, "names": layout.names}
    for at in range(0, len(numeric), _AT_ONCE):
        for name, values in _columns(table, numeric[at : at + _AT_ONCE]):
            head, packed = _column(values, layout)
            content = json.dumps({**about, "column": name, **head}, ensure_ascii=False, separators=(",", ":"))
            body = content.encode("utf-8", "backslashreplace") + b"\n" + packed
            first = json.dumps({"sha256": digest_of(body)})
            run.write(f"{FOLDER}/{name}{SUFFIX}", f"{first}\n".encode() + body)


def _texts(file: Path, columns: Sequence[str]) -> pa.Table:
    return pa.csv.read_csv(
        file,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
        ),
    )


def _layout(file: Path) -> _Layout | None:
    """The layout of the table; None where a name stands twice, so that no order of the names is the only one."""
    table = _texts(file, ("image_id", "label"))
    ids, labels = ([unquoted(cell) for cell in table[name].to_pylist()] for name in ("image_id", "label"))
    if len(set(ids)) < len(ids):
        return None
    places = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    order = sorted(range(len(ids)), key=lambda row: (places[labels[row]], ids[row]))
    named = [ids[row] for row in order]
    ends = np.cumsum(np.bincount([places[label] for label in labels], minlength=len(places))).tolist()
    classes = list(zip(places, [0, *ends[:-1]], ends, strict=True))
    names = hashlib.sha256()
    for label, first, end in sorted(classes):
        names.update(json.dumps([label, named[first:end]]).encode())
    return _Layout(np.array(order, np.int64), classes, named, names.hexdigest())


def _columns(file: Path, names: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Name and numbers of columns, NaN where missing, as the gate would parse the cells."""
    table = _texts(file, names)
    for name in names:
        cells = table[name].combine_chunks()
        try:
            known = pc.cast(pc.if_else(pc.equal(cells, ""), None, cells), pa.float64())
        except pa.ArrowInvalid:  # True, False, or what the gate takes for no number
            words = cells.dictionary_encode()
            parsed = all_parsed([unquoted(cell) for cell in words.dictionary.to_pylist()])
            values = np.array([np.nan if value is None else value for value in parsed], np.float64)
            yield name, values[words.indices.to_numpy()]
        else:
            values = known.to_numpy(zero_copy_only=False)
            yield name, np.where(np.isfinite(values), values, np.nan)


def _column(column: NDArray[np.float64], layout: _Layout) -> tuple[dict[str, Any], bytes]:
    """What a file says of a column in JSON, and its numbers in binary (`image_numbers`).

    Args:
        column: number of each image, NaN where missing, in the order of the table.
        layout: where the images of each class stand.
    """
    ordered = column[layout.order]
    distinct = np.unique(ordered[~np.isnan(ordered)])
    classes, parts = {}, []
    for label, first, end in layout.classes:
        values, ids = ordered[first:end], layout.ids[first:end]
        there = np.flatnonzero(~np.isnan(values))
        rising = there[np.argsort(values[there], kind="stable")]  # of equal values, the last name stands last
        falling = there[::-1][np.argsort(values[there][::-1], kind="stable")]  # and here first
        extremes = [[[ids[i], float(values[i])] for i in rows] for rows in (rising[::-1][:SHOWN], falling[:SHOWN])]
        classes[label] = [len(values), len(there), *extremes]
        parts.append(values[rising])
    if len(distinct) > MOST_VALUES:
        return {"classes": classes}, np.concatenate(parts).astype("<f8").tobytes()
    codes = np.where(np.isnan(ordered), MISSING, np.searchsorted(distinct, ordered) + MISSING + 1)
    return {"values": distinct.tolist(), "classes": classes}, codes.astype(np.uint8).tobytes()
