"""Works ahead of the model: makes things of items in threads, in the order of the items and few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from bias_audit.limits.room import decoders

Item = TypeVar("Item")
Made = TypeVar("Made")


def made_ahead(make: Callable[[Item], Made], items: Iterable[Item], most: int | None = None) -> Iterator[Made]:
    """What `make` gives for each item, made in threads while the caller works on those before it.

    NumPy and OpenCV leave the interpreter to other threads while they compute. Closing the iterator early ends the
    threads; an exception of `make` is raised in its item's turn.

    Args:
        make: called once with each item, by any thread and in any order.
        items: taken one by one, by the caller's thread.
        most: most results that are held or being made; None = two for each thread.

    Yields:
        the results in the order of the items.
    """
    threads = decoders()
    most = max(1, 2 * threads if most is None else most)
    pending: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(min(threads, most), "ahead") as pool:
        try:
            for item in items:
                pending.append(pool.submit(make, item))
                if len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
