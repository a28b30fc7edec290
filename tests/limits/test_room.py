"""Room for decoded pictures: threads never hold more than there is, and never wait for each other for ever."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bias_audit.limits import room
from bias_audit.limits.room import Room


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "UNCOUNTED", 0)


@pytest.mark.parametrize("threads", [2, 8, 32])
def test_the_sum_stays_within_the_room(threads: int) -> None:
    size, held, most = 100, 0, 0
    own, lock = Room(size), threading.Lock()
    rng = random.Random(threads)

    def take(need: int) -> None:
        nonlocal held, most
        with own.taken(need):
            with lock:
                held += need
                most = max(most, held)
            threading.Event().wait(0.0005)
            with lock:
                held -= need

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(take, [rng.randint(1, size) for _ in range(200)]))
    assert held == 0
    assert size / 2 < most <= size


def test_what_is_larger_than_the_room_comes_alone() -> None:
    own = Room(10)
    inside = threading.Event()
    with own.taken(1000), ThreadPoolExecutor(1) as pool:

        def other() -> None:
            with own.taken(1):
                inside.set()

        waits = pool.submit(other)
        assert not inside.wait(0.1)
        own._taken -= 1000  # given back
        with own._changed:
            own._changed.notify_all()
        waits.result(timeout=10)
        own._taken += 1000


def test_an_error_gives_the_room_back() -> None:
    own = Room(10)
    with pytest.raises(ValueError, match="broken"), own.taken(10):
        raise ValueError("broken")
    with own.taken(10):
        assert own._taken == 10
    assert own._taken == 0


def test_a_quarter_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "main_memory", lambda: 4000)
    own = Room()
    with own.taken(900):
        assert own._size == 1000


def test_small_pictures_do_not_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "UNCOUNTED", 5)
    own = Room(1)
    with own.taken(5), own.taken(5):
        assert own._taken == 0
