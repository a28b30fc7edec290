"""Levels of a whole audit: its overall level, and which findings fail the gate by default."""

from __future__ import annotations

from collections.abc import Sequence

from bias_audit.checks.outcomes import (
    COLLATERAL,
    DOUBT,
    FAILS_FROM,
    FILLS_PICTURE,
    LEVELS,
    NO_RELIANCE,
    NOT_JUDGED,
    RuleOutcome,
    class_of,
)
from bias_audit.checks.reasons import FILLS_FRAME, MASKS_IN_DOUBT, NO_READABLE
from bias_audit.checks.registry import with_role


def fails_by_default(outcome: RuleOutcome) -> bool:
    """Whether an outcome fails a gate that has no gate.toml.

    Findings from FAILS_FROM upwards fail, those that would be so high if their masks were not in doubt, and a MODEL
    WARNING about inputs or heatmaps. Image rules name photos worth a look and never fail.
    """
    if not outcome.found or outcome.scope == "image":
        return False
    level = outcome.level or LEVELS[0]
    if level == DOUBT and outcome.code in with_role("doubts the input", "doubts the maps"):
        return True
    if outcome.reason_code == MASKS_IN_DOUBT:
        return True
    return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(FAILS_FROM)


def overall_level(outcomes: Sequence[RuleOutcome]) -> str:
    """The one level of an audit: the highest among findings that fail the gate and COLLATERAL reliance findings.

    Weaker findings such as WATCH do not count here, unless only a doubt about the masks keeps them so low. Without a
    finding that counts the result is NO_RELIANCE where reliance was tested, else NOT_JUDGED: an audit that tested
    nothing must not look like an acquittal. FILLS_PICTURE stands in its place where nothing is missing, for the object
    fills the picture in every class.

    Returns:
        one of LEVELS or NO_LEVELS.
    """
    found = [outcome for outcome in outcomes if outcome.found]
    reliance = with_role("tests reliance")
    victims = [outcome for outcome in found if outcome.code in reliance and outcome.level == COLLATERAL]
    levels = [outcome.level or LEVELS[0] for outcome in (*filter(fails_by_default, found), *victims)]
    if levels:
        return max(levels, key=lambda level: LEVELS.index(level) if level in LEVELS else len(LEVELS))
    if any(outcome.judged and outcome.code in reliance for outcome in outcomes):
        return NO_RELIANCE
    return FILLS_PICTURE if fills_the_picture(outcomes) else NOT_JUDGED


def class_levels(found: Sequence[RuleOutcome]) -> dict[str, str]:
    """Name of each class with a finding -> level of the first of its findings, in the order of `found`.

    Args:
        found: findings, worst first (`AuditResult.found`).
    """
    levels: dict[str, str] = {}
    for outcome in found:
        if name := counts_for(outcome):
            levels.setdefault(name, outcome.level or LEVELS[0])
    return levels


def counts_for(outcome: RuleOutcome) -> str:
    """Name of the class that a finding counts for: on the class, its images or a cue of it; "" for any other.

    A finding on the data as a whole may name the class in which it is strongest, and accuses nobody.
    """
    return "" if outcome.scope == "dataset" else class_of(outcome)


def fills_the_picture(outcomes: Sequence[RuleOutcome]) -> bool:
    """Whether reliance was not tested because the object fills the picture, in every class that has photos."""
    reliance = with_role("tests reliance")
    codes = {outcome.reason_code for outcome in outcomes if outcome.code in reliance} - {NO_READABLE}
    return codes == {FILLS_FRAME}


def failed_map_tests(outcomes: Sequence[RuleOutcome]) -> list[str]:
    """Names of the reliability tests that the heatmaps of a run failed; if any, no number made from them counts."""
    codes = with_role("doubts the maps")
    return [outcome.subject for outcome in outcomes if outcome.found and outcome.code in codes]
