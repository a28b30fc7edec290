"""A Dataset or a DataLoader of PyTorch that gives (image, label) or (image, label, mask)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bias_audit.data.in_memory.items import photos_of
from bias_audit.data.in_memory.photos import Asked, Photo, Photos, names_in, types_of
from bias_audit.errors import DataError

DATASET = "torch.utils.data.dataset.Dataset"
STREAM = "torch.utils.data.dataset.IterableDataset"
LOADER = "torch.utils.data.dataloader.DataLoader"

IN_ORDER = "SequentialSampler"
"""Name of the sampler of a DataLoader that does not shuffle."""

MOST_WRAPPED = 20
"""Most data sets around one another that are asked for the names of the classes."""


def is_torch_data(data: Any) -> bool:
    """Whether an object is a Dataset or a DataLoader of PyTorch."""
    return bool({DATASET, LOADER} & types_of(data))


def read_torch_data(data: Any, asked: Asked) -> Photos:
    """Photos of a Dataset or a DataLoader; pictures are (C, H, W) or (H, W, C).

    Raises:
        DataError: ids by a column, or ids one by one for a loader that shuffles.
    """
    if asked.id_column:
        raise DataError("a data set of PyTorch has no column of ids", "Give ids as a list of N texts.")
    kinds = types_of(data)
    names = _class_names(data)
    if LOADER in kinds:
        in_order = type(data.sampler).__name__ == IN_ORDER
        if asked.ids is not None and not in_order:
            raise DataError(
                "the DataLoader shuffles, so ids do not belong to its photos", "Give shuffle=False, or its dataset."
            )
        batched = data.batch_size is not None or getattr(data, "batch_sampler", None) is not None
        rows = (photo for place, element in enumerate(data) for photo in photos_of(element, place, batched=batched))
        inner = data.dataset
        expected = len(inner) if hasattr(inner, "__len__") and in_order else None
        return Photos(rows, names, channels_first=True, in_order=in_order, expected=expected)
    if STREAM in kinds or not hasattr(data, "__len__"):
        rows = (photo for place, element in enumerate(data) for photo in photos_of(element, place))
        return Photos(rows, names, channels_first=True, in_order=False)
    return Photos(_each(data, len(data)), names, channels_first=True, expected=len(data))


def _each(data: Any, count: int) -> Iterator[Photo]:
    for place in range(count):
        try:
            element = data[place]
        except IndexError as error:
            raise DataError(f"the data set says that it holds {count} photos, but ends after {place}") from error
        yield from photos_of(element, place, batched=False)


def _class_names(data: Any) -> tuple[str, ...] | None:
    """`classes` of the data set, or of the one that it is a part of."""
    for _ in range(MOST_WRAPPED):
        if names := names_in(getattr(data, "classes", None)):
            return names
        data = getattr(data, "dataset", None)
        if data is None:
            break
    return None
