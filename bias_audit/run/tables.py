"""Making pandas tables from records, and writing and reading them; columns as in `schema`, user columns last."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bias_audit.checks.reasons import SHORT
from bias_audit.errors import ResultError
from bias_audit.run import versions
from bias_audit.run.csv_text import LINE_END, Lines, quoted
from bias_audit.run.digests import REPAIR, Digests, verified
from bias_audit.run.quantities import interval
from bias_audit.run.records import Records
from bias_audit.run.schema import TABLES, Column, columns_of, index_of
from bias_audit.run.statuses import OK, SCREENED
from bias_audit.run.versions import FORMAT_VERSION

if TYPE_CHECKING:
    from bias_audit.run.folder import Run

_DTYPES = {"string": "str", "float": "float64", "int": "Int64", "bool": "boolean"}

ESTIMATED = "estimated"

ROWS = 20_000
"""Rows of a table that are written at once, and that a group of its Parquet file has."""


def confusion_table(images: pd.DataFrame) -> pd.DataFrame:
    """The table `confusion`: counts of label and prediction over readable images, without rows of count 0.

    Args:
        images: table of the images.
    """
    read = images[images["status"] == OK]
    counts = read.groupby(["label", "predicted"]).size().rename("n").reset_index()
    counts["share"] = counts["n"] / counts.groupby("label")["n"].transform("sum")
    return counts.astype({"n": "Int64"})


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the table of this name from its rows, with the types and the index of the schema.

    Args:
        name: name of the table, one of `run.schema.every_table`.
        rows: column name -> value; missing values become NaN or "".

    Raises:
        KeyError: no known check has such a table.
    """
    made = frame(columns_of(name), rows)
    index = index_of(name)
    return made if index is None else made.set_index(index)


