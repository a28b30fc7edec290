"""Choice of example photos whose share of recognised ones matches the rate that the report states beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import TypeVar

Photo = TypeVar("Photo", bound=Hashable)

MOST_PATTERNS = 12
"""Number of patterns (recognised or not, per experiment) that are tried in combination; the most frequent ones."""


def in_proportion(
    seen: Mapping[Photo, Mapping[str, bool]], rates: Mapping[str, float], size: int, rounds: int = 1
) -> list[Photo]:
    """Choose photos so that the share recognised among them is as near as possible to the rate of each experiment.

    Of equally good choices the one with fewer missing experiments wins, then the one whose pattern is more frequent.
    Within a round, photos with different answers in different experiments come first, since a reader looks there first.

    Args:
        seen: photo -> experiment -> whether it was recognised there.
        rates: experiment -> share of all photos that was recognised, 0..1.
        size: photos per round. The first round alone matches the rates; after each further round all photos so far do.
        rounds: number of rounds.

    Returns:
        `size * rounds` photos, fewer where there are not so many.
    """
    names = list(rates)
    groups: dict[tuple[bool | None, ...], list[Photo]] = {}
    for photo, told in seen.items():
        groups.setdefault(tuple(told.get(name) for name in names), []).append(photo)
    groups = dict(sorted(groups.items(), key=lambda item: -len(item[1]))[:MOST_PATTERNS])
    chosen: list[Photo] = []
    taken: list[tuple[bool | None, ...]] = []
    for _ in range(rounds):
        count = min(size, sum(map(len, groups.values())))
        choices = [
            choice
            for choice in combinations_with_replacement(groups, count)
            if all(len(groups[pattern]) >= times for pattern, times in Counter(choice).items())
        ]
        best = min(choices, key=lambda choice: _distance([*taken, *choice], [rates[name] for name in names]))
        taken += best
        picked = [groups[pattern].pop(0) for pattern in best]
        chosen += sorted(picked, key=lambda photo: len(set(seen[photo].values())) < 2)
    return chosen


def _distance(patterns: Sequence[tuple[bool | None, ...]], rates: Sequence[float]) -> tuple[float, int]:
    """How badly a choice matches the rates: (sum over experiments of the error in photos, missing experiments)."""
    off, missing = 0.0, 0
    for place, rate in enumerate(rates):
        told = [pattern[place] for pattern in patterns]
        made = [each for each in told if each is not None]
        off += abs(sum(made) - rate * len(made))
        missing += len(told) - len(made)
    return round(off, 9), missing
