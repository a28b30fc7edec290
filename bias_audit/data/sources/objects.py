"""Which of the objects of a photo make its class and its foreground, for formats that list several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from bias_audit.limits.bounds import beyond

MOST_OBJECTS = 10_000
"""Most objects of one photo, all of which are drawn; in COCO, most of their outlines."""


class Object(Protocol):
    """An object that an annotation lists."""

    @property
    def kind(self) -> Any:
        """Its class, by what the format orders classes by: the id of its category, its number, or its name."""

    @property
    def area(self) -> float:
        """Its area, in any unit that all objects of the photo share."""

    @property
    def difficult(self) -> bool:
        """Whether the annotation marks it as one that is not to be counted."""


def foreground_of(objects: Sequence[Object]) -> tuple[int, ...]:
    """Places of the objects that make the class of their photo: all those of the class of the largest.

    Of equally large ones the class counts that comes first, so that the order of the objects in their file changes
    nothing. Difficult objects do not count, unless there are no others. () for no objects.
    """
    counted = [place for place, each in enumerate(objects) if not each.difficult] or range(len(objects))
    if not counted:
        return ()
    largest = objects[min(counted, key=lambda place: (-objects[place].area, objects[place].kind))]
    return tuple(place for place in counted if objects[place].kind == largest.kind)


def too_large(size: tuple[int, int], most: int) -> str:
    """Why a photo is not read that has (H, W) as its annotations say; "" where it has at most so many pixels."""
    height, width = size
    if height * width <= most:
        return ""
    return f"too many pixels: {height}x{width} are {beyond('pixels', min(height * width, 10**18), most)}"
