"""Arrays: (images, labels) or (images, labels, masks)."""

from __future__ import annotations

from typing import Any

from bias_audit.data.in_memory.photos import Asked, Photo, Photos
from bias_audit.data.in_memory.pixels import as_array, is_tensor
from bias_audit.errors import DataError


def is_arrays(data: Any) -> bool:
    """Whether an object is (images, labels) or (images, labels, masks) with an array or a list of images."""
    return isinstance(data, tuple) and len(data) in (2, 3) and (hasattr(data[0], "shape") or isinstance(data[0], list))


def read_arrays(data: Any, asked: Asked) -> Photos:
    """Photos of (images, labels) or (images, labels, masks).

    The images are an array (N, H, W, C) or (N, H, W), or a list of pictures of any size.

    Raises:
        DataError: no images, other shapes, or not one label and one mask for each image.
    """
    images, labels, masks = (*data, None)[:3]
    if asked.id_column:
        raise DataError("arrays have no column of ids", "Give ids as a list of N texts.")
    largest = size = None
    if not isinstance(images, list):
        first = is_tensor(images)
        images = as_array(images)
        if images.ndim not in (3, 4):
            raise DataError(f"the images have the shape {images.shape}", "Give (N, H, W, 3), or grey (N, H, W).")
        size = int(images.size)
        if images.dtype.kind == "f" and images.size:
            largest = float(images.max())
    else:
        first = False
    labels = as_array(labels)
    count = len(images)
    for name, values in (("labels", labels), ("masks", masks)):
        if values is not None and (not hasattr(values, "__len__") or values_of(values) != count):
            found = values_of(values) if hasattr(values, "__len__") else type(values).__name__
            raise DataError(f"there are {count} images and {found} {name}", "Give one for each image.")
    rows = (Photo(images[place], labels[place], None if masks is None else masks[place]) for place in range(count))
    return Photos(rows, size=size, largest=largest, channels_first=first, expected=count)


def values_of(values: Any) -> int:
    """Number of entries along the first axis; 0 for a single number."""
    return 0 if getattr(values, "shape", None) == () else len(values)
