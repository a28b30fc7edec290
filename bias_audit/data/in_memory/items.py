"""Elements of a data set that gives pairs, one by one or in batches: (image, label) or (image, label, mask)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bias_audit.data.in_memory.photos import Photo
from bias_audit.data.in_memory.pixels import as_array, on_its_own
from bias_audit.errors import DataError

IMAGE, LABEL = ("image", "img"), ("label", "labels")
"""Names that a dict may give its image and its label."""


def parts(element: Any, place: int) -> tuple[Any, Any, Any]:
    """Image, label and mask (or None) of an element.

    Args:
        element: (image, label), (image, label, mask), or a dict of these.
        place: number of the element, from 0, for messages.

    Raises:
        DataError: something else.
    """
    if isinstance(element, Mapping):
        image = next((element[name] for name in IMAGE if name in element), None)
        named = next((name for name in LABEL if name in element), None)
        if named is None or not any(name in element for name in IMAGE):
            raise DataError(f"element {place} of the data has the keys {sorted(map(str, element))[:8]}", _FORMS)
        return image, element[named], element.get("mask")
    if isinstance(element, tuple | list) and len(element) in (2, 3):
        return element[0], element[1], element[2] if len(element) == 3 else None
    size = f" of {len(element)}" if isinstance(element, tuple | list) else ""
    raise DataError(f"element {place} of the data is a {type(element).__name__}{size}", _FORMS)


_FORMS = "Elements are (image, label) or (image, label, mask), or dicts with the keys image, label and mask."


def photos_of(element: Any, place: int, *, batched: bool | None = None, grey: bool = False) -> Iterator[Photo]:
    """The photos of an element, which is one of them or a batch.

    Args:
        element: as for `parts`.
        place: number of the element, from 0, for messages.
        batched: whether it is a batch; None = its shape says so: (N, H, W, C) is one.
        grey: whether a batch may be (N, H, W) as well, there being a label for each.

    Raises:
        DataError: as `parts`; or the parts of a batch are not of one length.
    """
    image, label, mask = parts(element, place)
    if on_its_own(image) or batched is False:
        yield Photo(image, label, mask)
        return
    if not isinstance(image, list | tuple):
        image = as_array(image)
        label = label if isinstance(label, str | bytes) else as_array(label)
        if batched is None:
            shape, labels = image.shape, getattr(label, "shape", ())
            of_grey = grey and len(shape) == 3 and shape[2] not in (1, 3) and labels[:1] == shape[:1]
            batched = len(shape) > 3 or of_grey
        if not batched:
            yield Photo(image, label, mask)
            return
    masks = [None] * len(image) if mask is None else mask
    if not len(image) == len(label) == len(masks):
        raise DataError(f"batch {place} holds {len(image)} images, {len(label)} labels and {len(masks)} masks")
    for each in zip(image, label, masks, strict=True):
        yield Photo(*each)
