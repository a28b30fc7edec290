"""How a comparison says things, for page, Markdown and terminal alike."""

from __future__ import annotations

import math

from bias_audit.compare.compared import FindingChange
from bias_audit.compare.flips import Flip, FlipList
from bias_audit.compare.measures import MEASURES, VERDICTS, Change
from bias_audit.report.rendering import p_value, quantity
from bias_audit.run.identity import class_of, cue_of

ORDER = {verdict: place for place, verdict in enumerate(VERDICTS)}


def amount(value: float, unit: str) -> str:
    """A number in its unit; a dash where there is none."""
    return quantity(value if math.isfinite(value) else None, unit)


def signed(value: float, unit: str) -> str:
    """A difference, a plus before what rose; shares differ by points."""
    text = amount(value, "number" if unit == "number" else "points")
    return f"+{text}" if value > 0 and text.strip("0.")[:1].isdigit() else text


def between(change: Change) -> str:
    """The interval of a difference in words."""
    unit = MEASURES[change.measure].unit
    if not math.isfinite(change.low) or not math.isfinite(change.high):
        return "no interval: too few"
    return f"{signed(change.low, unit)} to {signed(change.high, unit)}"


def tested(change: Change) -> str:
    """The corrected p-value."""
    if not math.isfinite(change.p_fdr):
        return "not tested"
    return f"p {p_value(change.p_fdr)}"


def ordered(changes: list[Change]) -> list[Change]:
    """Worse first, then better, then what showed nothing; within these by the table's order."""
    return sorted(changes, key=lambda change: ORDER[change.verdict])


def about(finding: FindingChange) -> str:
    """Class and cue of a finding; the data set where it has neither."""
    names = [name for name in (class_of(finding.outcome), cue_of(finding.outcome)) if name]
    return ", ".join(names) or "the data set"


def measured(finding: FindingChange) -> str:
    """The number of a finding before and now."""
    now = None if finding.kind in ("gone", "no longer judged") else finding.outcome.measured
    before = None if finding.old is None else finding.old.measured
    if now is None and before is None:
        return ""
    one, two = ("none" if value is None else f"{value:z.2f}" for value in (before, now))
    return f"{one} before, {two} now"


def moved(flip: Flip, kind: FlipList) -> str:
    """The two numbers of an image."""
    unit = {"probability": "share"}.get(kind.unit, kind.unit)
    return f"{kind.number} {amount(flip.old, unit)} before, {amount(flip.new, unit)} now"
