"""The nearest copies of pictures, against comparing all pairs of whole numbers one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.data import copies_compared
from bias_audit.data.copies_compared import MANY, nearest_compared
from bias_audit.data.duplicates import NEAR

BITS = 256


def one_by_one(numbers: list[int], codes: list[int], sides: list[bool] | None, alike: bool) -> list[tuple[int, int]]:
    """(bits, place) of the nearest copy of each number, (NEAR + 1, -1) where there is none."""
    found = []
    for i, number in enumerate(numbers):
        pairs = [
            ((number ^ other).bit_count(), j)
            for j, other in enumerate(numbers)
            if j != i and (codes[i] == codes[j]) == alike and (sides is None or sides[i] != sides[j])
        ]
        found.append(min((pair for pair in pairs if pair[0] <= NEAR), default=(NEAR + 1, -1)))
    return found


def turned(number: int, places: list[int]) -> int:
    for place in places:
        number ^= 1 << place
    return number


pictures = st.tuples(
    st.sampled_from([0, (1 << BITS) - 1, (1 << 128) - 1, int("5a" * 32, 16)]),
    st.lists(st.integers(0, BITS - 1), unique=True, max_size=30),
    st.integers(0, 2),
)


@settings(max_examples=60)
@given(
    st.lists(pictures, min_size=1, max_size=14),
    st.none() | st.integers(1, 14),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from([0.0, MANY, 1.0]),
)
def test_it_finds_what_comparing_one_by_one_finds(drawn, split, rows, columns, many):
    numbers, codes = [turned(base, places) for base, places, _ in drawn], [code for *_, code in drawn]
    sides = None if split is None else [i >= split for i in range(len(drawn))]
    advanced: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ROWS", rows), ("COLUMNS", columns), ("MANY", many)):
            patch.setattr(copies_compared, name, value)
        same, other = nearest_compared(
            [f"{number:064x}" for number in numbers],
            np.array(codes),
            None if sides is None else np.array(sides),
            NEAR,
            advanced.append,
        )
    for nearest, alike in ((same, True), (other, False)):
        wanted = one_by_one(numbers, codes, sides, alike)
        assert list(zip(nearest.bits.tolist(), nearest.place.tolist(), strict=True)) == wanted
    assert sum(advanced) == len(numbers)


@pytest.mark.parametrize("half", [0, 24, NEAR])
def test_a_copy_at_the_limit_is_found_wherever_its_bits_differ(half):
    """One bit more is none; NEAR bits may lie in the first half of the hash, in the second, or in both."""
    places = [*range(half), *range(200, 200 + NEAR - half)]
    for more, found in (([], 1), ([255], -1)):
        numbers = [0, turned(0, [*places, *more])]
        same, _ = nearest_compared([f"{number:064x}" for number in numbers], np.zeros(2, int), None, NEAR)
        assert same.place[0] == found
