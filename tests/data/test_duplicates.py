"""Perceptual hashes of copies and of different pictures, and pairs against all pairs one by one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.data.duplicates import BITS, NEAR, Pair, as_signs, near_any, near_pairs, perceptual_hash


def photo(seed: int, side: int = 96) -> np.ndarray:
    """Blobs at several scales, as in photos."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.random((n, n, 3), np.float32), (side, side)) for n in (3, 6, 12, 24)]
    return np.asarray(255 * sum(layers) / len(layers), np.float32)


def bits(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


@pytest.mark.parametrize(
    "change",
    [
        lambda p: cv2.resize(cv2.resize(p, (48, 48), interpolation=cv2.INTER_AREA), (96, 96)),
        lambda p: cv2.resize(p, (130, 70)),
        lambda p: np.clip(p + 30, 0, 255),
        lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 1).astype(np.float32),
    ],
    ids=["half the size", "another shape", "brighter", "compressed"],
)
def test_copies_are_near_and_different_pictures_are_not(change):
    hashes = [perceptual_hash(photo(seed)) for seed in range(12)]
    for seed, own in enumerate(hashes):
        assert bits(own, perceptual_hash(change(photo(seed)))) <= NEAR
    apart = [bits(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(apart) > NEAR
    assert np.mean(apart) == pytest.approx(BITS / 2, abs=8)


def test_an_empty_picture_has_no_hash_and_no_copies():
    blank = perceptual_hash(np.full((50, 50, 3), 255, np.float32))
    assert blank == ""
    assert near_pairs([blank, blank], ["a", "b"]) == []
    assert near_pairs([blank], ["a"], [perceptual_hash(photo(0))], ["a"]) == []


def test_as_signs_gives_the_bits():
    first, second = "0f" * 32, "ff" * 32
    signs = as_signs([first, second])
    assert signs.shape == (2, BITS)
    assert (signs[0] != signs[1]).sum() == bits(first, second)


def flip(number: int, places: list[int]) -> str:
    for place in places:
        number ^= 1 << place
    return f"{number:064x}"


def test_of_each_picture_the_nearest_with_its_label_and_the_nearest_with_another():
    start = int(perceptual_hash(photo(0)), 16)
    hashes = [flip(start, list(range(n))) for n in (0, 1, 3, 7)] + [flip(start, list(range(200)))]
    found = near_pairs(hashes, ["cat", "cat", "cat", "dog", "cat"])
    assert Pair(0, 1, 1) in found
    assert Pair(2, 3, 4) in found  # the dog's nearest cat
    assert Pair(0, 3, 7) in found  # that cat's nearest dog
    assert Pair(0, 2, 3) not in found
    assert [pair.bits for pair in found] == sorted(pair.bits for pair in found)
    assert all(4 not in (pair.first, pair.second) for pair in found)


def test_a_thousand_copies_are_no_million_pairs():
    one = perceptual_hash(photo(1))
    assert len(near_pairs([one] * 1000, ["a"] * 1000)) <= 1000


def test_across_two_lists_labels_that_are_not_known_are_others():
    one, other = perceptual_hash(photo(1)), perceptual_hash(photo(2))
    assert near_pairs([one, other], ["a", "b"], [other, one, one], ["", "a", "b"]) == [
        Pair(0, 1, 0),
        Pair(0, 2, 0),
        Pair(1, 0, 0),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 15), st.sampled_from("ab")), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 15), st.sampled_from("ab")), min_size=1, max_size=12),
)
def test_a_picture_has_a_pair_where_any_other_is_near(first, second):
    """Against all pairs one by one; numbers of four bits, spread over the hash so that one bit stands for 20."""

    def hashed(number: int) -> str:
        return flip(0, [20 * bit + k for bit in range(4) if number >> bit & 1 for k in range(20)])

    a, b = [hashed(n) for n, _ in first], [hashed(n) for n, _ in second]
    found = near_pairs(a, [label for _, label in first], b, [label for _, label in second])
    for i, (_, label) in enumerate(first):
        for same in (True, False):
            near = [bits(a[i], b[j]) for j, (_, other) in enumerate(second) if (other == label) is same]
            best = min((n for n in near if n <= NEAR), default=None)
            shown = [p.bits for p in found if p.first == i and (second[p.second][1] == label) is same]
            assert shown == ([] if best is None else [best])


@pytest.mark.parametrize("most", [0, 20, NEAR])
def test_near_any_is_whether_one_of_the_others_is_near(most):
    others = [flip(0, range(60)), flip(0, range(100, 200))]
    hashes = [flip(0, range(60)), flip(0, range(40)), flip(0, range(12)), "", flip(0, range(11)), flip(0, range(256))]
    expected = [bool(one) and min(bits(one, other) for other in others) <= most for one in hashes]
    assert near_any(hashes, as_signs(others), most).tolist() == expected
    assert sum(expected) == {0: 1, 20: 2, NEAR: 3}[most]
    assert not near_any(hashes, as_signs([])).any()
    assert near_any([], as_signs(others)).tolist() == []
