"""Labels as files of data sets write them -> classes, in the order of the model's outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bias_audit.data.sources.options import ClassNames
from bias_audit.data.tables import told_names
from bias_audit.errors import DataError

LABELS = ("label", "labels", "class", "class_name", "category")
"""Names of a column or key that holds the label, the more usual first."""

MASKS = ("mask", "masks", "segmentation", "segmentation_mask", "seg", "annotation", "object_mask")
"""Names of a column or member that holds the mask."""

NO_LABEL = "have no label"


def text_of(label: object) -> str:
    """A label as text: a class name, or digits of a class number; "" where it is neither, or a negative number."""
    if isinstance(label, str):
        return label.strip()
    if isinstance(label, int) and not isinstance(label, bool) and label >= 0:
        return str(label)
    return ""


def classes(
    labels: Iterable[str], class_names: ClassNames, said: str, numbered: Sequence[str] = ()
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes of a data set, and which of them each label means.

    Labels that are numbers, all of them, are positions: in the names that the data set gives, else in the class map;
    without either they are names themselves, in their order as numbers. Other labels are names.

    Args:
        labels: label of each picture, see `text_of`; none is empty.
        class_names: order of the classes when a class map gives it.
        said: the data set, for the message.
        numbered: names of the numbers from 0 on, as the data set gives them; () = it gives none.

    Returns:
        (class names, label -> index of its class).

    Raises:
        DataError: no labels, one that the class map does not name, or a number beyond the names.
    """
    found = set(labels)
    if not found:
        raise DataError(f"{said} has no picture with a label")
    numbers = all(label.isdecimal() and label.isascii() and len(label) < 19 for label in found)
    names = {label: label for label in found}
    if numbers and (positions := tuple(numbered) or tuple(class_names or ())) and not found <= {*positions}:
        if beyond := sorted((label for label in found if int(label) >= len(positions)), key=int):
            whose = "the data set names" if numbered else "the class map names"
            raise DataError(f"{said} has the labels {told_names(beyond)}, but {whose} {len(positions)} classes")
        names = {label: positions[int(label)] for label in found}
    order = class_names or tuple(numbered) or tuple(sorted(found, key=int if numbers else None))
    if unknown := sorted(set(names.values()) - {*order}):
        raise DataError(
            f"{said} has labels that the class map does not name: {told_names(unknown)}",
            f"The class map names {told_names(order)}.",
        )
    index = {name: position for position, name in enumerate(order)}
    return tuple(order), {label: index[name] for label, name in names.items()}
