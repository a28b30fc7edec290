"""What a thread spends its time on: calls of the model, waiting for photos that are read, and everything else.

Each thread counts for itself, so audits that run beside each other in one process do not mix. What threads do ahead of
the model costs nothing here until it is waited for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Spent:
    """What was spent so far, or between two moments.

    Attributes:
        model: seconds in calls of the model.
        waited: seconds of waiting for photos and masks that threads read and decode.
        asked: pictures that the model was given.
        read: photos that were read.
        size: bytes of the files of these photos and of their masks.
    """

    model: float = 0.0
    waited: float = 0.0
    asked: int = 0
    read: int = 0
    size: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.model + other.model,
            self.waited + other.waited,
            self.asked + other.asked,
            self.read + other.read,
            self.size + other.size,
        )

    def __sub__(self, other: Spent) -> Spent:
        return Spent(
            self.model - other.model,
            self.waited - other.waited,
            self.asked - other.asked,
            self.read - other.read,
            self.size - other.size,
        )


class _Own(threading.local):
    spent = Spent()
    calls = 0  # of the model, that have not returned
    begun = 0.0


_own = _Own()


def spent() -> Spent:
    """What this thread has spent since it began."""
    return _own.spent


def note_read(photos: int, size: int) -> None:
    """Count photos that were read for this thread, and the bytes of their files."""
    _own.spent += Spent(read=photos, size=size)


def call_begins() -> None:
    """A call of the model begins in this thread; one inside another counts with it."""
    if _own.calls == 0:
        _own.begun = time.perf_counter()
    _own.calls += 1


def call_ends(pictures: int) -> None:
    """The call of the model that began last has returned; `pictures` it was given."""
    _own.calls -= 1
    if _own.calls == 0:
        _own.spent += Spent(model=time.perf_counter() - _own.begun, asked=pictures)


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Context in which this thread waits for photos."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        _own.spent += Spent(waited=time.perf_counter() - begun)
