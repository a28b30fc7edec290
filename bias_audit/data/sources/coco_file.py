"""Reads a COCO file of instances, element by element, and keeps what an audit needs of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeGuard

import numpy as np

from bias_audit.data.dataset import Box
from bias_audit.data.locations import open_location
from bias_audit.data.run_lengths import run_lengths
from bias_audit.data.shapes import Polygon, Rectangle, Shape
from bias_audit.data.sources.objects import MOST_OBJECTS
from bias_audit.data.trees import Place
from bias_audit.errors import DataError, reason_of
from bias_audit.files.long_json import elements
from bias_audit.limits.bounds import Limits, beyond

Key = int | str
"""Id of a picture or an annotation; an integer in COCO itself, text where other programs wrote the file."""

_FORM = "A COCO file of instances is an object with the lists images, annotations and categories."


@dataclass(slots=True)
class Picture:
    """An element of `images`.

    Attributes:
        file_name: path of the file, as it is written.
        size: (H, W) in pixels; None where the file does not say it.
        doubled: whether another picture has the same id.
        annotations: what is marked in it, in the order of the file.
        shapes: how many shapes these have, at most MOST_OBJECTS.
        wrong: why its annotations cannot be used, "" = they can.
    """

    file_name: str
    size: tuple[int, int] | None
    doubled: bool = False
    annotations: list[Annotation] = field(default_factory=list)
    shapes: int = 0
    wrong: str = ""


@dataclass(slots=True)
class Annotation:
    """An element of `annotations`: an object, or a region that holds many ("crowd").

    Attributes:
        id: its id; None = it has none.
        category: id of its category.
        area: in pixels.
        crowd: whether it is a crowd region.
        extent: x_min, y_min, x_max, y_max in pixels around all of it; None where only run lengths say it.
        shapes: what it is drawn of.
    """

    id: Key | None
    category: int
    area: float
    crowd: bool
    extent: Box | None
    shapes: tuple[Shape, ...]

    @property
    def kind(self) -> int:
        """See `objects.Object`."""
        return self.category

    @property
    def difficult(self) -> bool:
        """See `objects.Object`."""
        return self.crowd


@dataclass
class CocoFile:
    """What a file holds.

    Attributes:
        categories: id -> name, in the order of ids.
        pictures: id -> picture, in the order of the file.
        nameless: how many elements of `images` have no id or no file name.
        strangers: ids of pictures that annotations name and `images` does not hold.
        homeless: how many annotations name no picture at all.
    """

    categories: dict[int, str]
    pictures: dict[Key, Picture]
    nameless: int
    strangers: set[Key]
    homeless: int


class _Wrong(ValueError):
    """An element that contradicts the format; its text says how."""


def read_coco(place: Place, limits: Limits) -> CocoFile:
    """Read a COCO file of instances.

    Single elements that are wrong cost their picture (`Picture.wrong`) or are counted, never the file.

    Args:
        place: where the file lies.
        limits: what it may cost.

    Raises:
        DataError: no JSON, too large, no COCO file of instances, or categories that contradict each other.
    """
    said = repr(str(place))
    categories: dict[int, str] = {}
    pictures: dict[Key, Picture] = {}
    marked: dict[Key, Picture] = {}  # annotations may come before images
    nameless = homeless = 0
    found: set[str] = set()
    try:
        with open_location(place.location) as opened:
            for key, element, listed in _elements(opened, said, limits):
                if key not in ("images", "annotations", "categories"):
                    continue
                if not listed:
                    raise DataError(f"{said} is no COCO file: its {key!r} is no list", _FORM)
                found.add(key)
                if key == "categories":
                    _add_category(categories, element, said)
                elif key == "images":
                    nameless += not _add_picture(pictures, element)
                else:
                    homeless += not _add_annotation(marked, element, said)
    except OSError as error:
        raise DataError(f"cannot read {said}: {reason_of(error)}") from error
    for name in ("categories", "images", "annotations"):
        if name not in found:
            raise DataError(f"{said} is no COCO file of instances: it has no {name!r}, or an empty list", _FORM)
    for number, held in marked.items():
        if (picture := pictures.get(number)) is not None:
            picture.annotations, picture.wrong = held.annotations, held.wrong
    return CocoFile(dict(sorted(categories.items())), pictures, nameless, set(marked) - set(pictures), homeless)


def _elements(opened: BinaryIO, said: str, limits: Limits) -> Iterator[tuple[str, Any, bool]]:
    size = opened.seek(0, 2)
    opened.seek(0)
    if size > limits.annotation_bytes:
        raise DataError(f"{said} has {beyond('annotation_bytes', size, limits.annotation_bytes)}")
    left = limits.annotation_bytes

    def read(count: int) -> bytes:
        nonlocal left
        data = opened.read(count)
        left -= len(data)
        if left < 0:  # it grew while it was read
            raise DataError(f"{said} has {beyond('annotation_bytes', size - left, limits.annotation_bytes)}")
        return data

    # Other programs write NaN, which costs one annotation and not the file.
    return elements(read, DataError, f"the COCO file {said} is", hint=_FORM, nan=True)


def _add_category(categories: dict[int, str], element: Any, said: str) -> None:
    number, name = (element.get(key) for key in ("id", "name")) if isinstance(element, dict) else (None, None)
    if not _whole(number) or not isinstance(name, str) or not name.strip():
        raise DataError(f"{said} has a category without an integer id or without a name", _FORM)
    if number in categories or name in categories.values():
        raise DataError(
            f"{said} has two categories of the id {number} or of the name {name[:80]!r}",
            "Outputs follow the ids of categories: give each its own.",
        )
    categories[number] = name


def _add_picture(pictures: dict[Key, Picture], element: Any) -> bool:
    """Whether the element names a picture, which is added."""
    if not isinstance(element, dict):
        return False
    key, name = _key(element.get("id")), element.get("file_name")
    if key is None or not isinstance(name, str) or not name:
        return False
    if key in pictures:
        pictures[key].doubled = True
        return True
    height, width = element.get("height"), element.get("width")
    size = (height, width) if _whole(height) and _whole(width) and height > 0 and width > 0 else None
    pictures[key] = Picture(name, size)
    return True


def _add_annotation(marked: dict[Key, Picture], element: Any, said: str) -> bool:
    """Whether the element names a picture, to which it is added."""
    if not isinstance(element, dict):
        return False
    if "segments_info" in element:
        raise DataError(
            f"{said} is a COCO file of panoptic segmentation, not of instances",
            "Give the file of instances, or turn the panoptic masks into mask files and use --masks.",
        )
    key = _key(element.get("image_id"))
    if key is None:
        return False
    picture = marked.get(key)
    if picture is None:
        picture = marked[key] = Picture("", None)
    try:
        outlines = element.get("segmentation")
        picture.shapes += len(outlines) if isinstance(outlines, list) and outlines else 1
        if picture.shapes > MOST_OBJECTS:
            raise _Wrong(f"has outlines beyond the {MOST_OBJECTS:,} that a picture may have")
        picture.annotations.append(_annotation(element))
    except _Wrong as error:
        picture.wrong = picture.wrong or f"annotation {told_key(_key(element.get('id')))} {error}"
    return True


def _annotation(element: dict[str, Any]) -> Annotation:
    category, crowd, segmentation = element.get("category_id"), element.get("iscrowd", 0), element.get("segmentation")
    if not _whole(category):
        raise _Wrong("has no integer as category_id")
    if crowd not in (0, 1):
        raise _Wrong("has neither 0 nor 1 as iscrowd")
    extent: Box | None
    if segmentation is None or segmentation == []:
        extent = _box(element.get("bbox"))
        if extent is None:
            raise _Wrong("has neither a segmentation nor a bbox")
        shapes: tuple[Shape, ...] = (Rectangle(extent),)
    elif isinstance(segmentation, list):
        shapes, extent = _polygons(segmentation)
    elif isinstance(segmentation, dict):
        try:
            shapes = (run_lengths(segmentation.get("size"), segmentation.get("counts")),)
        except ValueError as error:
            raise _Wrong(f"has run lengths that {error}") from error
        extent = _box(element["bbox"]) if "bbox" in element else None
    else:
        raise _Wrong("has a segmentation that is neither polygons nor run lengths")
    area = element.get("area")
    if area is None:
        area = sum(_area(shape) for shape in shapes)
    elif not _finite(area) or area < 0:
        raise _Wrong("has no finite number of at least 0 as area")
    return Annotation(_key(element.get("id")), category, float(area), crowd == 1, extent, shapes)


def _polygons(segmentation: list[Any]) -> tuple[tuple[Shape, ...], Box]:
    shapes: list[Shape] = []
    extent = (0.0, 0.0, 0.0, 0.0)
    for flat in segmentation:
        if not isinstance(flat, list):
            raise _Wrong("has a segmentation that is no list of polygons")
        try:
            shape, around = Polygon.measured(flat)
        except ValueError as error:
            raise _Wrong(f"has a polygon that {error}") from error
        shapes.append(shape)
        extent = around if len(shapes) == 1 else _both(extent, around)
    return tuple(shapes), extent


def _both(one: Box, two: Box) -> Box:
    """The box around two boxes."""
    return min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3])


def _box(bbox: Any) -> Box | None:
    """The box of [x, y, width, height]; None where there is none.

    Raises:
        _Wrong: a value that is no box.
    """
    if bbox is None or bbox == []:
        return None
    if not (isinstance(bbox, list) and len(bbox) == 4 and all(map(_finite, bbox)) and bbox[2] > 0 and bbox[3] > 0):
        raise _Wrong("has a bbox that is not x, y, width, height with a width and a height above 0")
    x, y, width, height = map(float, bbox)
    return x, y, x + width, y + height


def _area(shape: Shape) -> float:
    """Pixels of a shape, of polygons and boxes by geometry."""
    if isinstance(shape, Polygon):
        (x, y) = shape.corners.T
        return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
    if isinstance(shape, Rectangle):
        x_min, y_min, x_max, y_max = shape.box
        return (x_max - x_min) * (y_max - y_min)
    return float(np.frombuffer(shape.data, np.uint32)[1::2].sum(dtype=np.int64))  # type: ignore[attr-defined]


def _whole(value: Any) -> TypeGuard[int]:
    return type(value) is int and abs(value) < 2**63


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _key(value: Any) -> Key | None:
    if type(value) is str:
        return value if value and len(value) <= 200 else None
    return value if _whole(value) else None


def told_key(key: Key | None) -> str:
    """An id in words."""
    return "without an id" if key is None else str(key) if isinstance(key, int) else repr(key)