def frame(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a table with the given columns, in their types, from rows (column name -> value); without an index.

    Missing values become "" in text columns, else NaN or pandas' NA.
    """
    if isinstance(rows, Records):
        return pd.DataFrame({column.name: series(column, rows.column(column.name)) for column in columns})
    return pd.DataFrame({column.name: series(column, [row.get(column.name) for row in rows]) for column in columns})


def class_summary(classes: pd.DataFrame) -> pd.DataFrame:
    """The class table cut to the few columns that fit on a screen, with rates and their intervals as text.

    Args:
        classes: table of the classes.
    """

    def rate(value: str, low: str, high: str, unit: str = "share") -> list[str]:
        rows = zip(*(classes[name].astype(float) for name in (value, low, high)), strict=True)
        return [interval(estimate, least, most, unit) for estimate, least, most in rows]

    alone = rate("background_only_accuracy", "background_only_low", "background_only_high")
    return pd.DataFrame(
        {
            "images": classes["n_read"],
            "accuracy": rate("accuracy", "accuracy_low", "accuracy_high"),
            "background excess": rate("background_excess", "excess_low", "excess_high", "number"),
            "on same-class backgrounds": rate("same_background_accuracy", "same_low", "same_high"),
            "on other backgrounds": rate("other_background_accuracy", "other_low", "other_high"),
            "background gap": rate("background_gap", "gap_low", "gap_high", "points"),
            "background only": [
                SCREENED if not known and how in SHORT else known
                for known, how in zip(alone, classes["screening"], strict=True)
            ],
        },
        index=classes.index,
    )


def user_columns(images: pd.DataFrame) -> list[str]:
    """Names of the columns of an images table that came with the user's data."""
    ours = {column.name for column in TABLES["images"]}
    return [str(name) for name in images.columns if name not in ours]


def rows(frame: pd.DataFrame) -> tuple[dict[str, Any], ...]:
    """The rows of a table as dicts, column name -> value, with the index as a column."""
    return tuple(
        {str(key): value for key, value in row.items()} for row in frame.reset_index().astype(object).to_dict("records")
    )


def table_files(name: str, frame: pd.DataFrame, version: int = FORMAT_VERSION) -> dict[str, bytes]:
    """The files of a table, file name -> bytes: NAME.parquet, and NAME.csv (`fill_csv`).

    Args:
        name: name of the table.
        frame: the table.
        version: format version of the run, whose names the files and columns get.
    """
    files = {}
    for file, fill in _fillers(name, frame, version).items():
        buffer = io.BytesIO()
        fill(buffer)
        files[file] = buffer.getvalue()
    return files


def write_table(run: Run, name: str, frame: pd.DataFrame) -> None:
    """Write the files of a table into a run, and keep their digests for audit.json.

    Raises:
        ResultError: the disk is full or the folder cannot be written.
    """
    for file, fill in _fillers(name, frame, FORMAT_VERSION).items():
        run.digests[file] = (run.fill(file, fill),)


def _fillers(name: str, frame: pd.DataFrame, version: int) -> dict[str, Callable[[BinaryIO], None]]:
    """Name of each file of a table -> what writes its content."""
    flat = frame if index_of(name) is None else frame.reset_index()
    flat = flat.rename(columns={new: old for old, new in versions.columns(name, version).items()})
    name = versions.table_name(name, version)
    return {f"{name}.parquet": partial(_fill_parquet, flat), f"{name}.csv": partial(fill_csv, flat)}


def _pieces(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The table in pieces of ROWS rows, so that no file is made in memory; at least one."""
    return (frame.iloc[start : start + ROWS] for start in range(0, max(len(frame), 1), ROWS))


def _fill_parquet(frame: pd.DataFrame, file: BinaryIO) -> None:
    """Write a table without its index as Parquet, a group of rows after the other."""
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(file, schema) as writer:
        for piece in _pieces(frame):
            writer.write_table(pa.Table.from_pandas(piece, schema=schema, preserve_index=False))


def fill_csv(frame: pd.DataFrame, file: BinaryIO) -> None:
    """Write a table without its index as CSV (UTF-8, six significant digits), quoted as `csv_text.quoted` does."""
    kinds = pd.api.types
    texts = [i for i, dtype in enumerate(frame.dtypes) if kinds.is_object_dtype(dtype) or kinds.is_string_dtype(dtype)]
    heads = [quoted(str(name)) for name in frame.columns]
    for number, piece in enumerate(_pieces(frame)):
        safe = piece.set_axis(heads, axis=1)
        for place in texts:
            safe.isetitem(place, piece.iloc[:, place].astype(object).map(quoted).array)
        lines = Lines("\n")
        safe.to_csv(lines, index=False, header=number == 0, float_format="%.6g", lineterminator=LINE_END)
        file.write(lines.getvalue().encode("utf-8", "backslashreplace"))


def read_table(path: Path, name: str, digests: Digests | None = None, version: int = FORMAT_VERSION) -> pd.DataFrame:
    """Read a table of a finished run and check its columns.

    Columns that older runs do not have (`Column.added`) are filled with missing values.

    Args:
        path: the run folder.
        name: name of the table.
        digests: digests of the files of the run's tables; None = not known, and not compared.
        version: format version of the run.

    Raises:
        ResultError: missing, damaged or changed file, or a column of the schema is missing.
    """
    file = path / f"{versions.table_name(name, version)}.parquet"
    data = verified(file, digests)
    try:
        frame = pd.read_parquet(pa.BufferReader(data))
    except Exception as error:  # whatever damage makes pyarrow raise
        raise ResultError(f"{str(file)!r} is damaged: {error}", REPAIR) from error
    old = versions.columns(name, version)
    if old:
        frame = frame.drop(columns=[column for column in old.values() if column in frame]).rename(columns=old)
    absent = [column for column in columns_of(name) if column.name not in frame]
    if missing := [versions.column(name, column.name, version) for column in absent if not column.added]:
        raise ResultError(f"{str(file)!r} lacks the columns {', '.join(missing)}", "Run the audit again.")
    for column in absent:
        frame[column.name] = series(column, [None] * len(frame)).array
    index = index_of(name)
    return frame if index is None else frame.set_index(index)


def series(column: Column, values: Sequence[Any]) -> pd.Series:
    """The values of one column as a pandas series of the column's type.

    Args:
        column: the column.
        values: one per row; None becomes "" in text columns, else NaN or pandas' NA.
    """
    if column.kind == "string":
        values = ["" if value is None else value for value in values]
    if column.kind == "float":
        values = [np.nan if value is None else value for value in values]
    return pd.Series(values, dtype=_DTYPES[column.kind])
