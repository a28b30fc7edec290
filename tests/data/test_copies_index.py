"""Copies among very many pictures, by samples of hashes, against comparing each with all others."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.data import duplicates
from bias_audit.data.copies_index import nearest_copies, recall
from bias_audit.data.duplicates import NEAR, is_indexed, near_pairs


def changed(raw: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Hashes (n, 32 bytes), each with so many bits turned."""
    whole = np.unpackbits(raw, axis=1)
    for row in whole:
        row[rng.choice(256, bits, replace=False)] ^= 1
    return np.packbits(whole, axis=1)


def as_text(raw: np.ndarray) -> list[str]:
    return [row.tobytes().hex() for row in raw]


@pytest.fixture
def pictures():
    """Hashes of 500 pictures and of 200 copies of the first, at 0 to 14 bits, and labels of which some differ."""
    rng = np.random.default_rng(4)
    raw = rng.integers(0, 256, (500, 32), np.uint8)
    copies = np.concatenate([changed(raw[start : start + 40], start // 40 * 3, rng) for start in range(0, 200, 40)])
    return as_text(raw), as_text(copies), [str(i % 3) for i in range(500)], [str(i % 4) for i in range(200)]


def test_near_copies_are_found_as_by_comparing_all(pictures, monkeypatch):
    first, second, labels, second_labels = pictures
    together, all_labels = [*first, "", *second], [*labels, "0", *second_labels]
    exact = near_pairs(together, all_labels), near_pairs(first, labels, second, second_labels)
    assert len(exact[0]) == len(exact[1]) == 200

    monkeypatch.setattr(duplicates, "MOST_COMPARED", 0)
    advanced: list[int] = []

    assert near_pairs(together, all_labels, advance=advanced.append) == exact[0]
    assert sum(advanced) == 700
    advanced.clear()
    assert near_pairs(first, labels, second, second_labels, advance=advanced.append) == exact[1]
    assert sum(advanced) == 500


def test_thousands_of_copies_of_one_picture_give_two_pairs_each_at_most(monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_COMPARED", 0)
    pairs = near_pairs(["0f" * 32] * 3000, ["a", "b"] * 1500)

    assert {pair.bits for pair in pairs} == {0}
    assert {place for pair in pairs for place in (pair.first, pair.second)} == set(range(3000))
    assert len(pairs) <= 6000


@pytest.mark.parametrize("bits", [24, 32, 48])
def test_what_it_misses_is_what_it_says(bits):
    rng = np.random.default_rng(bits)
    raw = rng.integers(0, 256, (2000, 32), np.uint8)
    hashes = as_text(np.concatenate([raw, changed(raw, bits, rng)]))

    same, _ = nearest_copies(hashes, np.zeros(4000, np.intp), np.arange(4000) >= 2000, NEAR)

    share = float((same.place[:2000] == np.arange(2000) + 2000).mean())
    assert share == pytest.approx(recall(bits), abs=4 * np.sqrt(0.25 / 2000))
    assert set(same.bits[same.place >= 0]) == {bits}


def test_the_shares_that_are_told():
    assert recall(18) == pytest.approx(0.9995, abs=5e-5)
    assert recall(32) == pytest.approx(0.81, abs=5e-3)
    assert recall(48) == pytest.approx(0.24, abs=5e-3)


def test_up_to_200_000_each_is_compared_with_all_others():
    assert not is_indexed(200_000)
    assert is_indexed(200_001)
    assert not is_indexed(1000, 40_000_000)
    assert is_indexed(1001, 40_000_000)
