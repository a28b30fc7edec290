"""Which of the objects of a photo make its class and its foreground, for formats that list several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Object(Protocol):
    """An object that an annotation lists."""

    @property
    def label(self) -> str:
        """Name of its class."""

    @property
    def area(self) -> float:
        """Its area, in any unit that all objects of the photo share."""

    @property
    def difficult(self) -> bool:
        """Whether the annotation marks it as one that is not to be counted."""


def foreground_of(objects: Sequence[Object]) -> tuple[int, ...]:
    """Places of the objects that make the class of their photo: those of the class of the largest, the first of equals.

    Difficult objects do not count, unless there are no others. () for no objects.
    """
    counted = [place for place, each in enumerate(objects) if not each.difficult] or range(len(objects))
    if not counted:
        return ()
    largest = max(counted, key=lambda place: objects[place].area)
    return tuple(place for place in counted if objects[place].label == objects[largest].label)
