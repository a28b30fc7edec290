"""Room for decoded pictures: threads that decode wait until theirs fits beside those of the others."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator

from bias_audit.limits.memory import UNKNOWN, main_memory

SHARE = 0.25
"""Share of the memory that pictures take while they are decoded and resized, over all threads."""

KEPT_SHARE = 0.05
"""Share of the memory for decoded photos that threads keep, one each: the next crop may be of the same photo."""

UNCOUNTED = 16_000_000
"""Bytes up to which a picture takes its place without waiting: photos of a megapixel must not queue at a lock."""


class Room:
    """Bytes that threads take and give back.

    Args:
        size: bytes in all; None = SHARE of the memory, looked up when it is first needed.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size, self._taken = size, 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, need: int) -> Iterator[None]:
        """Context that holds room for `need` bytes; more than there is in all is given to one thread at a time.

        Contexts of one thread must not lie in one another: two threads that hold room could wait for each other.
        """
        if need <= UNCOUNTED:
            yield
            return
        with self._changed:
            if self._size is None:
                self._size = int(SHARE * (main_memory() or UNKNOWN))
            size = self._size
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + need <= size)
            self._taken += need
        try:
            yield
        finally:
            with self._changed:
                self._taken -= need
                self._changed.notify_all()


@functools.cache
def kept_bytes() -> int:
    """Most bytes of the photo that a thread keeps; a larger one is decoded again for each of its crops."""
    return int(KEPT_SHARE * (main_memory() or UNKNOWN)) // decoders()


def cores() -> int:
    """Number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoders() -> int:
    """How many threads decode pictures."""
    return max(2, os.cpu_count() or 2)


decoding = Room()
"""The room of this process."""
