"""A list of (path, label), or of pictures with their labels; or what gives such pairs one after another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bias_audit.data.in_memory.items import photos_of
from bias_audit.data.in_memory.photos import Asked, Photos
from bias_audit.errors import DataError


def is_pairs(data: Any) -> bool:
    """Whether an object is a list or a tuple of pairs, or a generator of them."""
    if isinstance(data, list | tuple):
        return not data or isinstance(data[0], tuple | list | Mapping)
    return isinstance(data, Iterator)


def read_pairs(data: Any, asked: Asked) -> Photos:
    """Photos of (image, label) or (image, label, mask) pairs; an image is a path, an array, bytes or one of Pillow.

    Raises:
        DataError: ids by a column.
    """
    if asked.id_column:
        raise DataError("a list of pairs has no column of ids", "Give ids as a list of N texts.")
    listed = isinstance(data, list | tuple)
    rows = (photo for place, element in enumerate(data) for photo in photos_of(element, place, batched=False))
    return Photos(rows, in_order=listed, expected=len(data) if listed else None)
