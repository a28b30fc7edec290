"""How much a number rose or fell since the baseline, with its interval."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterable, Mapping

from bias_audit.gate.metrics import METRICS, MetricValue, wilson
from bias_audit.gate.per_image import Pairs, PairsOf
from bias_audit.run.result import AuditResult

PAIRED = "paired over the same images, Newcombe 1998"
APART = "from the intervals of both runs, Zou & Donner 2008"
SAME_MODEL = "same model, same data"

_SPLIT = 2.0**27 + 1
"""Times a number of 53 bits, splits it into halves (`_sum`)."""


def same_data(result: AuditResult, baseline: AuditResult) -> bool:
    """Whether both runs saw the same images with the same labels.

    Their content hashes are compared; where an older run has none, the fingerprints of their listings.
    """
    one, other = result.info, baseline.info
    if one.content and other.content:
        return one.content == other.content
    return one.fingerprint == other.fingerprint


def same_run(result: AuditResult, baseline: AuditResult) -> bool:
    """Whether the baseline is the run itself or a copy of it.

    Asked are time and digest, never the tables: an unchanged model audited again gives equal tables, and is an honest
    baseline. A run in which a cue was named afterwards has another digest, and the same account of its audit.
    """
    if result.info.created != baseline.info.created:
        return False
    return bool(result.digest and result.digest == baseline.digest) or result.info == baseline.info


def change(
    result: AuditResult,
    baseline: AuditResult,
    name: str,
    now: MetricValue,
    before: MetricValue,
    pairs: PairsOf | None,
) -> tuple[float, float | None, float | None, str]:
    """The change of a number since the baseline, with its interval.

    Where the data are the same and the metric is a mean over images, the images are paired: Newcombe's interval for
    paired shares takes into account that both runs make mostly the same errors. Otherwise the intervals of both runs
    are combined as if the runs were independent, which errs on the wide side where they share images.

    Args:
        result, baseline: the new and the old run.
        name: class metric, or a number of another table.
        now, before: the number in the new and in the old run; both have a value.
        pairs: gives the shares of a class's images in both runs, where the images are to be paired; else None.

    Returns:
        new minus old value, the ends of its 95 % interval (None where there is none), and in words how it was made.
    """
    assert now.value is not None
    assert before.value is not None
    difference = now.value - before.value
    if not same_data(result, baseline):
        return difference, *_apart(now, before)
    if difference == 0 and result.info.model_sha256 == baseline.info.model_sha256:
        return 0.0, 0.0, 0.0, SAME_MODEL
    if pairs is not None:
        shares = pairs(now.subject)
        if sum(shares.values()) >= 2:
            _, least, most = METRICS["class"][name].paired
            width = most - least
            low, high = paired_interval(shares)
            return difference, low * width, high * width, PAIRED
    return difference, *_apart(now, before)


def _apart(now: MetricValue, before: MetricValue) -> tuple[float | None, float | None, str]:
    """MOVER interval of the difference of two samples; (None, None, "") where one of them has no interval."""
    ends = (now.low, now.high, before.low, before.high)
    if now.value is None or before.value is None or any(end is None for end in ends):
        return None, None, ""
    now_low, now_high, old_low, old_high = (float(end) for end in ends if end is not None)
    difference = now.value - before.value
    low = difference - math.hypot(now.value - now_low, old_high - before.value)
    high = difference + math.hypot(now_high - now.value, before.value - old_low)
    return low, high, APART


def paired_interval(pairs: Pairs) -> tuple[float, float]:
    """95 % interval of the difference of two paired shares: method 10 of Newcombe 1998, Stat. Med. 17, 2635-2650.

    Computes `stats.paired_difference_interval` without NumPy, for images that belong to no groups.

    Args:
        pairs: (first, second) score of an image, each 0..1 -> number of images that have these; at least one image.

    Returns:
        the ends of the interval of mean(first) - mean(second), within -1..1.
    """
    arms: tuple[dict[float, int], dict[float, int]] = {}, {}  # score -> how many images have it
    for (x, y), count in pairs.items():
        arms[0][x] = arms[0].get(x, 0) + count
        arms[1][y] = arms[1].get(y, 0) + count
    total = sum(pairs.values())
    p, q = (_sum(arm.items()) / total for arm in arms)
    squares = [_sum(((x - mean) ** 2, k) for x, k in arm.items()) for arm, mean in zip(arms, (p, q), strict=True)]
    n, m = (_effective_size(*each) for each in zip(arms, (p, q), squares, strict=True))
    (p_low, p_high), (q_low, q_high) = wilson(p, n), wilson(q, m)
    spread = math.sqrt(squares[0] * squares[1])
    varied = min(max(arm) - min(arm) for arm in arms) > 1e-9
    phi = max(-1.0, min(1.0, _sum([((x - p) * (y - q), k) for (x, y), k in pairs.items()]) / spread)) if varied else 0.0
    if phi > 0:
        phi = max(phi - 0.5 / math.sqrt(n * p * (1 - p) * m * q * (1 - q)), 0.0)

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a**2 - 2 * phi * a * b + b**2, 0.0))

    low = p - q - reach(p - p_low, q_high - q)
    high = p - q + reach(q - q_low, p_high - p)
    return max(-1.0, low), min(1.0, high)


def _sum(terms: Iterable[tuple[float, int]]) -> float:
    """Sum of numbers, each taken as often as the count beside it says; rounded once, as `math.fsum` of all of them.

    A number is split into halves of 26 bits (Dekker 1971), so that each times a count of up to 67 million is exact.
    """
    parts: list[float] = []
    add = parts.append
    for value, count in terms:
        scaled = _SPLIT * value
        first = scaled - (scaled - value)
        add(first * count)
        add((value - first) * count)
    return math.fsum(parts)


def _effective_size(shares: Mapping[float, int], mean: float, squares: float) -> float:
    """`stats.effective_size` of images that belong to no groups.

    Args:
        shares: score -> number of images.
        mean: mean of the scores.
        squares: sum of their squared distances from the mean.
    """
    n, composites = sum(shares.values()), _composites_behind(frozenset(shares))
    if composites == 1 or n < 10:
        return float(n)
    size = float(n * composites)
    independent = mean * (1 - mean) / (size - 1)
    if independent > 1e-14:
        size /= max(1.0, squares / (n - 1) / n / independent)
    few = min(sum(k for share, k in shares.items() if abs(share - usual) > 1e-7) for usual in (0, 1)) < 3
    return min(size, float(n)) if few else size


@functools.cache
def _composites_behind(shares: frozenset[float]) -> int:
    """`stats.groups.composites_behind`: the largest denominator of the shares, at most 100."""
    rest: Collection[float] = shares
    for count in range(1, 100):
        rest = {share for share in rest if abs(share * count - round(share * count)) > 1e-7}
        if not rest:
            return count
    return 100
