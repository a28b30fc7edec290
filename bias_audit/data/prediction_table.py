"""Reads a table of predictions that were made elsewhere: an image id and a probability per class in each row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.tables import read_table, told_names
from bias_audit.errors import DataError
from bias_audit.files.regular import read_regular
from bias_audit.limits.bounds import Limits
from bias_audit.run.csv_text import unquoted

IMAGE_ID = "image_id"

TOLERANCE = 1e-3
"""By how much a probability may lie outside 0..1, and a row's sum above 1: numbers of few digits, sums of 16 bits."""


@dataclass(frozen=True)
class PredictionTable:
    """A table of predictions.

    Attributes:
        rows: image id -> index into `probabilities`.
        probabilities: (n, K) float64 in [0, 1], the classes in the order of the data set; all of a row are NaN where
            one of its cells is empty or NaN. The sum of a row is at most 1, but for rounding.
        sha256: SHA-256 of the file.
    """

    rows: Mapping[str, int]
    probabilities: NDArray[np.float64]
    sha256: str


def read_predictions(
    file: Path,
    class_names: Sequence[str],
    known: Callable[[str], str],
    limits: Limits,
    hint: str = "",
) -> PredictionTable:
    """Read a CSV or Parquet table of predictions.

    Args:
        file: table with the column `image_id` and a column per class; further columns are not read.
        class_names: classes of the data set.
        known: the id as which a picture counts, by the id in the table; "" = there is no such picture.
        limits: what a table may cost; columns of classes do not count.
        hint: what to do where a row is of no known picture.

    Raises:
        DataError: an unreadable or empty table, a missing column or one that holds no numbers, a row without an id, of
            a picture that is not known or that has a row already, a probability outside 0..1, or a sum above 1.
    """
    if IMAGE_ID in class_names:
        raise DataError(f"a class of the data is called {IMAGE_ID!r}, as the column of a table of predictions is")
    names = tuple(class_names)

    def build(table: Any) -> tuple[list[Any], NDArray[np.float64]]:
        return _columns(file, table, names)

    ids, values = read_table(file, build, columns=limits.columns, text=(IMAGE_ID,), numbers=frozenset(names))
    if not ids:
        raise DataError(f"the table of predictions {str(file)!r} has no rows")
    rows: dict[str, int] = {}
    for place, given in enumerate(ids):
        where = f"{str(file)!r} row {place + 2}"
        if not given:
            raise DataError(f"{where}: no {IMAGE_ID}")
        # A table made of our own CSV files may hold what they write in the place of text that begins as a formula.
        image_id = known(str(given)) or known(unquoted(str(given)))
        if not image_id:
            raise DataError(f"{where}: {str(given)[:200]!r} is no picture of this audit", hint)
        if image_id in rows:
            raise DataError(f"{where}: a second row for {image_id!r}; the first is row {rows[image_id] + 2}")
        rows[image_id] = place
    return PredictionTable(rows, _checked(file, ids, values, names), hashlib.sha256(read_regular(file)).hexdigest())


def _columns(file: Path, table: Any, names: tuple[str, ...]) -> tuple[list[Any], NDArray[np.float64]]:
    """(image ids, (n, K) probabilities) of a `pyarrow.Table`."""
    import pyarrow

    there = set(table.column_names)
    if missing := [name for name in (IMAGE_ID, *names) if name not in there]:
        raise DataError(
            f"the table of predictions {str(file)!r} has no column {told_names(missing)}; it has "
            f"{told_names(table.column_names)}",
            f"Needed are {IMAGE_ID} and a column per class, with the probability of the class.",
        )
    column = table.column(IMAGE_ID)
    if pyarrow.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type)):
        raise DataError(f"the column {IMAGE_ID!r} of {str(file)!r} holds no text, but {column.type}")
    values = np.empty((table.num_rows, len(names)), np.float64)
    for place, name in enumerate(names):
        kind = table.schema.field(name).type
        if not (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind)):
            raise DataError(f"the column {name!r} of {str(file)!r} holds no probabilities, but {kind}")
        values[:, place] = table.column(name).to_numpy()
    return column.to_pylist(), values


def _checked(
    file: Path, ids: Sequence[Any], values: NDArray[np.float64], names: tuple[str, ...]
) -> NDArray[np.float64]:
    """The probabilities within 0..1; rows with a NaN are NaN throughout."""
    unknown = np.asarray(np.isnan(values).any(axis=1))
    outside: NDArray[np.bool_] = np.abs(values - 0.5) > 0.5 + TOLERANCE
    if outside.any():
        row, column = (int(each[0]) for each in np.nonzero(outside))
        raise DataError(
            f"{str(file)!r} row {row + 2}: {values[row, column]:z.6g} for {ids[row]!r} and {names[column]!r} is no "
            "probability in 0..1",
            "Give probabilities, as a softmax makes them; not logits, and not percent.",
        )
    clipped = np.clip(values, 0, 1)
    sums = clipped.sum(axis=1)
    if (above := np.flatnonzero(sums > 1 + TOLERANCE)).size:
        row = int(above[0])
        raise DataError(
            f"{str(file)!r} row {row + 2}: the probabilities for {ids[row]!r} add up to {sums[row]:z.6g}, more than 1",
            "Give the probabilities of one choice among the classes; what is missing to 1 counts as another output. "
            "Independent labels (a sigmoid for each) are audited with the model.",
        )
    clipped[unknown] = np.nan
    return clipped
