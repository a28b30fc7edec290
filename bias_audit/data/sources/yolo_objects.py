"""Reads the label file of a photo in the form of YOLO: its objects, whose coordinates are shares of the picture."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bias_audit.data.contents import content_of
from bias_audit.data.dataset import Box, Part
from bias_audit.data.masks import Mask
from bias_audit.data.shapes import MOST_POINTS, DrawnMask, Polygon, Rectangle, Shape, Shapes
from bias_audit.data.sources.objects import MOST_OBJECTS
from bias_audit.run.statuses import MASK_TOO_LARGE

LARGEST = 20_000_000
"""Most bytes of a label file: two million coordinates."""

BEYOND = 0.01
"""How far a coordinate may lie outside of 0..1: what lies there is cut off. Ultralytics allows as much."""


@dataclass(frozen=True, slots=True)
class YoloObject:
    """An object of a label file, see `objects.Object`.

    Attributes:
        kind, area: as there; the area is a share of the picture's.
        label: name of its class.
        line: its line in the file, from 1.
        data: 64-bit floats, in shares of the picture's width and height: x_min, y_min, x_max, y_max of a box, or x, y
            of three or more corners of a polygon.
    """

    kind: int
    area: float
    label: str
    line: int
    data: bytes

    difficult = False

    @property
    def corners(self) -> int:
        """Number of the corners of a polygon; 0 for a box."""
        return 0 if len(self.data) == 4 * 8 else len(self.data) // 16

    def extent(self, size: tuple[int, int]) -> Box:
        """The box around it in a picture of (H, W), in pixels.

        To their hundredths: files have six digits, and an object of 32 pixels is not to be one of 31.9998.
        """
        points = (np.frombuffer(self.data).reshape(-1, 2) * size[::-1]).round(2)
        (x_min, y_min), (x_max, y_max) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return x_min, y_min, x_max, y_max


@dataclass(frozen=True)
class RelativeShapes:
    """Shapes in shares of a picture, identified once: the crops of a photo share them.

    Attributes:
        data: `YoloObject.data` of each.
    """

    data: tuple[bytes, ...]

    @cached_property
    def content(self) -> str:
        """Hash of the shapes."""
        return content_of(repr(self.data).encode())

    def in_pixels(self, size: tuple[int, int]) -> Shapes:
        """The shapes in a picture of (H, W).

        Raises:
            ValueError: a picture so wide that a polygon's corners are beyond what can be drawn.
        """
        return Shapes(_scaled(each, size) for each in self.data)


@dataclass(frozen=True)
class RelativeMask:
    """A mask of objects in shares of the picture, see `dataset.Drawn`.

    Attributes:
        foreground: shapes of the object.
        void: shapes of what is neither object nor background; where both lie, the foreground is above.
        kind: "mask" for outlines, "box" where the shapes are boxes, upright or not.
        part: the part of a picture that the mask is for; None = all of it.
    """

    foreground: RelativeShapes
    void: RelativeShapes
    kind: str
    part: Part | None = None

    @property
    def content(self) -> str:
        """Hash of the shapes, and of the part."""
        return content_of(repr((self.foreground.content, self.void.content, self.part)).encode())

    def draw(self, size: tuple[int, int]) -> tuple[Mask | None, str]:
        """Draw the mask, see `dataset.Drawn`."""
        whole = size if self.part is None else self.part.size
        try:
            front, behind = (shapes.in_pixels(whole) for shapes in (self.foreground, self.void))
        except ValueError:
            return None, MASK_TOO_LARGE
        return DrawnMask(front, behind, part=self.part).draw(size)


def _scaled(data: bytes, size: tuple[int, int]) -> Shape:
    height, width = size
    values = (np.frombuffer(data).reshape(-1, 2) * (width, height)).reshape(-1).tolist()
    return Rectangle((values[0], values[1], values[2], values[3])) if len(values) == 4 else Polygon.of(values)


def read_labels(text: str, names: Sequence[str], keypoints: int = 0) -> tuple[tuple[YoloObject, ...], str]:
    """The objects of a label file, a line each: `class x y width height`, or `class x1 y1 x2 y2 ...` of a polygon.

    Args:
        text: the file.
        names: classes by their number.
        keypoints: numbers behind each box that place key points, which are left out; 0 = none.

    Returns:
        (objects, problem): the problem says which line cannot be, and why; "" = each of them is an object.
    """
    objects: list[YoloObject] = []
    problem = ""
    for number, line in enumerate(text.splitlines(), 1):
        if parts := line.split():
            if len(objects) == MOST_OBJECTS:
                return tuple(objects), problem or f"its label file holds more than {MOST_OBJECTS:,} objects"
            try:
                objects.append(_object(parts[: len(parts) - keypoints * (len(parts) == 5 + keypoints)], names, number))
            except ValueError as error:
                problem = problem or f"its label file cannot be true: line {number} {error}"
    return tuple(objects), problem


def _object(parts: Sequence[str], names: Sequence[str], line: int) -> YoloObject:
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise ValueError(f"holds something that is no number: {' '.join(parts)[:40]!r}") from None
    if not all(map(math.isfinite, numbers)):
        raise ValueError("holds a number that is not finite")
    if len(parts) != 5 and (len(parts) < 7 or len(parts) % 2 == 0):
        raise ValueError(f"has {len(parts)} numbers, and needs 5 for a box, or 7, 9, 11, ... for a polygon")
    if len(parts) > 2 * MOST_POINTS:
        raise ValueError(f"has a polygon of more than {MOST_POINTS:,} corners")
    index, values = numbers[0], numbers[1:]
    if not index.is_integer() or not 0 <= index < len(names):
        raise ValueError(f"has the class {parts[0][:20]}, and data.yaml names {len(names)} from 0")
    if not -BEYOND <= min(values) <= max(values) <= 1 + BEYOND:
        worst = max(values, key=lambda value: abs(value - 0.5))
        raise ValueError(f"has a coordinate outside of 0..1: {worst:g}")
    if len(values) == 4:
        x, y, width, height = values
        area = width * height if min(width, height) > 0 else 0.0
        values = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    else:
        area = _area(values)
    if not area > 0:
        raise ValueError("has a box or a polygon without area")
    return YoloObject(int(index), area, names[int(index)], line, array("d", values).tobytes())


def _area(values: Sequence[float]) -> float:
    """Area of a polygon of x, y, x, y, ..."""
    x, y = np.array(values[0::2]), np.array(values[1::2])
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
