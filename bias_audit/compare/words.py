"""Words and numbers of a comparison, the same in page, Markdown and terminal."""

from __future__ import annotations

import math

from bias_audit.compare.compared import FindingChange
from bias_audit.compare.flips import Flip, FlipList
from bias_audit.compare.measures import MEASURES, VERDICTS, Change
from bias_audit.report.rendering import p_value, quantity
from bias_audit.run.identity import class_of, cue_of

ORDER = {verdict: place for place, verdict in enumerate(VERDICTS)}


def amount(value: float, unit: str) -> str:
    """A number as text in its unit; a dash where it is not finite."""
    return quantity(value if math.isfinite(value) else None, unit)


def signed(value: float, unit: str) -> str:
    """A difference as text, with a plus sign where it is positive; differences of shares are given in points."""
    text = amount(value, "number" if unit == "number" else "points")
    return f"+{text}" if value > 0 and text.strip("0.")[:1].isdigit() else text


def between(change: Change) -> str:
    """The 95 % interval of a difference in words."""
    unit = MEASURES[change.measure].unit
    if not math.isfinite(change.low) or not math.isfinite(change.high):
        return "no interval: too few"
    return f"{signed(change.low, unit)} to {signed(change.high, unit)}"


def tested(change: Change) -> str:
    """The corrected p-value in words, or that there was no test."""
    if not math.isfinite(change.p_fdr):
        return "not tested"
    return f"p {p_value(change.p_fdr)}"


def ordered(changes: list[Change]) -> list[Change]:
    """The changes in the order of VERDICTS, worse first; the order stays within each verdict."""
    return sorted(changes, key=lambda change: ORDER[change.verdict])


def about(finding: FindingChange) -> str:
    """Class and cue of a finding, or "the data set" where it has neither."""
    names = [name for name in (class_of(finding.outcome), cue_of(finding.outcome)) if name]
    return ", ".join(names) or "the data set"


def measured(finding: FindingChange) -> str:
    """The number of a finding in the old and the new run, in words; "" where neither has one."""
    now = None if finding.kind in ("gone", "no longer judged") else finding.outcome.measured
    before = None if finding.old is None else finding.old.measured
    if now is None and before is None:
        return ""
    one, two = ("none" if value is None else f"{value:z.2f}" for value in (before, now))
    return f"{one} before, {two} now"


def moved(flip: Flip, kind: FlipList) -> str:
    """The number of an image in the old and the new run, in words."""
    unit = {"probability": "share"}.get(kind.unit, kind.unit)
    return f"{kind.number} {amount(flip.old, unit)} before, {amount(flip.new, unit)} now"
