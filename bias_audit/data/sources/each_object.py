"""Makes a sample of every object of a photo, cut out with a margin, for formats that list several objects."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bias_audit.data.crops import Crop
from bias_audit.data.dataset import Box, Drawn, Part, Sample
from bias_audit.data.locations import Location
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.tables import told_names
from bias_audit.errors import DataError

MARGIN = 0.2
"""What a crop takes in around its object on each side, as a share of the object's width and height."""

PHOTO, EACH = "photo", "each"
"""Values of the option `objects`; the first is the name of the column of photos, too."""


def each_asked(options: SourceOptions) -> bool:
    """Whether every object is to be a sample.

    Raises:
        DataError: an option on objects with a value that is none.
    """
    if options.objects not in (PHOTO, EACH):
        raise DataError(f"--objects is {PHOTO} or {EACH}, not {str(options.objects)[:80]!r}")
    return options.objects == EACH


@dataclass(frozen=True)
class Cut:
    """An object of a photo.

    Attributes:
        id: what tells it from the others of its photo.
        label: name of its class.
        extent: x_min, y_min, x_max, y_max in pixels around all of it; None = it has no pixel.
        mask: a part of the photo -> its mask, in which this object is foreground and its neighbours are void.
    """

    id: str
    label: str
    extent: Box | None
    mask: Callable[[Part], Location | Drawn]


class EachObject:
    """The objects of photos as samples, and how many were left out.

    The image id of an object is PATH#ID, and the column "photo" says which photo it is of. Objects of which less than
    `object_size` pixels in height or width lie in the photo are left out.

    Args:
        labels: name of a class -> its index.
        options: how the data set is read.

    Attributes:
        samples: the samples, in the order in which they were added.
    """

    def __init__(self, labels: Mapping[str, int], options: SourceOptions) -> None:
        self.samples: list[Sample] = []
        self._labels, self._options = labels, options
        self._unnamed: Counter[str] = Counter()
        self._small = 0

    @property
    def left_out(self) -> dict[str, int]:
        """`Dataset.left_out` of the objects."""
        told = {
            f"have an object of a class that the class map does not name ({told_names(sorted(self._unnamed))})": (
                self._unnamed.total()
            ),
            f"have an object that is lower or narrower than {self._options.object_size} pixels": self._small,
        }
        return {why: count for why, count in told.items() if count}

    def add(
        self, photo: str, location: Location, size: tuple[int, int], objects: Iterable[Cut], skip: str = ""
    ) -> None:
        """Add the objects of a photo.

        Args:
            photo: its image id.
            location: where it lies.
            size: (H, W) that it has as its annotations say; (0, 0) with a reason in `skip`.
            objects: its objects.
            skip: why it cannot be audited, as all its samples say then; "" = it can.
        """
        for each in objects:
            label = self._labels.get(each.label)
            image_id, columns = f"{photo}#{each.id}", {PHOTO: photo}
            if label is None:
                self._unnamed[each.label] += 1
            elif skip:
                self.samples.append(Sample(image_id, location, label, columns=columns, skip=skip))
            elif each.extent is None or min(shown(each.extent, size)) < self._options.object_size:
                self._small += 1
            else:
                part = _part(each.extent, size)
                crop = Crop(location, part, self._options.limits.pixels)
                self.samples.append(Sample(image_id, crop, label, each.mask(part), columns=columns))


def shown(extent: Box, size: tuple[int, int]) -> tuple[float, float]:
    """(height, width) of what of a box lies in a picture of (H, W); negative where nothing does."""
    x_min, y_min, x_max, y_max = extent
    height, width = size
    return min(y_max, height) - max(y_min, 0), min(x_max, width) - max(x_min, 0)


def _part(extent: Box, size: tuple[int, int]) -> Part:
    """The crop of an object: its box with MARGIN on each side, within the picture."""
    x_min, y_min, x_max, y_max = extent
    height, width = size
    beside, above = MARGIN * (x_max - x_min), MARGIN * (y_max - y_min)
    left, top = max(0, math.floor(x_min - beside)), max(0, math.floor(y_min - above))
    right, bottom = min(width, math.ceil(x_max + beside)), min(height, math.ceil(y_max + above))
    return Part(left, top, right - left, bottom - top, size)
