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

BLOCK = 256
"""Number of pictures that are compared with all others at once: 50 MB of memory for 50,000 others."""


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
    `perceptual_hash`) have no pairs.

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
    a, b = as_signs([first[i] for i in own]), as_signs([second[i] for i in others])
    own_codes = np.array([names[labels[i]] for i in own])
    other_codes = np.array([names[second_labels[i]] for i in others])
    found: dict[tuple[int, int], Pair] = {}
    for start in range(0, len(a), BLOCK):
        alike = a[start : start + BLOCK] @ b.T
        if within:  # no picture is a copy of itself
            rows = np.arange(len(alike))
            alike[rows, start + rows] = -BITS
        # Most pictures have no copy at all: the two classes are told apart for the others alone.
        near = np.flatnonzero(alike.max(axis=1) >= BITS - 2 * most)
        same = own_codes[start + near, None] == other_codes[None, :]
        for chosen in (same, ~same):
            score = np.where(chosen, alike[near], -BITS)
            nearest = score.argmax(axis=1)
            bits = ((BITS - score[np.arange(len(score)), nearest]) / 2).astype(int)
            for i in np.flatnonzero(bits <= most):
                pair = own[start + int(near[i])], others[int(nearest[i])]
                key = (min(pair), max(pair)) if within else pair
                found[key] = Pair(*key, int(bits[i]))
        advance(len(alike))
    return sorted(found.values(), key=lambda pair: (pair.bits, pair.first, pair.second))
