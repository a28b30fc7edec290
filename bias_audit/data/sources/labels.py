"""Labels as files of data sets write them -> classes, in the order of the model's outputs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bias_audit.data.class_numbers import ClassMap, meaning_of
from bias_audit.data.sources.options import ClassNames
from bias_audit.data.tables import told_names
from bias_audit.errors import DataError

LABELS = ("label", "labels", "class", "class_name", "category")
"""Names of a column or key that holds the label, the more usual first."""

MASKS = ("mask", "masks", "segmentation", "segmentation_mask", "seg", "annotation", "object_mask")
"""Names of a column or member that holds the mask."""

NO_LABEL = "have no label"

_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
"""A number as it is written by what counts classes; 007 is a name."""


def text_of(label: object) -> str:
    """A label as text: a class name, or digits of a class number; "" where it is neither, or a negative number."""
    if isinstance(label, str):
        return label.strip()
    if isinstance(label, int) and not isinstance(label, bool) and label >= 0:
        return str(label)
    return ""


def classes(
    labels: Iterable[str],
    class_names: ClassNames,
    said: str,
    numbered: Sequence[str] = (),
    class_map: ClassMap = None,
    *,
    names_only: bool = False,
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes of a data set, and which of them each label means.

    Labels that are numbers, all of them, see `meaning_of`; a text file cannot say whether 7 is a number or a name.
    Other labels are names.

    Args:
        labels: label of each picture, see `text_of`; none is empty.
        class_names: order of the classes when a class map gives it.
        said: the data set, for the message.
        numbered: names of the numbers from 0 on, as the data set gives them; () = it gives none.
        class_map: the class map with its outputs; None = nothing is known beyond `class_names`.
        names_only: whether numbers are names, too, as those of folders are.

    Returns:
        (class names, label -> index of its class).

    Raises:
        DataError: no labels, one that the class map does not name, or a number that is no class.
    """
    found = set(labels)
    if not found:
        raise DataError(f"{said} has no picture with a label")
    if not names_only and all(_NUMBER.fullmatch(label) for label in found):
        places = tuple((name, ()) for name in class_names) if class_names else None
        try:
            meant, known = meaning_of({int(label) for label in found}, numbered, class_map or places)
        except DataError as error:
            raise DataError(f"{said}: {error.message}", error.hint) from error
        names = {label: meant[int(label)] for label in found}
    else:
        names, known = {label: label for label in found}, tuple(numbered) or tuple(sorted(found))
    order = class_names or known
    if unknown := sorted(set(names.values()) - {*order}):
        raise DataError(
            f"{said} has labels that the class map does not name: {told_names(unknown)}",
            f"The class map names {told_names(order)}.",
        )
    index = {name: position for position, name in enumerate(order)}
    return tuple(order), {label: index[name] for label, name in names.items()}
