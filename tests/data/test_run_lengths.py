"""Run lengths of COCO files: what pycocotools packs is unpacked, and what contradicts itself is refused for nothing."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_api

from bias_audit.data.run_lengths import run_lengths
from bias_audit.data.shapes import DrawnMask, RunLengths, Shapes

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools


def drawn(shape: RunLengths) -> np.ndarray:
    mask, _ = DrawnMask(Shapes([shape]), Shapes([])).draw(shape.size)
    return mask


def patches(height: int, width: int, seed: int) -> np.ndarray:
    """(height, width) of 0 and 1 in rectangles, so that lengths are short and long, and grow and shrink."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(0, 8)):
        y, x = rng.integers(0, height), rng.integers(0, width)
        mask[y : y + rng.integers(1, height + 1), x : x + rng.integers(1, width + 1)] ^= 1
    return mask


class TestPacked:
    @given(st.integers(1, 300), st.integers(1, 60), st.integers(0, 2**32 - 1))
    def test_what_the_api_packs_is_unpacked(self, height: int, width: int, seed: int) -> None:
        mask = patches(height, width, seed)
        packed = coco_api.encode(np.asfortranarray(mask))
        for counts in (packed["counts"], packed["counts"].decode()):
            assert np.array_equal(drawn(run_lengths(list(packed["size"]), counts)), mask)

    @given(st.lists(st.integers(0, 100_000), min_size=1, max_size=40))
    def test_lists_are_what_the_api_makes_of_them(self, counts: list[int]) -> None:
        size = [1, max(1, sum(counts))]
        counts = counts if sum(counts) else [1]
        packed = coco_api.frPyObjects({"size": size, "counts": counts}, *size)
        assert run_lengths(size, counts) == run_lengths(size, packed["counts"])
        assert np.array_equal(drawn(run_lengths(size, counts)), coco_api.decode(packed))

    def test_by_hand(self) -> None:
        """Outside 2, inside 3, outside 1 in columns of 2: the first number of a text is 2 + 48, a sign "2"."""
        shape = run_lengths([2, 3], [2, 3, 1])
        assert shape == run_lengths([2, 3], "231")
        assert np.array_equal(drawn(shape), [[0, 1, 1], [0, 1, 0]])
        # The fourth number is a difference: 3 to the second, 3, is 0; 40 = 8 + 1 * 32 takes two signs.
        assert run_lengths([1, 49], [2, 3, 1, 3, 40]) == run_lengths([1, 49], "2310W1")


@pytest.mark.parametrize(
    ("size", "counts", "says"),
    [
        (None, [1], "no size"),
        ([2], [2], "no size"),
        ([2, 2.0], [4], "no size"),
        ([0, 4], [0], "no size"),
        ([True, 4], [4], "no size"),
        ([10**6, 10**6], [10**12], "too large"),
        ([10**4500, 1], [1], "beyond 1e18"),
        ([2, 2], [3], "sum up to 3 pixels, not to 2x2"),
        ([2, 2], [], "no lengths"),
        ([2, 2], "", "no lengths"),
        ([2, 2], [5, -1], "one that is none"),
        ([2, 2], [2**32, 4], "one that is none"),
        ([2, 2], [2**64], "no length"),
        ([2, 2], [4.0], "no length"),
        ([2, 2], ["4"], "no length"),
        ([2, 2], None, "neither a text nor a list"),
        ([2, 2], 4, "neither a text nor a list"),
        ([2, 2], "4é", "neither a text nor a list"),
        ([2, 2], "4 ", "a sign that is none"),
        ([2, 2], "4p", "a sign that is none"),
        ([2, 2], "P", "end within a number"),
        ([2, 2], "PPPPPPP0", "more than 32 bits"),
    ],
)
def test_what_is_none(size, counts, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        run_lengths(size, counts)


def test_a_claim_of_many_pixels_costs_nothing() -> None:
    tracemalloc.start()
    shape = run_lengths([65_535, 65_535], [65_535**2])
    with pytest.raises(ValueError, match="too large"):
        run_lengths([10**9, 10**9], [10**18])
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert len(shape.data) == 4
