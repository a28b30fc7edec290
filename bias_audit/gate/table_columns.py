"""Reads columns of a run's tables from CSV files with the standard library: pyarrow alone would cost a second."""

from __future__ import annotations

import csv
import functools
import io
import operator
from collections.abc import Iterable
from pathlib import Path

from bias_audit.errors import ResultError
from bias_audit.run import versions
from bias_audit.run.csv_text import unquoted
from bias_audit.run.digests import REPAIR, verified
from bias_audit.run.result import AuditResult


def read_columns(result: AuditResult, name: str, columns: Iterable[str]) -> dict[str, list[str]] | None:
    """Read columns of NAME.csv of a run as text.

    Fifty thousand images take a fifth of a second, so whoever wants several columns asks for them at once.

    Args:
        result: the run.
        name: name of the table.
        columns: names of the columns.

    Returns:
        column -> cells, without the columns that the file lacks; None where the run has no such table.

    Raises:
        ResultError: the file is missing, damaged, or was changed after the run was written.
    """
    file = result.path / result.file_of(name)
    listed = result.digests is not None and file.name in result.digests
    if not listed and not file.is_file():
        return None
    digests = None if result.digests is None else tuple(result.digests.get(file.name, ()))
    written = file.stat().st_mtime_ns if file.is_file() else 0
    old = {versions.column(name, column, result.version): column for column in columns}
    found = _columns_of(file, tuple(sorted(old)), digests, written)
    return {old[column]: cells for column, cells in found.items()}


@functools.lru_cache(maxsize=4)
def _columns_of(
    file: Path, columns: tuple[str, ...], digests: tuple[str, ...] | None, written: int
) -> dict[str, list[str]]:
    """Columns of a CSV file, cached; `written` is the file's time, so that a changed file is read again."""
    data = verified(file, None if digests is None else {file.name: digests})
    try:
        rows = csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline=""))
        header = [unquoted(cell) for cell in next(rows, [])]
        wanted = [(column, header.index(column)) for column in columns if column in header]
        cells = operator.itemgetter(*(i for _, i in wanted), 0, 0)  # of one place it would give no tuple
        picked: list[tuple[str, ...]] = []
        for row in rows:  # only what is asked for is kept: the rows of 50,000 images take hundreds of megabytes
            if len(row) != len(header):
                said = f"row {len(picked) + 1} has {len(row)} cells, {len(header)} expected"
                raise ResultError(f"{str(file)!r} is damaged: {said}", REPAIR)
            picked.append(cells(row))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ResultError(f"{str(file)!r} is damaged: {error}", REPAIR) from error
    turned = list(zip(*picked, strict=True)) or [()] * len(wanted)
    return {column: [unquoted(cell) for cell in values] for (column, _), values in zip(wanted, turned, strict=False)}
