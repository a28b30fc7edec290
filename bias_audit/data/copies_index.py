"""Finds near-duplicates among so many pictures that comparing each with all others would take hours.

Locality-sensitive hashing by sampled bits (Indyk & Motwani 1998; Gionis, Indyk & Motwani 1999): two hashes that differ
in d of 256 bits agree on all KEY sampled ones with probability (1 - d / 256) ^ KEY, and so in one of TABLES samples
almost surely where d is small. Time and memory grow with the number of pictures, not with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.nearest import Codes, Nearest, words_of

TABLES, KEY = 40, 24
"""Number of samples of bits, and bits per sample.

Copies that differ in 8 bits are found with probability 1 - 1e-11, in 18 with .9995, in 32 with .81, in 48 with .24:
`recall` computes it.
"""

WINDOW = 32
"""Pictures that a picture is compared with in the order of a table: pictures of one key may be many thousands."""


def recall(bits: int, of: int = 256) -> float:
    """Probability that two hashes that differ in so many bits share the key of at least one table."""
    return float(1 - (1 - (1 - bits / of) ** KEY) ** TABLES)


def nearest_copies(
    hashes: Sequence[str],
    codes: Codes,
    sides: NDArray[np.bool_] | None,
    most: int,
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[Nearest, Nearest]:
    """The nearest copy of each picture with the same label, and the nearest with another label.

    Args:
        hashes: hashes of N pictures, 64 hex digits each.
        codes: (N,) label of each.
        sides: (N,) in which of two sets each lies: copies are sought in the other set; None = within one set.
        most: most bits in which copies may differ.
        advance: called with numbers that sum to N.
    """
    long = words_of(hashes)
    words = long.view(np.uint8)
    count, width = len(words), words.shape[1] * 8
    same, other = Nearest.none(count, most), Nearest.none(count, most)
    rng = np.random.default_rng(0)  # the same samples in each run
    told = 0
    for number in range(TABLES):
        keys = _keys(words, rng.choice(width, KEY, replace=False))
        order = np.lexsort((rng.permutation(count), keys))
        ranked = keys[order]
        for step in range(1, WINDOW + 1):
            places = np.flatnonzero(ranked[step:] == ranked[:-step])
            if not len(places):
                break
            first, second = order[places], order[places + step]
            if sides is not None:
                apart = sides[first] != sides[second]
                first, second = first[apart], second[apart]
            bits = np.bitwise_count(long[first] ^ long[second]).sum(axis=1).astype(np.int16)
            for wanted, nearest in ((True, same), (False, other)):
                kept = (bits <= most) & ((codes[first] == codes[second]) == wanted)
                nearest.meet(first[kept], second[kept], bits[kept])
                nearest.meet(second[kept], first[kept], bits[kept])
        done = count * (number + 1) // TABLES
        advance(done - told)
        told = done
    return same, other


def _keys(words: NDArray[np.uint8], bits: NDArray[np.intp]) -> NDArray[np.uint32]:
    """(N,) the sampled bits of each hash as one number."""
    keys = np.zeros(len(words), np.uint32)
    for bit in bits:
        keys = (keys << np.uint32(1)) | ((words[:, bit // 8] >> np.uint8(7 - bit % 8)) & np.uint8(1))
    return keys
