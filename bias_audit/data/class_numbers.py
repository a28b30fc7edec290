"""What labels that are numbers mean: one rule for files and for data in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bias_audit.data.tables import told_names
from bias_audit.errors import DataError

ClassMap = tuple[tuple[str, tuple[int, ...]], ...] | None
"""(name of a class, its outputs) pairs as `AuditConfig.class_map` holds them; None = there is none."""

MOST_CLASSES = 100_000
"""Most classes that are made of numbers without names: a number stands for every class below it."""


def meaning_of(
    numbers: Collection[int], known: Sequence[str], class_map: ClassMap
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Name the numbers of a data set.

    - Where the data set names its classes, a number is a place in these names, from 0.
    - Else, under a class map: numbers that are all names of its classes ("7") are these names. Others are outputs of
      the model, or places in the map; where they can be both, both must say the same.
    - Else a number is an output of the model: the classes are "0", "1" and so on up to the largest number.

    Args:
        numbers: the labels, at least one.
        known: names of the classes by their number, as the data set gives them; () = it gives none.
        class_map: the class map of the audit; a class without outputs stands at its place alone.

    Returns:
        (number -> name of its class, all classes in their order).

    Raises:
        DataError: a number that is no class, or one that may be two.
    """
    least, largest = min(numbers), max(numbers)
    if least < 0:
        raise DataError(f"the label {least} is below 0", "Data sets mark photos without a label so: leave these out.")
    if known:
        order = tuple(known)
        if len(set(order)) < len(order):
            raise DataError("two classes of the data set have one name", "Give the labels as names.")
        if largest >= len(order):
            raise DataError(
                f"the label {largest} has no name: the data set names {len(order)} classes, {told_names(order)}"
            )
    elif class_map is not None:
        return _by_class_map(set(numbers), class_map)
    else:
        if largest >= MOST_CLASSES:
            raise DataError(
                f"the label {largest} is no class: there are at most {MOST_CLASSES:,}", "Give the labels as names."
            )
        order = tuple(map(str, range(largest + 1)))
    return {number: order[number] for number in numbers}, order


def _by_class_map(
    numbers: set[int], class_map: tuple[tuple[str, tuple[int, ...]], ...]
) -> tuple[dict[int, str], tuple[str, ...]]:
    order = tuple(name for name, _ in class_map)
    by_output = {index: name for name, indices in class_map for index in indices}
    by_place = dict(enumerate(order))
    if {str(number) for number in numbers} <= {*order}:
        return {number: str(number) for number in numbers}, order
    fit = [names for names in (by_output, by_place) if numbers <= names.keys()]
    if not fit:
        odd = min(numbers - by_output.keys() - by_place.keys(), default=max(numbers))
        raise DataError(f"the label {odd} is no class of the class map, which names {told_names(order)}")
    if len(fit) == 2 and any(by_output[number] != by_place[number] for number in numbers):
        raise DataError(
            "the labels may be outputs of the class map or places in it, and the two disagree",
            "Give names as labels, or write the classes of the map in the order of their outputs.",
        )
    return {number: fit[0][number] for number in numbers}, order
