"""Finds near-duplicates by comparing every picture with every other: all of them, in about two nanoseconds a pair.

Half of the 256 bits of a hash tell nearly all pairs apart: where a pair differs in more bits than copies may, it is
none, whatever the other half says. That is compared for the pairs that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.nearest import Codes, Nearest, words_of
from bias_audit.limits.ahead import made_ahead

ROWS, COLUMNS = 32, 4096
"""Pictures that are compared with as many others at once: the bits of so many pairs lie in the cache (1 MB)."""

MANY = 0.05
"""Share of pairs that are left by half of their bits, from which it is faster to compare the other half of all pairs:
photos of one camera that does not move are copies of each other."""

_FAR = 999
"""More bits than there are."""

Pairs = tuple[Codes, Codes, NDArray[np.integer]]
"""The earlier picture of each pair, the later one, and the bits in which they differ."""


def nearest_compared(
    hashes: Sequence[str],
    codes: Codes,
    sides: NDArray[np.bool_] | None,
    most: int,
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[Nearest, Nearest]:
    """As `copies_index.nearest_copies`, but no copy is missed; time grows with the number of pairs."""
    words = np.ascontiguousarray(words_of(hashes).T)
    count = words.shape[1]
    same, other = Nearest.none(count, most), Nearest.none(count, most)
    ours = np.arange(count) if sides is None else np.flatnonzero(~sides)
    theirs = np.arange(count) if sides is None else np.flatnonzero(sides)

    def near(start: int) -> list[Pairs]:
        rows = ours[start : start + ROWS]
        begins = range(start if sides is None else 0, len(theirs), COLUMNS)  # within one list each pair once
        return [pairs for begin in begins for pairs in _near(words, codes, rows, theirs[begin : begin + COLUMNS], most)]

    told = 0
    starts = range(0, len(ours), ROWS)
    for start, found in zip(starts, made_ahead(near, starts), strict=True):
        for first, second, bits in found:
            alike = codes[first] == codes[second]
            for nearest, chosen in ((same, alike), (other, ~alike)):
                nearest.meet(first[chosen], second[chosen], bits[chosen])
                nearest.meet(second[chosen], first[chosen], bits[chosen])
        rest = 1 - min(1.0, (start + ROWS) / len(ours))
        done = int(count * (1 - (rest**2 if sides is None else rest)))
        advance(done - told)
        told = done
    return same, other


def _near(words: NDArray[np.uint64], codes: Codes, rows: Codes, columns: Codes, most: int) -> Iterator[Pairs]:
    """Pairs of a row and a later column that differ in at most so many bits: all, or the nearest of each of them."""
    half = np.bitwise_count(words[0, rows][:, None] ^ words[0, columns])
    half += np.bitwise_count(words[1, rows][:, None] ^ words[1, columns])  # 128 at most
    left = np.flatnonzero(half <= most)
    if len(left) > MANY * half.size:
        yield from _nearest_of_many(words, codes, half, rows, columns, most)
    elif len(left):
        first, second = rows[left // len(columns)], columns[left % len(columns)]
        rest = np.bitwise_count(words[2:, first] ^ words[2:, second]).sum(axis=0, dtype=np.int64)
        bits = half.ravel()[left] + rest
        kept = (bits <= most) & (first < second)
        yield first[kept], second[kept], bits[kept]


def _nearest_of_many(
    words: NDArray[np.uint64], codes: Codes, half: NDArray[np.uint8], rows: Codes, columns: Codes, most: int
) -> Iterator[Pairs]:
    """Each row with the nearest column of its label and of another one, and each column with such rows."""
    bits = half.astype(np.int16)
    for word in words[2:]:
        bits += np.bitwise_count(word[rows][:, None] ^ word[columns])
    bits[(bits > most) | (rows[:, None] >= columns)] = _FAR
    alike = codes[rows][:, None] == codes[columns]
    for chosen in (alike, ~alike):
        met = np.where(chosen, bits, _FAR)
        place = met.argmin(axis=1), met.argmin(axis=0)
        for first, second in ((np.arange(len(rows)), place[0]), (place[1], np.arange(len(columns)))):
            there = np.flatnonzero(met[first, second] < _FAR)
            yield rows[first[there]], columns[second[there]], met[first[there], second[there]]
