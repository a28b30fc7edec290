"""What the outcomes of all rules mean together: the level of an audit, and which findings fail a gate by default."""

from __future__ import annotations

from collections.abc import Sequence

from bias_audit.checks.outcomes import COLLATERAL, DOUBT, FAILS_FROM, LEVELS, NO_RELIANCE, NOT_JUDGED, RuleOutcome
from bias_audit.checks.registry import with_role


def fails_by_default(outcome: RuleOutcome) -> bool:
    """Whether an outcome fails a gate without a gate.toml. Image rules name photos worth a look, and never do."""
    if not outcome.found or outcome.scope == "image":
        return False
    level = outcome.level or LEVELS[0]
    if level == DOUBT and outcome.code in with_role("doubts the input", "doubts the maps"):
        return True
    return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(FAILS_FROM)


def overall_level(outcomes: Sequence[RuleOutcome]) -> str:
    """The one level of an audit: that of its highest finding which fails the gate, else of a victim of another class.

    What is only worth a look (WATCH) is no level of the whole: it would stand beside "no reliance was shown". Silence
    is no acquittal: without reliance tested nothing was shown at all.
    """
    found = [outcome for outcome in outcomes if outcome.found]
    reliance = with_role("tests reliance")
    victims = [outcome for outcome in found if outcome.code in reliance and outcome.level == COLLATERAL]
    levels = [outcome.level or LEVELS[0] for outcome in (*filter(fails_by_default, found), *victims)]
    if levels:
        return max(levels, key=lambda level: LEVELS.index(level) if level in LEVELS else len(LEVELS))
    tested = any(outcome.judged and outcome.code in reliance for outcome in outcomes)
    return NO_RELIANCE if tested else NOT_JUDGED


def failed_map_tests(outcomes: Sequence[RuleOutcome]) -> list[str]:
    """Reliability tests that the heatmaps of a run failed; then nothing that is made of them says anything."""
    codes = with_role("doubts the maps")
    return [outcome.subject for outcome in outcomes if outcome.found and outcome.code in codes]
