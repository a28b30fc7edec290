"""The nearest copy of each picture so far: both ways to find copies fill it (`copies_compared`, `copies_index`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.intp]

_PLACES = 1 << 40
"""More pictures than there can be."""


@dataclass(frozen=True)
class Nearest:
    """The nearest copy of each of N pictures so far.

    Attributes:
        key: (N,) bits in which it differs * _PLACES + which picture it is: the smaller, the nearer, and of equally near
            ones the earlier.
        most: most bits in which copies may differ.
    """

    key: NDArray[np.int64]
    most: int

    @classmethod
    def none(cls, count: int, most: int) -> Nearest:
        """No copies of so many pictures."""
        return cls(np.full(count, (most + 1) * _PLACES, np.int64), most)

    @property
    def bits(self) -> NDArray[np.int64]:
        """(N,) bits in which the copy differs; more than `most` where there is none."""
        return self.key // _PLACES

    @property
    def place(self) -> NDArray[np.int64]:
        """(N,) which picture it is; -1 where there is none."""
        return np.where(self.bits <= self.most, self.key % _PLACES, -1)

    def meet(self, ours: Codes, theirs: Codes, bits: NDArray[np.integer]) -> None:
        """Take each of `theirs` for the nearest of `ours` where it is nearer, or as near and earlier."""
        np.minimum.at(self.key, ours, bits.astype(np.int64) * _PLACES + theirs)


def words_of(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """(N, 4) hashes of N pictures, 64 hex digits each, as words of 64 bits."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(len(hashes), -1)
