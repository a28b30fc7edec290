"""How often each pair of a new and an old number occurs among the same images: what two runs are compared by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pairs:
    """A table of counts.

    Attributes:
        new, old: the numbers of the new and of the old run, each once, in ascending order; some may occur in no pair.
        counts: row of a new number -> how many images have it, beside each old one.
    """

    new: Sequence[float]
    old: Sequence[float]
    counts: Sequence[Sequence[int]]

    @classmethod
    def of(cls, tally: Mapping[tuple[float, float], int]) -> Pairs:
        """The table of (new, old) number -> how many images have these."""
        new, old = (sorted({pair[side] for pair in tally}) for side in (0, 1))
        return cls(new, old, [[tally.get((x, y), 0) for y in old] for x in new])

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(map(sum, self.counts))

    def between(self, least: float, most: float) -> Pairs:
        """The same with each number as share of the way from `least` to `most`."""
        width = most - least
        new, old = ([(number - least) / width for number in side] for side in (self.new, self.old))
        return Pairs(new, old, self.counts)
