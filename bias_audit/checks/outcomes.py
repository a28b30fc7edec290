"""Outcomes of rules: what a rule says about a subject, the levels of severity, and helpers that all rules use.

Imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bias_audit.run.quantities import beside_bound, bound, quantity

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.checks.base import Rule
    from bias_audit.config import Thresholds

    ClassRow = Mapping[str, Any] | pd.Series
    """A row of the table `classes`, column name -> value; from the table, or from audit.json."""


LEVELS = (
    "CONTEXT", "TOO FEW IMAGES", "MODEL WARNING", "WATCH", "COLLATERAL", "SUSPICIOUS", "HIDDEN", "CONFIRMED",
)  # fmt: skip
"""Severity of a finding, weakest first (docs/science.md#levels).

- CONTEXT: the heatmaps lie on the background, but by its upper limit the prediction hardly depends on it; or a cue
  that a reviewer judged legitimate.
- TOO FEW IMAGES: classes that could not be tested.
- MODEL WARNING: doubt about the inputs, heatmaps or masks of this audit, not about a class.
- WATCH: worth a look; attention alone never reaches more, nor does a background gap that can be laid to nobody.
- COLLATERAL: the class is a victim of another class's cue, and that class is found.
- SUSPICIOUS: a paired intervention shows that the prediction depends on a cue.
- HIDDEN: as SUSPICIOUS, but the heatmaps lie mostly on the object, or cannot show the cue.
- CONFIRMED: as SUSPICIOUS, and a cue was found that moves the prediction.
"""

CONTEXT, DOUBT, WATCH, COLLATERAL = "CONTEXT", "MODEL WARNING", "WATCH", "COLLATERAL"

FAILS_FROM = "SUSPICIOUS"
"""Lowest level of a finding that fails the gate, unless gate.toml says otherwise."""

NO_RELIANCE, FILLS_PICTURE, NOT_JUDGED = "NO RELIANCE SHOWN", "OBJECT FILLS THE PICTURE", "NOT JUDGED"
NO_LEVELS = (NO_RELIANCE, FILLS_PICTURE, NOT_JUDGED)
"""Shown in place of a level: reliance was tested and nothing found; there is no background that a prediction could rest
on; or reliance could not be tested at all."""

MOST_IDS = 200
"""Largest number of image ids that an outcome keeps; the tables hold all."""

FOUND, PASSED, NOT_APPLICABLE, IGNORED = "found", "passed", "not applicable", "ignored"
STATUSES = (FOUND, PASSED, NOT_APPLICABLE, IGNORED)


@dataclass(frozen=True)
class RuleOutcome:
    """The outcome of one rule for one subject.

    Attributes:
        code: stable rule code (BA1xx attention, BA2xx reliance, BA3xx cues, BA4xx data, BA9xx health of the audit).
        title: the rule in a few words.
        scope: a `base.Scope`; image rules report once per class, with image_ids.
        subject: name of the class, slice column, cue or test; "" for the whole data set.
        status: one of STATUSES.
        level: one of LEVELS when found, else None.
        sentence: what was done and what happened, or why the rule could not judge, in plain words.
        measured, threshold: the number judged and the bound, in the unit of `Rule.measures`.
        low, high: 95 % confidence interval of `measured`.
        n: images (photos, never composites) behind the number.
        p_value: p of the test, corrected for the number of tests made; None where none was made.
        image_ids: ids of images that show the finding, most telling first, at most MOST_IDS.
        evidence: further numbers, by column name.
        reason_code: why the rule could not judge, see `checks.reasons`, or why a finding is lower than its numbers
            would make it; "" else, and in older runs.
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


def class_of(outcome: RuleOutcome) -> str:
    """Name of the class that an outcome is about; "" where it is about none."""
    if outcome.scope in ("class", "image"):
        return outcome.subject
    return str(outcome.evidence.get("class_name") or "")


@dataclass(frozen=True)
class RuleCount:
    """How many subjects a rule judged, passed and found; a subject that was not judged never counts as passed."""

    code: str
    title: str
    scope: str
    judged: int
    passed: int
    found: int
    not_judged: int


def count(outcomes: Sequence[RuleOutcome]) -> tuple[RuleCount, ...]:
    """For each rule, how many subjects were judged, passed, found, and not judged."""
    counts = []
    for code in dict.fromkeys(outcome.code for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.code == code]
        passed = sum(outcome.passed for outcome in own)
        found = sum(outcome.found for outcome in own)
        counts.append(
            RuleCount(code, own[0].title, own[0].scope, passed + found, passed, found, len(own) - passed - found)
        )
    return tuple(counts)


def not_applicable(rule: Rule, scope: str, subject: str, reason: str, reason_code: str) -> RuleOutcome:
    """The outcome of a rule that could not judge this subject.

    Args:
        rule, scope, subject: the rule, the kind of subject and its name.
        reason: why the rule could not judge, as a sentence.
        reason_code: code of `checks.reasons`, or a status of images.
    """
    return RuleOutcome(rule.code, rule.title, scope, subject, NOT_APPLICABLE, reason, reason_code=reason_code)


def answered(
    rule: Rule, scope: str, subject: str, found: bool, level: str | None, sentence: str, **numbers: Any
) -> RuleOutcome:
    """The outcome of a rule that judged this subject.

    Args:
        rule, scope, subject: the rule, the kind of subject and its name.
        found: whether the rule found what it looks for.
        level: one of LEVELS; ignored where nothing was found.
        sentence: what was done and what happened.
        numbers: further fields of `RuleOutcome`.
    """
    status = FOUND if found else PASSED
    return RuleOutcome(rule.code, rule.title, scope, subject, status, sentence, level if found else None, **numbers)


def number(value: Any) -> float | None:
    """The value as a finite float; None for None, NaN, pandas' NA, infinity and text that is no number."""
    try:
        known = as_float(value)
    except ValueError:
        return None
    return known if math.isfinite(known) else None


def as_float(value: Any, missing: float = float("nan")) -> float:
    """The value as a float; `missing` for None, NaN and pandas' NA.

    Raises:
        ValueError: the value is text that is no number.
    """
    try:
        converted = float(value)
    except TypeError:  # None and NA
        return missing
    return missing if math.isnan(converted) else converted


def visible(value: Any) -> bool:
    """Whether an effect is not 0.00 when rounded to two decimals; sentences leave out smaller effects."""
    return abs(as_float(value, 0)) >= 0.005


def not_excluded(what: str, high: Any, unit: str, n: int | None, of: str = "photos", where: str = "") -> str:
    """What a negative leaves open: the upper limit of what was measured, which could still be there.

    Args:
        what: what was looked for, with its article: "a gap".
        high: upper end of its 95 % interval; None or NaN where there is none.
        unit: unit of what was measured, as in `Rule.measures`.
        n: number of photos behind it; None = it is not said.
        of: what is counted.
        where: the subject with this limit, where several were judged; "" = it is not said.

    Returns:
        a sentence.
    """
    seen = "" if n is None else f"with {n} {of} "
    known = number(high)
    if known is None:
        said = f"{seen}nothing tells how large {what} could still be."
    elif known < 0.005:  # nothing when rounded
        said = f"{seen}{what} of {quantity(0.01, unit)} or more is excluded."
    else:
        said = f"{seen}{what} of up to {quantity(known, unit)} cannot be excluded."
    named = f" ({where})" if where else ""
    return f"{said[:1].upper()}{said[1:-1]}{named}."


def cue_proven(effect: Any, low: Any, bounds: Thresholds) -> bool:
    """Whether the effect of a cue on the probability is certain enough to convict.

    An effect below `clear_cue` is where its lower limit is above `min_cue`.

    Args:
        effect: the effect, which counts by itself (significant, at least `min_cue`).
        low: lower end of its 95 % interval; None or NaN where there is none.
        bounds: thresholds of the rules.
    """
    return as_float(effect, 0) >= bounds.clear_cue or as_float(low, -1) > bounds.min_cue


def small_effect(low: Any, bounds: Thresholds) -> str:
    """Why an effect of a cue that is not `cue_proven` convicts nobody, as a sentence."""
    return (
        f"An effect below {bound(bounds.clear_cue, 'points')} accuses nobody unless its lower limit is above "
        f"{bound(bounds.min_cue, 'points')}; here it is {beside_bound(number(low), bounds.min_cue, 'points')}. More "
        "photos would tell."
    )
