"""The same picture twice: across training and test set, within the test set, under different labels.

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
"""(N, BITS) of -1 and 1: the product of two rows is BITS less twice the bits in which they differ."""

SIDE, LOW = 64, 16
"""Side at which a picture is hashed, and frequencies that are kept in either direction."""

BITS = LOW * LOW

NEAR = 48
"""Bits of 256 that near-duplicates may differ in. Half the size, JPEG quality 30 or 30 grey levels more change at most
18 bits of 620 real photos, two per cent of the border cut off at most 50 (one photo of 620 missed); of 138,290 pairs of
different ones none comes below 92, so that fewer than 2.7e-5 match falsely (`tests/measurements/duplicate_bits.py`)."""

FLAT = 4.0
"""Standard deviation in grey levels below which a picture shows too little to be recognised."""

BLOCK = 256
"""Pictures compared with all others at a time: 50 MB for 50,000 others."""


@dataclass(frozen=True)
class Pair:
    """Two pictures that are the same or nearly so.

    Attributes:
        first, second: positions, in one list or in two.
        bits: bits of 256 in which the hashes differ; 0 = the same or changed by less than hashing sees.
    """

    first: int
    second: int
    bits: int


def perceptual_hash(pixels: Pixels) -> str:
    """Signs of the lowest 16 x 16 cosine frequencies against their median (pHash; Zauner 2010), as 64 hex digits.

    Args:
        pixels: (H, W, C) in [0, 255].

    Returns:
        "" for a picture without structure, which would equal all others of its kind.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2] == 3 else pixels[..., 0], np.float32)
    if float(grey.std()) < FLAT:
        return ""
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:LOW, :LOW].ravel().copy()
    low[0] = np.median(low[1:])  # brightness says nothing
    bits = np.packbits(low > np.median(low[1:]))
    return bits.tobytes().hex()


def as_signs(hashes: Sequence[str]) -> Signs:
    """Hex digits -> signs; empty hashes are not allowed."""
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
    """Of each picture its nearest copy with the same label and its nearest with another, nearest first.

    A picture in a thousand copies has two pairs, not a million. Pictures without a hash have none.

    Args:
        first, labels: hashes and labels of N pictures.
        second, second_labels: of M others; None = copies within the first list, each pair once.
        most: bits in which copies may differ.
        advance: counts pictures of the first list, those without a hash left out.
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
        same = own_codes[start : start + BLOCK, None] == other_codes[None, :]
        for chosen in (same, ~same):
            score = np.where(chosen, alike, -BITS)
            nearest = score.argmax(axis=1)
            bits = ((BITS - score[np.arange(len(score)), nearest]) / 2).astype(int)
            for i in np.flatnonzero(bits <= most):
                pair = own[start + int(i)], others[int(nearest[i])]
                key = (min(pair), max(pair)) if within else pair
                found[key] = Pair(*key, int(bits[i]))
        advance(len(alike))
    return sorted(found.values(), key=lambda pair: (pair.bits, pair.first, pair.second))
