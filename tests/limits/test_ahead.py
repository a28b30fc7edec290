"""What is made ahead comes in order, is bounded, and leaves no threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from bias_audit.limits.ahead import made_ahead


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_first(number: int) -> tuple[int, str]:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number, threading.current_thread().name

    made = list(made_ahead(slow_first, range(30)))
    assert [number for number, _ in made] == list(range(30))
    assert all(name.startswith("ahead") for _, name in made)
    assert list(made_ahead(slow_first, [])) == []


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_is_held_than_allowed(most: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    for used, _ in enumerate(made_ahead(lambda number: number, items(), most)):
        assert len(taken) - used <= most


def test_an_error_is_raised_in_its_turn_and_early_ends_leave_no_threads() -> None:
    def fails(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    before = set(threading.enumerate())
    stream = made_ahead(fails, range(10))
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(stream)
    stream = made_ahead(fails, range(2))
    next(stream)
    stream.close()
    assert set(threading.enumerate()) == before
