"""What a rule says of a subject, how severe that is, and what the rules of all checks make it with. Nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Rule
    from bias_audit.config import Thresholds


LEVELS = (
    "CONTEXT", "TOO FEW IMAGES", "MODEL WARNING", "WATCH", "COLLATERAL", "SUSPICIOUS", "HIDDEN", "CONFIRMED",
)  # fmt: skip
"""Severity of a finding, weakest first (docs/science.md#levels).

CONTEXT looks at the background without depending on it. TOO FEW IMAGES names classes that could not be tested.
MODEL WARNING doubts the maps or masks of this audit, not a class. WATCH is the most that attention alone can reach:
maps are triage. COLLATERAL is a victim of another class's cue. SUSPICIOUS needs a paired intervention, HIDDEN is the
same without a trace in the heatmaps, CONFIRMED also has a cue that moves the prediction.
"""

CONTEXT, DOUBT, COLLATERAL = "CONTEXT", "MODEL WARNING", "COLLATERAL"

FAILS_FROM = "SUSPICIOUS"
"""Lowest level of a finding that fails the gate, unless gate.toml says otherwise."""

NO_RELIANCE, NOT_JUDGED = "NO RELIANCE SHOWN", "NOT JUDGED"
"""What stands where a level would: nothing was found, or reliance on the background could not be tested at all."""

MOST_IDS = 200
"""Image ids kept per outcome; the tables hold them all."""

FOUND, PASSED, NOT_APPLICABLE, IGNORED = "found", "passed", "not applicable", "ignored"
STATUSES = (FOUND, PASSED, NOT_APPLICABLE, IGNORED)


@dataclass(frozen=True)
class RuleOutcome:
    """What one rule says about one subject.

    Attributes:
        code: stable rule code (BA1xx attention, BA2xx reliance, BA9xx health of the audit).
        title: the rule in a few words.
        scope: "dataset", "class" or "image" (image rules report once per class, with image_ids).
        subject: class name, or "" for the whole data set.
        status: one of STATUSES.
        level: one of LEVELS when found, else None.
        sentence: what was done and what happened, or why the rule could not judge, in plain words.
        measured, threshold: the number judged and the bound, in the same unit.
        low, high: confidence interval of `measured`.
        n: images (photos, never composites) behind the number.
        p_value: after correction for the number of classes, where a test was made.
        image_ids: images that show it, most telling first.
        evidence: further numbers, by column name.
        reason_code: why the rule could not judge, see `checks.reasons`; "" where it judged, and in older runs.
    """

    code: str
    title: str
    scope: str
    subject: str
    status: str
    sentence: str
    level: str | None = None
    measured: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    p_value: float | None = None
    image_ids: tuple[str, ...] = ()
    evidence: dict[str, float | int | str | None] = field(default_factory=dict)
    reason_code: str = ""

    @property
    def found(self) -> bool:
        """Whether the rule found what it looks for."""
        return self.status == FOUND

    @property
    def passed(self) -> bool:
        """Whether the rule judged, and found nothing."""
        return self.status == PASSED

    @property
    def judged(self) -> bool:
        """Whether the rule could judge its subject."""
        return self.status in (FOUND, PASSED)

    @property
    def ignored(self) -> bool:
        """Whether the rule was left out on request."""
        return self.status == IGNORED


@dataclass(frozen=True)
class RuleCount:
    """How many subjects a rule judged, and how: what was not judged is never counted as passed."""

    code: str
    title: str
    scope: str
    judged: int
    passed: int
    found: int
    not_judged: int


def not_applicable(rule: Rule, scope: str, subject: str, reason: str, reason_code: str) -> RuleOutcome:
    """The outcome of a rule that could not judge this subject, and why: in words, and as a code of `checks.reasons`."""
    return RuleOutcome(rule.code, rule.title, scope, subject, NOT_APPLICABLE, reason, reason_code=reason_code)


def answered(
    rule: Rule, scope: str, subject: str, found: bool, level: str | None, sentence: str, **numbers: Any
) -> RuleOutcome:
    """The outcome of a rule that judged this subject.

    Args:
        rule, scope, subject: of whom.
        found: whether the rule found what it looks for.
        level: one of LEVELS, of what is found; not used where nothing is.
        sentence: what was done and what happened.
        numbers: further fields of the outcome.
    """
    status = FOUND if found else PASSED
    return RuleOutcome(rule.code, rule.title, scope, subject, status, sentence, level if found else None, **numbers)


def number(value: Any) -> float | None:
    """A finite float, or None for everything else: None, NaN, pandas' NA, infinity, text."""
    try:
        known = as_float(value)
    except ValueError:
        return None
    return known if math.isfinite(known) else None


def as_float(value: Any, missing: float = float("nan")) -> float:
    """A float, or `missing` for None, NaN and pandas' NA."""
    try:
        converted = float(value)
    except TypeError:  # None and NA
        return missing
    return missing if math.isnan(converted) else converted


def visible(value: Any) -> bool:
    """Whether an effect is one at two decimals; what rounds to nothing is no clause of a sentence."""
    return abs(as_float(value, 0)) >= 0.005


def relies(row: pd.Series, bounds: Thresholds) -> bool:
    """Whether the background gap of a class is significant after correction and large enough to matter.

    Args:
        row: of the table `classes`.
        bounds: thresholds of the rules.
    """
    return as_float(row["p_fdr"], 1) <= bounds.fdr and as_float(row["background_gap"], 0) >= bounds.min_gap


def second_fill_agrees(row: pd.Series, bounds: Thresholds) -> bool:
    """Whether the gap under the second fill is as large as the effect floor, with an interval that excludes 0."""
    return as_float(row["background_gap_second_fill"], 0) >= bounds.min_gap and as_float(row["second_fill_low"], 0) > 0
