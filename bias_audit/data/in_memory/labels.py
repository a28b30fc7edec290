"""Labels of photos in memory -> names of classes, in the order of the model's outputs where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bias_audit.data.class_numbers import MOST_CLASSES, ClassMap, meaning_of
from bias_audit.data.in_memory.pixels import as_array
from bias_audit.errors import DataError

Label = str | int


def plain(value: Any, where: str) -> Label:
    """A label as text or as a whole number: a text, a number, one in an array, or the place of the 1 in a one-hot row.

    Raises:
        DataError: no label, or something else.
    """
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        if not value:
            raise DataError(f"{where} has no label")
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None:
        raise DataError(f"{where} has no label")
    array = as_array(value)
    if array.size == 1:
        array = array.reshape(())
    if array.ndim == 0 and array.dtype.kind in "OSU" and not isinstance(item := array.item(), bool | int | float):
        if isinstance(item, str | bytes | None):
            return plain(item, where)
        raise DataError(f"the label of {where} is a {type(item).__name__}", _FORMS)
    if array.dtype.kind == "O":
        array = array.astype(np.float64)
    if array.dtype.kind not in "buif":
        raise DataError(f"the label of {where} holds values of the type {array.dtype}", _FORMS)
    if not np.isfinite(array).all():
        raise DataError(f"{where} has no label (it is NaN or infinite)")
    if array.ndim == 0:
        if array != np.floor(array) or abs(float(array)) > 2**53:
            raise DataError(f"the label of {where} is {array.item()!r}, which is no whole number", _FORMS)
        return int(array)
    if array.ndim != 1 or array.size > MOST_CLASSES:
        raise DataError(f"the label of {where} has the shape {array.shape}", _FORMS)
    if np.count_nonzero(array) != 1 or array.max() != 1:
        raise DataError(f"the label of {where} is a row of {array.size} numbers that is not one-hot", _FORMS)
    return int(array.argmax())


_FORMS = "A label is a name, a whole number, or a one-hot row."


def named(
    labels: Sequence[Label], class_names: tuple[str, ...] | None, class_map: ClassMap
) -> tuple[list[str], tuple[str, ...]]:
    """Name the labels of a data set: texts name themselves, numbers see `meaning_of`.

    Args:
        labels: as `plain` gives them.
        class_names: names that the object knows, by number.
        class_map: the class map of the audit.

    Returns:
        (name of each label, all classes in the order of the outputs).

    Raises:
        DataError: numbers and names mixed, or a number that no class has.
    """
    texts = {label for label in labels if isinstance(label, str)}
    numbers = {label for label in labels if isinstance(label, int)}
    if texts and numbers:
        raise DataError(
            f"some labels are names, such as {min(texts)!r}, and some numbers, such as {min(numbers)}", _FORMS
        )
    if texts:
        known = class_names if class_names is not None and texts <= set(class_names) else tuple(sorted(texts))
        return [str(label) for label in labels], known
    names, order = meaning_of(numbers, class_names or (), class_map)
    return [names[int(label)] for label in labels], order
