"""Words of a comparison, the same in page, Markdown and terminal."""

from __future__ import annotations

import math

from bias_audit.checks.registry import find_rule
from bias_audit.compare.compared import FindingChange
from bias_audit.compare.flips import Flip, FlipList
from bias_audit.compare.measures import MEASURES, VERDICTS, Change
from bias_audit.run.identity import subject_title
from bias_audit.run.quantities import difference_unit, p_value, quantity, signed, span

ORDER = {verdict: place for place, verdict in enumerate(VERDICTS)}


def difference(change: Change) -> str:
    """The difference of a change with its sign; differences of shares are given in points."""
    return signed(change.difference, difference_unit(MEASURES[change.measure].unit))


def between(change: Change) -> str:
    """The 95 % interval of a difference in words, in its unit."""
    unit = difference_unit(MEASURES[change.measure].unit)
    return span(change.low, change.high, unit) or "no interval: too few"


def tested(change: Change) -> str:
    """The corrected p-value in words, or that there was no test."""
    if not math.isfinite(change.p_fdr):
        return "not tested"
    return p_value(change.p_fdr)


def ordered(changes: list[Change]) -> list[Change]:
    """The changes in the order of VERDICTS, worse first; the order stays within each verdict."""
    return sorted(changes, key=lambda change: ORDER[change.verdict])


def about(finding: FindingChange) -> str:
    """Class and cue of a finding, or "the data set" where it has neither."""
    return subject_title(finding.outcome) or "the data set"


def measured(finding: FindingChange) -> str:
    """The number of a finding in the old and the new run, in words; "" where neither has one."""
    now = None if finding.kind in ("gone", "no longer judged") else finding.outcome.measured
    before = None if finding.old is None else finding.old.measured
    if now is None and before is None:
        return ""
    rule = find_rule(finding.outcome.code)
    unit = rule.measures[1] if rule else "number"
    one, two = ("none" if value is None else quantity(value, unit) for value in (before, now))
    return f"{one} before, {two} now"


def moved(flip: Flip, kind: FlipList) -> str:
    """The number of an image in the old and the new run, in words."""
    return f"{kind.number} {quantity(flip.old, kind.unit)} before, {quantity(flip.new, kind.unit)} now"
