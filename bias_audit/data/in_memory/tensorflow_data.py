"""A tf.data.Dataset of (image, label) or (image, label, mask), in batches or one by one."""

from __future__ import annotations

from typing import Any

from bias_audit.data.in_memory.items import photos_of
from bias_audit.data.in_memory.photos import Asked, Photos, names_in, types_of
from bias_audit.errors import DataError

INFINITE = -1
"""What the cardinality of a dataset is that repeats for ever."""


def is_tf_data(data: Any) -> bool:
    """Whether an object is a tf.data.Dataset."""
    return any(name.startswith("tensorflow.") and name.endswith((".DatasetV2", ".Dataset")) for name in types_of(data))


def read_tf_data(data: Any, asked: Asked) -> Photos:
    """Photos of a tf.data.Dataset.

    Raises:
        DataError: it never ends, or ids by a column.
    """
    if asked.id_column:
        raise DataError("a tf.data.Dataset has no column of ids", "Give ids as a list of N texts.")
    if int(data.cardinality()) == INFINITE:
        raise DataError("the tf.data.Dataset never ends: it is repeated", "Give it without repeat().")
    rows = (
        photo
        for place, element in enumerate(data.as_numpy_iterator())
        for photo in photos_of(element, place, grey=True)
    )
    return Photos(rows, names_in(getattr(data, "class_names", None)), in_order=False)
