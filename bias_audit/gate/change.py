"""How much a number rose or fell since the baseline, with its interval."""

from __future__ import annotations

import math

from bias_audit.gate.metrics import METRICS, MetricValue
from bias_audit.gate.paired import paired_interval
from bias_audit.gate.per_image import PairsOf
from bias_audit.run.result import AuditResult

PAIRED = "paired over the same images, Newcombe 1998"
APART = "from the intervals of both runs, Zou & Donner 2008"
SAME_MODEL = "same model, same data"


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
        pairs: gives the numbers of a class's images in both runs, where the images are to be paired; else None.

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
        both = pairs(now.subject)
        if both.images >= 2:
            _, least, most = METRICS["class"][name].paired
            low, high = paired_interval(both.between(least, most))
            return difference, low * (most - least), high * (most - least), PAIRED
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
