"""Finds pictures that occur twice: in training and test set, within the test set, or under different labels.

A test photo that was trained on tests nothing, and two labels for one picture cannot both be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Pixels
from bias_audit.data.copies_compared import nearest_compared
from bias_audit.data.copies_index import nearest_copies

MOST_COMPARED = 200_000**2
"""Most pairs of pictures that are compared one by one; of more, `copies_index` finds the copies that are not far."""

Signs = NDArray[np.float32]
"""(N, BITS) bits of hashes as -1 and 1: the dot product of two rows that differ in d bits is BITS - 2 d."""

SIDE, LOW = 64, 16
"""Side in pixels to which a picture is reduced before hashing, and number of low frequencies kept in each direction."""

BITS = LOW * LOW

MIDDLE = BITS // 2 - 1
"""Place of the median among the sorted frequencies without the constant one."""

NEAR = 48
"""Most bits, of 256, in which the hashes of near-duplicates may differ.

Measured on 620 real photos (`tests/measurements/duplicate_bits.py`): half the size, JPEG quality 30, or 30 grey levels
more change at most 18 bits; two per cent of the border cut off change at most 50 (one photo of 620 is missed). Of
138,290 pairs of different photos none differs in fewer than 92 bits, so fewer than 2.7e-5 of such pairs match falsely.
"""

FLAT = 4.0
"""Standard deviation in grey levels below which a picture has too little structure to be hashed."""


@dataclass(frozen=True)
class Pair:
    """Two pictures whose hashes are equal or nearly so.

    Attributes:
        first, second: position of each picture in its list; see `near_pairs`.
        bits: number of bits, of 256, in which the hashes differ; 0 = the same picture, or a change that the hash
            does not see.
    """

    first: int
    second: int
    bits: int


def perceptual_hash(pixels: Pixels) -> str:
    """Perceptual hash of a picture (pHash; Zauner 2010): 256 bits that change little with size, JPEG and brightness.

    Each bit says whether one of the lowest 16 x 16 cosine frequencies lies above their median.

    Args:
        pixels: (H, W, C) float32 in [0, 255], C = 3 (RGB) or 1.

    Returns:
        64 hex digits; "" for a picture without structure, which would equal all others without structure.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[..., 0], np.float32)
    if float(cv2.meanStdDev(grey)[1][0, 0]) < FLAT:
        return ""
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:LOW, :LOW].ravel().copy()
    low[0] = middle = np.partition(low[1:], MIDDLE)[MIDDLE]  # the constant term is the brightness: it says nothing
    bits = np.packbits(low > middle)
    return bits.tobytes().hex()


def as_signs(hashes: Sequence[str]) -> Signs:
    """(N, BITS) signs of N hashes of 64 hex digits each; ValueError for an empty hash."""
    raw = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(len(hashes), BITS // 8)
    return np.unpackbits(raw, axis=1).astype(np.float32) * 2 - 1


def is_indexed(first: int, second: int | None = None) -> bool:
    """Whether copies among so many pictures, or between two sets of them, are found by `copies_index`: most of them."""
    return first * (first if second is None else second) > MOST_COMPARED


MOSTLY = (
    "Copies among so many pictures were looked for by samples of their hashes: nearly all that differ in up to 18 of "
    "256 bits are found (another size, compression or brightness), and a quarter to four in five of those that differ "
    "in 32 to 48 (a border cut off)."
)
"""What is said where `is_indexed`; the shares are those of `copies_index.recall`."""


def near_any(hashes: Sequence[str], others: Signs, most: int = NEAR) -> NDArray[np.bool_]:
    """(n,) which of n pictures are near-duplicates of any of the others; those without a hash are of none.

    Args:
        hashes: see `perceptual_hash`.
        others: signs of the hashes of the others.
        most: most bits in which copies may differ.
    """
    found = np.zeros(len(hashes), bool)
    own = [i for i, each in enumerate(hashes) if each]
    if own and len(others):
        found[own] = (as_signs([hashes[i] for i in own]) @ others.T).max(axis=1) >= BITS - 2 * most
    return found


def near_pairs(
    first: Sequence[str],
    labels: Sequence[str],
    second: Sequence[str] | None = None,
    second_labels: Sequence[str] | None = None,
    *,
    most: int = NEAR,
    advance: Callable[[int], None] = lambda count: None,
) -> list[Pair]:
    """Find near-duplicates: for each picture its nearest copy with the same label, and its nearest with another label.

    So a thousand copies of one picture give at most two pairs each, not a million in all. Pictures without a hash (see
    `perceptual_hash`) have no pairs. Where `is_indexed`, copies that differ in many bits may be missed: `recall`.

    Args:
        first, labels: hashes and labels of N pictures.
        second, second_labels: hashes and labels of M other pictures; None = copies are sought within the first list,
            and each pair is returned once, its smaller position first.
        most: most bits in which copies may differ.
        advance: called with the number of pictures of the first list that are done; pictures without a hash are not
            counted.

    Returns:
        Pairs sorted by bits, then by position.
    """
    within = second is None
    second, second_labels = (first, labels) if second is None or second_labels is None else (second, second_labels)
    own, others = ([i for i, each in enumerate(some) if each] for some in (first, second))
    if not own or not others:
        return []
    names = {name: code for code, name in enumerate(dict.fromkeys([*labels, *second_labels]))}
    together, codes, sides = [first[i] for i in own], np.array([names[labels[i]] for i in own]), None
    if not within:
        together += [second[i] for i in others]
        codes = np.concatenate([codes, [names[second_labels[i]] for i in others]])
        sides = np.arange(len(together)) >= len(own)
    find = nearest_copies if is_indexed(len(own), None if within else len(others)) else nearest_compared
    done = 0

    def told(count: int) -> None:  # of both lists, while the caller counts the first
        nonlocal done
        done += count
        advance(done * len(own) // len(together) - (done - count) * len(own) // len(together))

    found: dict[tuple[int, int], Pair] = {}
    for nearest in find(together, codes, sides, most, told):
        bits, place = nearest.bits, nearest.place
        for here in map(int, np.flatnonzero(place[: len(own)] >= 0)):
            there = int(place[here])
            pair = own[here], own[there] if within else others[there - len(own)]
            key = (min(pair), max(pair)) if within else pair
            found[key] = Pair(*key, int(bits[here]))
    return sorted(found.values(), key=lambda pair: (pair.bits, pair.first, pair.second))
