"""A DataFrame of pandas, with the columns of a table: image, label, mask, box, split, and further ones."""

from __future__ import annotations

from typing import Any

from bias_audit.data.in_memory.photos import Asked, Photo, Photos, types_of
from bias_audit.data.sources.table import RESERVED
from bias_audit.data.tables import told_names
from bias_audit.errors import DataError


def is_frame(data: Any) -> bool:
    """Whether an object is a DataFrame of pandas."""
    return any(name.startswith("pandas.") and name.endswith(".DataFrame") for name in types_of(data))


def read_frame(data: Any, asked: Asked) -> Photos:
    """Photos of a DataFrame; its images are paths, arrays, bytes or pictures of Pillow.

    Raises:
        DataError: a missing column, two columns of one name, or a name that is no text.
    """
    names = list(data.columns)
    if odd := [name for name in names if not isinstance(name, str) or name.startswith("#")]:
        raise DataError(
            f"the DataFrame has a column {odd[0]!r}", "Columns have texts as names, which do not begin with #."
        )
    if len(set(names)) < len(names):
        raise DataError("the DataFrame has two columns of one name")
    for name in ("image", "label", *filter(None, [asked.id_column])):
        if name not in names:
            raise DataError(
                f"the DataFrame has no column {name!r}; it has {told_names(names)}",
                "Needed are image and label; optional are mask, box and split; further columns are kept.",
            )
    columns = {name: _without_missing(data[name]) for name in names}
    further = tuple(name for name in names if name not in (*RESERVED, asked.id_column))
    missing = [None] * len(data)
    rows = (
        Photo(
            columns["image"][place],
            columns["label"][place],
            columns.get("mask", missing)[place],
            columns.get("box", missing)[place],
            columns.get("split", missing)[place],
            name=columns[asked.id_column][place] if asked.id_column else None,
            columns={name: columns[name][place] for name in further},
        )
        for place in range(len(data))
    )
    return Photos(rows, columns=further, expected=len(data))


def _without_missing(series: Any) -> list[Any]:
    """The cells of a column, None where one is missing."""
    return [None if gone else value for value, gone in zip(series.tolist(), series.isna().tolist(), strict=True)]
