"""A datasets.Dataset of Hugging Face. Its pictures are taken as the bytes of their files, which it would decode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bias_audit.data.in_memory.photos import Asked, Photo, Photos, names_in, types_of
from bias_audit.data.tables import told_names
from bias_audit.errors import DataError

DATASET = "datasets.arrow_dataset.Dataset"
STREAM = "datasets.iterable_dataset.IterableDataset"
PARTS = ("datasets.dataset_dict.DatasetDict", "datasets.dataset_dict.IterableDatasetDict")


def is_hugging_face(data: Any) -> bool:
    """Whether an object is a data set of the library `datasets`."""
    return bool({DATASET, STREAM, *PARTS} & types_of(data))


def read_hugging_face(data: Any, asked: Asked) -> Photos:
    """Photos of a data set of Hugging Face.

    The image is its only column of pictures or the one that is called image or img, the label its only column of class
    labels or the one that is called label or labels; mask, box and split are columns of these names. Columns of texts
    and numbers are kept.

    Raises:
        DataError: a dictionary of data sets, or one without such columns.
    """
    if types_of(data) & set(PARTS):
        names = [str(name) for name in data]
        one = "test" if "test" in names or not names else names[0]
        raise DataError(f"the data are a {type(data).__name__} of {told_names(names)}", f"Give one: data[{one!r}].")
    features = dict(data.features or {})
    pictures = [name for name, kind in features.items() if type(kind).__name__ == "Image" and name != "mask"]
    classes = [name for name, kind in features.items() if type(kind).__name__ == "ClassLabel"]
    image = _column("image", pictures, ("image", "img"), features)
    label = _column("label", classes, ("label", "labels"), features)
    if asked.id_column and asked.id_column not in features:
        raise DataError(f"the data set has no column {asked.id_column!r}; it has {told_names(features)}")
    plain = tuple(
        name
        for name, kind in features.items()
        if type(kind).__name__ in ("Value", "ClassLabel")
        and name not in (image, label, asked.id_column, "mask", "box", "split")
        and not name.startswith("#")
        and "binary" not in str(getattr(kind, "dtype", ""))
    )
    class_names = names_in(getattr(features[label], "names", None))
    own = getattr(data, "format", None) or {}
    if not (isinstance(own, dict) and own.get("type")):  # else the user's own transform decides what a picture is
        for name in (image, "mask"):
            if type(features.get(name)).__name__ == "Image":
                data = data.cast_column(name, type(features[name])(decode=False))

    def photos() -> Iterator[Photo]:
        for row in data:
            yield Photo(
                row[image],
                row[label],
                row.get("mask"),
                row.get("box"),
                row.get("split"),
                name=row[asked.id_column] if asked.id_column else None,
                columns={name: row[name] for name in plain},
            )

    ordered = DATASET in types_of(data)
    return Photos(photos(), class_names, plain, in_order=ordered, expected=len(data) if ordered else None)


def _column(what: str, found: list[str], usual: tuple[str, ...], features: dict[str, Any]) -> str:
    named = [name for name in usual if name in features]
    if named:
        return named[0]
    if len(found) != 1:
        raise DataError(
            f"the data set has no column that is the {what}; it has {told_names(features)}",
            f"Rename one: data.rename_column(..., {what!r}).",
        )
    return found[0]
