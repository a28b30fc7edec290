"""The interval of the difference of two paired shares, without NumPy: as the audit's own, from counts of pairs."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Sequence
from operator import mul

from bias_audit.gate.metrics import wilson
from bias_audit.paired_shares import paired_ends
from bias_audit.run.number_pairs import Pairs


def paired_interval(pairs: Pairs) -> tuple[float, float]:
    """95 % interval of the difference of two paired shares: method 10 of Newcombe 1998, Stat. Med. 17, 2635-2650.

    Computes `stats.paired_difference_interval`, for images that belong to no groups.

    Args:
        pairs: new and old score of the images, each 0..1; at least one image.

    Returns:
        the ends of the interval of mean(new) - mean(old), within -1..1.
    """
    sides = pairs.new, pairs.old
    arms = [sum(row) for row in pairs.counts], [sum(column) for column in zip(*pairs.counts, strict=True)]
    total = sum(arms[0])
    p, q = (_total(scores, arm) / total for scores, arm in zip(sides, arms, strict=True))
    away = [x - p for x in pairs.new], [y - q for y in pairs.old]
    squares = [_total([d * d for d in each], arm) for each, arm in zip(away, arms, strict=True)]
    n, m = (_effective_size(*side) for side in zip(sides, arms, (p, q), squares, strict=True))
    phi = 0.0
    if all(_varied(*side) for side in zip(sides, arms, strict=True)):
        both = _total(away[0], [_total(away[1], row) for row in pairs.counts])
        phi = max(-1.0, min(1.0, both / math.sqrt(squares[0] * squares[1])))
    return paired_ends((p, q), (n, m), wilson(p, n), wilson(q, m), phi)


def _total(numbers: Sequence[float], times: Sequence[float]) -> float:
    """Sum of the products, in the order of the numbers: equal for equal counts, whatever they were made of."""
    return math.fsum(map(mul, numbers, times))


def _varied(scores: Sequence[float], times: Sequence[int]) -> bool:
    """Whether the images differ in their scores, which ascend."""
    there = [score for score, count in zip(scores, times, strict=True) if count]
    return there[-1] - there[0] > 1e-9


def _effective_size(scores: Sequence[float], times: Sequence[int], mean: float, squares: float) -> float:
    """`stats.effective_size` of images that belong to no groups.

    Args:
        scores: the different scores.
        times: how many images have each.
        mean: mean of the images' scores.
        squares: sum of their squared distances from the mean.
    """
    n = sum(times)
    composites = _composites_behind(frozenset(score for score, count in zip(scores, times, strict=True) if count))
    if composites == 1 or n < 10:
        return float(n)
    size = float(n * composites)
    independent = mean * (1 - mean) / (size - 1)
    if independent > 1e-14:
        size /= max(1.0, squares / (n - 1) / n / independent)
    if size <= n:
        return size
    other = (sum(k for x, k in zip(scores, times, strict=True) if abs(x - usual) > 1e-7) for usual in (0, 1))
    return float(n) if min(other) < 3 else size


@functools.cache
def _composites_behind(shares: frozenset[float]) -> int:
    """`stats.groups.composites_behind`: the largest denominator of the shares, at most 100."""
    rest: Collection[float] = shares
    for count in range(1, 100):
        rest = {share for share in rest if abs(share * count - round(share * count)) > 1e-7}
        if not rest:
            return count
    return 100
