"""Turns mask files and boxes into masks of background, foreground and void pixels, in the size of the picture.

Every picture gets an answer: a mask, or the reason why there is none. A bad mask file raises nothing.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.contents import content_of
from bias_audit.data.dataset import Box, Indexed, Sample
from bias_audit.data.locations import Location
from bias_audit.data.pictures import read_picture
from bias_audit.limits.bounds import Limits
from bias_audit.limits.room import decoding
from bias_audit.run.statuses import COLOURED, EMPTY, MASK_TOO_LARGE, MASK_UNREADABLE, NO_MASK, OK, WRONG_SIZE

if TYPE_CHECKING:
    from PIL.Image import Image

Mask = NDArray[np.uint8]
"""(H, W) with BACKGROUND, FOREGROUND or VOID."""

BACKGROUND, FOREGROUND, VOID = 0, 1, 2
"""Values of a mask. VOID pixels are neither, and are left out of every share (docs/science.md#void-pixels)."""

ESTIMATED = "estimated"
"""Kind of a mask that a segmenter estimated; see `data.mask_estimates`."""

PIXEL_BYTES = 12
"""Bytes that reading a mask takes for each of its pixels at most: colours, compared with each other."""


@dataclass(frozen=True)
class MaskReading:
    """Which values of a mask file are foreground, and which is void.

    Attributes:
        foreground: values that are foreground; None = all but 0 and the ignored value.
        ignore: value that is VOID; None = no value, except 255 in palette masks (PASCAL VOC).
        pixels: most pixels of a mask file, see `Limits`.
        others_void: whether values that are neither foreground nor 0 are VOID, as in a file of several objects.
    """

    foreground: tuple[int, ...] | None = None
    ignore: int | None = None
    pixels: int = Limits.pixels
    others_void: bool = False


def load_mask(
    sample: Sample, size: tuple[int, int], reading: MaskReading, data: bytes | None
) -> tuple[Mask | None, str, str]:
    """Read the mask of a sample, from its mask file or else from its boxes, in the size of its picture.

    A mask file of another size is resized where it has the picture's aspect ratio within 1 %: annotation tools often
    export a smaller mask.

    Args:
        sample: the picture.
        size: (height, width) of the decoded picture.
        reading: meaning of the mask's values.
        data: bytes of the sample's mask file; None = it has none, or it could not be read.

    Returns:
        (mask (H, W) or None, status, kind): the status is OK or the reason why there is no mask (NO_MASK,
        MASK_UNREADABLE, MASK_TOO_LARGE, WRONG_SIZE, COLOURED, EMPTY); the kind is "mask", "box", or
        "" where the sample has neither.
    """
    if not sample.annotated:
        return None, NO_MASK, ""
    if sample.mask is not None and not isinstance(sample.mask, Location):
        drawn, status = sample.mask.draw(size)
        if drawn is not None and not (drawn == FOREGROUND).any():
            drawn, status = None, EMPTY
        return drawn, status, sample.mask.kind
    if sample.mask is None:
        boxed = boxes_to_mask(sample.boxes, size)
        return (boxed, OK, "box") if (boxed == FOREGROUND).any() else (None, EMPTY, "box")
    if isinstance(sample.mask, Indexed):  # what its values mean is known, whatever those of other files do
        reading = MaskReading(sample.mask.foreground, None, reading.pixels, others_void=True)
    mask, status = (None, MASK_UNREADABLE) if data is None else read_mask(data, reading)
    if mask is None:
        return None, status, "mask"
    part = sample.mask.part if isinstance(sample.mask, Indexed) else None
    if part is not None:
        mask = _in_size(mask, part.size)
        mask = None if mask is None else np.ascontiguousarray(part.of(mask))
    mask = None if mask is None else _in_size(mask, size)
    if mask is None:
        return None, WRONG_SIZE, "mask"
    if not (mask == FOREGROUND).any():
        return None, EMPTY, "mask"
    return mask, OK, "mask"


def _in_size(mask: Mask, size: tuple[int, int]) -> Mask | None:
    """A mask in the size of its picture; None where its aspect ratio is another."""
    if mask.shape == size:
        return mask
    return resize_nearest(mask, size) if same_aspect(mask.shape, size) else None


def read_mask_file(sample: Sample) -> tuple[bytes | None, str, str]:
    """Read the mask of a sample where it is a file.

    Returns:
        (bytes or None, content, reason): content identifies the mask, "" without one or where it cannot be read, and
        reason says why it cannot. Shapes have a content and no bytes.
    """
    if sample.mask is None:
        return None, "", ""
    if not isinstance(sample.mask, Location):
        return None, sample.mask.content, ""
    data, reason = read_picture(sample.mask)
    return data, "" if data is None else content_of(data), reason


def read_mask(data: bytes, reading: MaskReading) -> tuple[Mask | None, str]:
    """Read the bytes of a binary, grey, palette or RGBA mask file.

    A palette mask gives its indices. A mask with transparency gives its alpha, or its colours where all is opaque. Of a
    JPEG, values from 128 on count as 255 and others as 0.

    Returns:
        (mask (H, W) in the file's own size, OK), or (None, MASK_UNREADABLE, MASK_TOO_LARGE or COLOURED).
    """
    from bias_audit.data.opening import TooManyPixels, open_picture

    try:
        with (
            open_picture(io.BytesIO(data), reading.pixels) as image,
            decoding.taken(PIXEL_BYTES * image.width * image.height),
        ):
            return _mask_of(image, reading)
    except TooManyPixels:
        return None, MASK_TOO_LARGE
    except Exception:  # Pillow's decoders raise anything on damaged files
        return None, MASK_UNREADABLE


def _mask_of(image: Image, reading: MaskReading) -> tuple[Mask | None, str]:
    mode, lossy = image.mode, image.format == "JPEG"
    if mode in ("RGBA", "LA", "PA"):
        values = np.asarray(image.getchannel("A"))
        if values.min() == values.max() == 255:  # alpha says nothing: the mask is in the colours
            values = np.asarray(image.convert("RGB"))
    else:
        values = np.asarray(image)
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            return None, COLOURED
        values = values[..., 0]
    if lossy:  # JPEG rings around edges: only a bound in the middle of the range separates the two sides
        values = np.where(values >= 128, 255, 0)
    ignore = 255 if reading.ignore is None and mode == "P" else reading.ignore
    foreground = values != 0 if reading.foreground is None else np.isin(values, reading.foreground)
    mask = foreground.astype(np.uint8)
    if reading.others_void:
        mask[~foreground & (values != 0)] = VOID
    if ignore is not None:
        mask[values == ignore] = VOID
    return mask, OK


def boxes_to_mask(boxes: tuple[Box, ...], size: tuple[int, int]) -> Mask:
    """(H, W) mask of the union of boxes, clipped to the picture: a pixel is foreground when its centre is in a box.

    Args:
        boxes: in pixels of the picture.
        size: (H, W) of the picture.
    """
    mask = np.zeros(size, np.uint8)
    for x_min, y_min, x_max, y_max in boxes:
        rows = slice(first_centre(y_min), first_centre(y_max))
        columns = slice(first_centre(x_min), first_centre(x_max))
        mask[rows, columns] = FOREGROUND
    return mask


def first_centre(edge: float) -> int:
    """Index i >= 0 of the first pixel whose centre (i + .5) lies at or beyond an edge.

    Not `round`, which takes 0.5 down and 1.5 up.
    """
    return max(0, math.ceil(edge - 0.5))


def same_aspect(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether a mask (H, W) of this shape has the aspect ratio of its picture of `size` within 1 %."""
    height, width = shape
    return abs(height * size[1] - width * size[0]) <= 0.01 * height * size[1]


def resize_nearest(
    values: NDArray[np.uint8], size: tuple[int, int], box: tuple[int, int, int, int] | None = None
) -> NDArray[np.uint8]:
    """Resize a mask by nearest neighbour with half-pixel centres.

    By Pillow itself, so that ties between two pixels fall as in the picture.

    Args:
        values: (H, W).
        size: (height, width) of the result.
        box: (left, top, right, bottom) of the part to take, in pixels; None = all.
    """
    if values.shape == size and box in (None, (0, 0, size[1], size[0])):
        return values.copy()
    from PIL import Image

    return np.array(Image.fromarray(values).resize(size[::-1], Image.Resampling.NEAREST, box))


def area_of(mask: Mask) -> float | None:
    """Share of the pixels of a mask that are foreground, among those that are not void; None where all are void."""
    valid = int(np.count_nonzero(mask != VOID))
    return int(np.count_nonzero(mask == FOREGROUND)) / valid if valid else None
