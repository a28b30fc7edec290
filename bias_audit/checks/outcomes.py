"""Outcomes of rules: what a rule says about a subject, the levels of severity, and helpers that all rules use.

Imports nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bias_audit.checks.reasons import SHORT
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


def screened(row: ClassRow) -> bool:
    """Whether a class did not get all composites, since the first of them cleared it (docs/science.md#stages)."""
    return row.get("screening") in SHORT


def relies(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class counts (`gap_counts`), and it got all composites.

    The latter fails where a run is judged again by laxer bounds than those that cleared the class.
    """
    return gap_counts(row, bounds) and not screened(row)


def gap_counts(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class is significant after correction and large enough to matter.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    return as_float(row["p_fdr"], 1) <= bounds.fdr and as_float(row["background_gap"], 0) >= bounds.min_gap


def gap_proven(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class is certain enough to accuse somebody of it.

    A gap below `clear_gap` is where its lower limit is above `min_gap`.

    Args:
        row: the class's row of the table `classes`; its gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    return as_float(row["background_gap"], 0) >= bounds.clear_gap or as_float(row["gap_low"], -1) > bounds.min_gap


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


FILL_P = 0.05
"""Level of the sign-flip test of the gap under the second fill: it repeats one test, so it is not corrected."""

FILL_SHARE = 0.5
"""Share of the gap by which that under the second fill must lie lower for the fills to disagree."""


def unfilled(row: ClassRow) -> bool:
    """Whether the backgrounds are real scenes without an object, so that no fill can make the gap.

    Args:
        row: the class's row of the table `classes`.
    """
    return as_float(row.get("n_scenes"), 0) > 0


def second_fill_shows(row: ClassRow) -> bool:
    """Whether the background gap is significant by itself when the donors' holes are filled the second way.

    On real scenes there is no hole, and nothing that a second fill would have to show.

    Args:
        row: the class's row of the table `classes`.
    """
    shown = as_float(row["p_second_fill"], 1) <= FILL_P and as_float(row["background_gap_second_fill"], 0) > 0
    return shown or unfilled(row)


def fills_disagree(row: ClassRow) -> bool:
    """Whether a gap may come from the way of filling the donors' holes, so that nothing can be concluded from it.

    The second fill does not show the gap, and its gap is certainly lower (the 95 % interval of the paired difference
    lies above 0), by at least half of the gap. Not to show a gap is no disagreement: photos may be too few.

    Args:
        row: the class's row of the table `classes`.
    """
    return (
        not second_fill_shows(row)
        and as_float(row["fill_difference_low"], 0) > 0
        and as_float(row["fill_difference"], 0) >= FILL_SHARE * as_float(row["background_gap"])
    )


GROWN_SHARE = 0.5
"""Share of the gap, or of a pull, that must remain for it not to come from what the masks missed: with grown holes, and
without the strongest backgrounds."""


def masks_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class, or its pull, may come from what the masks missed of the objects.

    Either what is missed lies near the objects, and larger holes cover it (`near_parts_in_doubt`), or it lies anywhere,
    in a minority of the photos (`minority_in_doubt`).

    Args:
        row: the class's row of the class table; it says something where the gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    return near_parts_in_doubt(row, bounds) or minority_in_doubt(row, bounds)


def near_parts_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class, or its pull, may come from what the masks missed close to the objects.

    A gap is not in doubt where it is at least half as large on backgrounds with grown holes, with a 95 % interval above
    0, on at least `min_photos` photos, or groups of them; nor is that of a class whose pull stays (`pull_stays`). Never
    in doubt are gaps on real scenes, in which no object stood, and runs made before there were such backgrounds. Of a
    pull see `pull_in_doubt`.

    Args:
        row: the class's row of the table `classes`; it says something where the gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    units = as_float(row["n_units_grown_holes"])
    if math.isnan(units) or unfilled(row):
        return False
    gap, least = as_float(row["background_gap_grown_holes"], -1), as_float(row["grown_holes_low"], -1)
    if units < bounds.min_photos:
        return True
    gone = least <= 0 or gap < GROWN_SHARE * as_float(row["background_gap"], 0)
    return (gone and not pull_stays(row, bounds, "grown_holes")) or pull_in_doubt(row, bounds)


def minority_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether the background gap of a class, or its pull, comes from a minority of the backgrounds.

    A cue of the class stands in most of its backgrounds; a second object that no mask covers stands in some.

    Args:
        row: the class's row of the table `classes`; it says something where the gap counts by `relies`.
        bounds: thresholds of the rules.
    """
    return gap_of_minority(row, bounds) or pull_of_minority(row, bounds)


def gap_of_minority(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether a minority of the backgrounds makes the gap of a class.

    It does not where the gap is at least half as large without the strongest backgrounds (`background.strongest`), with
    a 95 % interval above 0. With few photos that interval is wide, so their number is no condition of its own. Nor does
    it where the pull of the class stays (`pull_stays`): most of its backgrounds then have what pulls. Nothing is said
    of gaps on real scenes and of runs made before this was measured.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    if math.isnan(as_float(row["n_without_strongest"])) or unfilled(row):
        return False
    gap, least = as_float(row["background_gap_without_strongest"], -1), as_float(row["without_strongest_low"], -1)
    gone = least <= 0 or gap < GROWN_SHARE * as_float(row["background_gap"], 0)
    return gone and not pull_stays(row, bounds, "without_strongest")


def pull_of_minority(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether a minority of a class's backgrounds makes its pull on the objects of the others.

    Beside a true culprit the gap of every class stays, for the culprit makes it. So the pull is asked about as well: it
    is certain, less than half of it is left without the strongest backgrounds, and what is left accuses nobody, for it
    is below `min_pull_all` or may be nothing.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    left = as_float(row["attract_without_strongest"])
    certain = as_float(row["attract_without_strongest_low"], 0) > 0 and left >= bounds.min_pull_all
    lost = left < GROWN_SHARE * as_float(row["attract"]) and not certain
    return as_float(row["attract_low"], 0) > 0 and lost and not unfilled(row)


def pull_stays(row: ClassRow, bounds: Thresholds, where: str) -> bool:
    """Whether a class pulls the objects of others elsewhere too, at least half as much as before.

    With grown holes its backgrounds then do so without anything that the masks missed of its objects, and the class is
    to blame however its own gap shrinks. That happens where the larger fill itself resembles the cue: it spares the
    class's objects on all backgrounds alike, and costs those of the others on their own.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
        where: end of the columns of the pull, "grown_holes" or "without_strongest".
    """
    kept = as_float(row[f"attract_{where}"]) >= GROWN_SHARE * as_float(row["attract"])
    return pulls_all(row, bounds) and kept and as_float(row[f"attract_{where}_low"], 0) > 0


def pull_in_doubt(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether what pulls the objects of other classes to a class may be what the masks missed of its own objects.

    Beside a true culprit the gap of every class stays with grown holes, for the culprit makes it. So of a class that
    pulls all others the pull is asked about as well: less than half of it is left, and what is left may be nothing.
    Both, since with many classes few photos show a pull on backgrounds with grown holes.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    lost = as_float(row["attract_grown_holes"]) < GROWN_SHARE * as_float(row["attract"])
    return pulls_all(row, bounds) and lost and as_float(row["attract_grown_holes_low"], 0) <= 0


def pulls_all(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether a class's backgrounds pull the objects of all other classes together, significantly and enough.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    return as_float(row["attract"], 0) >= bounds.min_pull_all and as_float(row["p_attract_fdr"], 1) <= bounds.fdr


def background_convicts(row: ClassRow, bounds: Thresholds) -> bool:
    """Whether BA201 finds the class: its background gap counts, and it does not come from the fill.

    Args:
        row: the class's row of the table `classes`.
        bounds: thresholds of the rules.
    """
    return relies(row, bounds) and not fills_disagree(row)
