"""Reads the XML file of a photo in the form of Pascal VOC: its objects, and what contradicts itself among them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from bias_audit.data.dataset import Box
from bias_audit.data.shapes import DrawnMask, Polygon, Rectangle, Shapes
from bias_audit.data.sources.objects import MOST_OBJECTS, foreground_of
from bias_audit.files.xml_text import parse_xml

LARGEST = 20_000_000
"""Most bytes of an XML file. One of Pascal VOC has a few thousand; a polygon of 10,000 corners takes 400,000."""


@dataclass(frozen=True)
class VocObject:
    """An object of an XML file, see `objects.Object`.

    Attributes:
        number: its place in the file from 1, which is its value in a mask of objects.
        label: name of its class.
        box: x_min, y_min, x_max, y_max in pixels, counted from 0, the maxima exclusive; None where it cannot be read.
        polygon: its outline; None = it has none, or one that cannot be read.
        difficult: as there.
    """

    number: int
    label: str
    box: Box | None
    polygon: Polygon | None
    difficult: bool

    @property
    def kind(self) -> str:
        """See `objects.Object`."""
        return self.label

    @property
    def area(self) -> float:
        """Pixels of its box."""
        x_min, y_min, x_max, y_max = self.box or (0, 0, 0, 0)
        return (x_max - x_min) * (y_max - y_min)

    @property
    def shapes(self) -> tuple[Polygon | Rectangle, ...]:
        """Its polygon, or else its box; () where neither can be read."""
        return (self.polygon,) if self.polygon is not None else () if self.box is None else (Rectangle(self.box),)


@dataclass(frozen=True)
class Annotation:
    """What an XML file says of its photo.

    Attributes:
        objects: its objects in the order of the file; those without a name are left out.
        foreground: places of those that are the photo's foreground, see `objects.foreground_of`.
        size: (H, W) of the photo; None = the file does not say.
        problem: what contradicts itself in it, in words; "" = nothing.
    """

    objects: tuple[VocObject, ...]
    foreground: tuple[int, ...]
    size: tuple[int, int] | None
    problem: str = ""

    @property
    def label(self) -> str:
        """Class of the photo; "" without an object."""
        return self.objects[self.foreground[0]].label if self.foreground else ""

    def mask(self) -> DrawnMask:
        """The mask of the polygons and boxes, in which all objects but the foreground are void."""
        own = (shape for place in self.foreground for shape in self.objects[place].shapes)
        return DrawnMask(Shapes(own), self.shapes(), self.size)  # its own shapes lie above those of all

    def shapes(self) -> Shapes:
        """The polygons and boxes of all objects."""
        return Shapes(shape for each in self.objects for shape in each.shapes)


def read_annotation(data: bytes) -> Annotation:
    """What an XML file says.

    A box runs from the pixel xmin to the pixel xmax, both in it and counted from 1. Corners of polygons (x1, y1, x2,
    ...) are counted from 1 as well, as the tools that write them do. What cannot be becomes the `problem` of the photo:
    an object without a name or a box, and a box without area or outside of the picture.

    Raises:
        ValueError: no XML, or no annotation; the text says why.
    """
    root = parse_xml(data)
    if root.tag != "annotation":
        raise ValueError(f"its root is <{root.tag[:80]}>, not <annotation>")
    size = _size(root.find("size"))
    objects, problem = [], ""
    for number, element in enumerate(root.findall("object"), 1):
        if number > MOST_OBJECTS:
            problem = problem or f"its annotation holds more than {MOST_OBJECTS:,} objects"
            break
        label, box, polygon = _text(element, "name"), None, None
        try:
            box = _box(element, size)
            polygon = _polygon(element.find("polygon"))
            if not label:
                raise ValueError("has no name")
        except ValueError as error:
            told = f"object {number} ({label[:80]!r})" if label else f"object {number}"
            problem = problem or f"its annotation cannot be true: {told} {error}"
        objects.append(VocObject(number, label, box, polygon, _text(element, "difficult") == "1"))
    named = tuple(each for each in objects if each.label)
    return Annotation(named, foreground_of(named), size, problem)


def _box(element: Element, size: tuple[int, int] | None) -> Box:
    box = element.find("bndbox")
    if box is None:
        raise ValueError("has no bndbox")
    left, top, right, bottom = numbers = _numbers(box, ("xmin", "ymin", "xmax", "ymax"))
    told = f"has the box {','.join(f'{value:g}' for value in numbers)}"
    if right < left or bottom < top:
        raise ValueError(f"{told}, which has no area")
    if right < 1 or bottom < 1 or (size is not None and (left > size[1] or top > size[0])):
        raise ValueError(f"{told}, which lies outside of the picture" + (f" of {size[0]}x{size[1]}" if size else ""))
    return left - 1, top - 1, right, bottom


def _polygon(element: Element | None) -> Polygon | None:
    if element is None:
        return None
    names = (f"{axis}{number}" for number in range(1, len(element) // 2 + 1) for axis in "xy")
    try:
        return Polygon.of([value - 1 for value in _numbers(element, names)])
    except ValueError as error:
        raise ValueError(f"has a polygon that {error}") from error


def _numbers(element: Element, names: Iterable[str]) -> list[float]:
    """Numbers of the elements of these names in an element."""
    texts = {child.tag: child.text or "" for child in element}
    values = []
    for name in names:
        try:
            values.append(float(texts[name]))
        except KeyError:
            raise ValueError(f"has no {name}") from None
        except ValueError:
            raise ValueError(f"has no number in {name}, but {texts[name][:40]!r}") from None
        if not math.isfinite(values[-1]):
            raise ValueError(f"has no finite number in {name}")
    return values


def _size(element: Element | None) -> tuple[int, int] | None:
    """(H, W); None where it is not given: several tools write 0."""
    if element is None:
        return None
    height, width = (_whole(_text(element, name)) for name in ("height", "width"))
    return (height, width) if height and width else None


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _text(element: Element, name: str) -> str:
    found = element.find(name)
    return "" if found is None else (found.text or "").strip()
