"""Labels of photos in memory -> names of classes, in the order of the model's outputs where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bias_audit.data.in_memory.pixels import as_array
from bias_audit.data.tables import told_names
from bias_audit.errors import DataError

Label = str | int

ClassMap = tuple[tuple[str, tuple[int, ...]], ...] | None
"""(name of a class, its outputs) pairs as `AuditConfig.class_map` holds them; None = there is none."""

MOST_CLASSES = 100_000
"""Most classes that are made of numbers without names: a number stands for every class below it."""


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
    """Name the labels of a data set.

    Args:
        labels: as `plain` gives them.
        class_names: names that the object knows, by number.
        class_map: the class map of the audit.

    Returns:
        (name of each label, all classes in the order of the outputs). Numbers name themselves where nothing does.

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
    if min(numbers) < 0:
        raise DataError(
            f"the label {min(numbers)} is below 0", "Data sets mark photos without a label so: leave these out."
        )
    if class_names is not None:
        order = class_names
        if len(set(order)) < len(order):
            raise DataError("two classes of the data set have one name", "Give the labels as names.")
    elif class_map is not None:
        return _mapped(labels, numbers, class_map)
    else:
        if max(numbers) >= MOST_CLASSES:
            raise DataError(f"the label {max(numbers)} is no class: there are at most {MOST_CLASSES:,}", _FORMS)
        order = tuple(str(number) for number in range(max(numbers) + 1))
    if max(numbers) >= len(order):
        raise DataError(
            f"the label {max(numbers)} has no name: the data set knows {len(order)} classes, {told_names(order)}"
        )
    return [order[int(label)] for label in labels], order


def _mapped(
    labels: Sequence[Label], numbers: set[int], class_map: tuple[tuple[str, tuple[int, ...]], ...]
) -> tuple[list[str], tuple[str, ...]]:
    """Numbers are outputs of the model, or places in the class map; where both can be, they must say the same."""
    order = tuple(name for name, _ in class_map)
    by_output = {index: name for name, indices in class_map for index in indices}
    by_place = dict(enumerate(order))
    fit = [names for names in (by_output, by_place) if numbers <= names.keys()]
    if not fit:
        odd = min(numbers - by_output.keys() - by_place.keys(), default=max(numbers))
        raise DataError(f"the label {odd} is no class of the class map, which names {told_names(order)}")
    if len(fit) == 2 and any(by_output[number] != by_place[number] for number in numbers):
        raise DataError(
            "the labels may be outputs of the class map or places in it, and the two disagree", "Give names as labels."
        )
    return [fit[0][int(label)] for label in labels], order
