"""The same picture twice: across training and test set, within the test set, under different labels.

A test photo that was trained on tests nothing, and two labels for one picture cannot both be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.interventions import Pixels

Hashes = NDArray[np.uint64]
"""(N, WORDS), 64 bits each."""

SIDE, LOW = 64, 16
"""Side at which a picture is hashed, and frequencies that are kept in either direction."""

WORDS = LOW * LOW // 64

NEAR = 48
"""Bits of 256 that near-duplicates may differ in. Resizing and JPEG quality 30 change at most 34 of the photos tried,
mirrored or cropped copies are missed; of 172,000 pairs of different photos none comes below 64
(`tests/benchmarks/duplicate_bits.py`)."""

FLAT = 4.0
"""Standard deviation in grey levels below which a picture shows too little to be recognised."""

BLOCK = 512


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


def as_words(hashes: Sequence[str]) -> Hashes:
    """Hex digits -> (N, WORDS); empty hashes are not allowed."""
    raw = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8)
    return raw.view(np.uint64).reshape(len(hashes), WORDS)


def near_pairs(first: Sequence[str], second: Sequence[str] | None = None, most: int = NEAR) -> list[Pair]:
    """Pairs whose hashes differ in at most `most` bits, nearest first; pictures without a hash have none.

    Args:
        first: hashes of N pictures.
        second: of M others; None = pairs within the first list, each once.
        most: bits.
    """
    own = [i for i, each in enumerate(first) if each]
    within = second is None
    others = own if second is None else [i for i, each in enumerate(second) if each]
    if not own or not others:
        return []
    a = as_words([first[i] for i in own])
    b = a if second is None else as_words([second[i] for i in others])
    found: list[Pair] = []
    for start in range(0, len(a), BLOCK):
        part = a[start : start + BLOCK]
        bits = np.zeros((len(part), len(b)), np.uint16)
        for word in range(WORDS):  # one word at a time: a tenth of the memory
            bits += np.bitwise_count(part[:, word, None] ^ b[None, :, word])
        for i, j in np.argwhere(bits <= most):
            if not within or start + i < j:
                found.append(Pair(own[start + int(i)], others[int(j)], int(bits[i, j])))
    return sorted(found, key=lambda pair: (pair.bits, pair.first, pair.second))
