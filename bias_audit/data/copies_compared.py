"""Finds near-duplicates by comparing every picture with every other: all of them, in about two nanoseconds a pair.

Half of the 256 bits of a hash tell nearly all pairs apart: where a pair differs in more bits than copies may, it is
none, whatever the other half says. That is compared for the pairs that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.nearest import Codes, Nearest, words_of

ROWS, COLUMNS = 32, 4096
"""Pictures that are compared with as many others at once: the bits of so many pairs lie in the cache (1 MB)."""

MANY = 0.05
"""Share of pairs that are left by half of their bits, from which it is faster to compare the other half of all pairs:
photos of one camera that does not move are copies of each other."""

_FAR = 999
"""More bits than there are."""

Bits = NDArray[np.integer]


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
    told = 0
    for start in range(0, len(ours), ROWS):
        rows = ours[start : start + ROWS]
        for begin in range(start if sides is None else 0, len(theirs), COLUMNS):  # within one list each pair once
            columns = theirs[begin : begin + COLUMNS]
            bits = np.bitwise_count(words[0, rows][:, None] ^ words[0, columns])
            bits += np.bitwise_count(words[1, rows][:, None] ^ words[1, columns])  # 128 at most
            left = np.flatnonzero(bits <= most)
            if len(left) > MANY * bits.size:
                _meet_all(words, codes, bits, rows, columns, same, other)
            elif len(left):
                first, second = rows[left // len(columns)], columns[left % len(columns)]
                _meet_some(words, codes, bits.ravel()[left], first, second, same, other)
        rest = 1 - min(1.0, (start + ROWS) / len(ours))
        done = int(count * (1 - (rest**2 if sides is None else rest)))
        advance(done - told)
        told = done
    return same, other


def _meet_some(
    words: NDArray[np.uint64], codes: Codes, half: Bits, first: Codes, second: Codes, same: Nearest, other: Nearest
) -> None:
    """Let pairs meet that differ in `half` bits of their first two words, where `first` lies before `second`."""
    bits = half + np.bitwise_count(words[2:, first] ^ words[2:, second]).sum(axis=0, dtype=np.int64)
    near = (bits <= same.most) & (first < second)
    first, second, bits = first[near], second[near], bits[near]
    alike = codes[first] == codes[second]
    for nearest, chosen in ((same, alike), (other, ~alike)):
        nearest.meet(first[chosen], second[chosen], bits[chosen])
        nearest.meet(second[chosen], first[chosen], bits[chosen])


def _meet_all(
    words: NDArray[np.uint64], codes: Codes, half: Bits, rows: Codes, columns: Codes, same: Nearest, other: Nearest
) -> None:
    """The same for all pairs of a row and a column: each meets the nearest of the others."""
    bits = half.astype(np.int16)
    for word in words[2:]:
        bits += np.bitwise_count(word[rows][:, None] ^ word[columns])
    bits[(bits > same.most) | (rows[:, None] >= columns)] = _FAR
    alike = codes[rows][:, None] == codes[columns]
    for nearest, chosen in ((same, alike), (other, ~alike)):
        met = np.where(chosen, bits, _FAR)
        for ours, theirs, seen in ((rows, columns, met), (columns, rows, met.T)):
            place = seen.argmin(axis=1)
            least = seen[np.arange(len(seen)), place]
            there = least < _FAR
            nearest.meet(ours[there], theirs[place[there]], least[there])
