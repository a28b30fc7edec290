"""Judges BA201 of a finished run again from its class table, to find outcomes that cannot have come from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.background.rule import (
    cannot_be_found,
    capped,
    cue_moves_it,
    maps_are_blind,
    passes_alone,
    pulls,
    victim_of_two,
)
from bias_audit.checks.outcomes import COLLATERAL, RuleOutcome, as_float, fills_disagree, relies
from bias_audit.checks.thresholds import Thresholds

CLOSE = 1e-9
"""Largest difference between a number of an outcome and the same number of the class table."""

TESTS_SECOND_FILL = "p_second_fill"
"""Column that runs lack which were judged before the second fill had a test of its own."""


def contradiction(
    code: str, outcomes: Sequence[RuleOutcome], rows: Sequence[Mapping[str, Any]], bounds: Thresholds
) -> str:
    """The first outcome of the rule that the class table contradicts, as a sentence fragment; "" where none does.

    What only the heatmaps decide (whether a class is HIDDEN) is taken as it stands.

    Args:
        code: code of the rule.
        outcomes: outcomes of the run.
        rows: the class table, column name -> value per class.
        bounds: thresholds of the run.
    """
    table = {str(row["class_name"]): _Row(row) for row in rows}
    victim = victim_of_two(list(table.items()), bounds)
    for outcome in outcomes:
        if outcome.code != code or outcome.scope != "class" or outcome.subject not in table:
            continue
        wrong = _wrong(outcome, table[outcome.subject], bounds, victim=outcome.subject == victim)
        if wrong:
            return f"{code} of {outcome.subject!r}: {wrong}"
    return ""


class _Row(dict[str, Any]):
    """A row of the class table, in which a column that is not there is empty."""

    def __missing__(self, column: str) -> None:
        return None


def _wrong(outcome: RuleOutcome, row: Mapping[str, Any], bounds: Thresholds, *, victim: bool) -> str:
    shown = relies(row, bounds)
    if outcome.found and not shown:
        return "found, and the gap of the class table is no finding"
    if outcome.passed and (shown or not math.isfinite(as_float(row["p_fdr"]))):
        return "passed, and the gap of the class table " + ("is a finding" if shown else "was not tested")
    if outcome.passed and cannot_be_found(row, bounds):
        return "passed, and the class table says that it had too few photos"
    doubted = fills_disagree(row) if TESTS_SECOND_FILL in row else not _second_fill_agrees(row, bounds)
    if not outcome.judged:
        return "not judged, and the class table has a finding" if shown and not doubted else ""
    if outcome.found and doubted:
        return "found, and the class table says that the gap may come from the fill"
    pairs = (("measured", "background_gap"), ("p_value", "p_fdr"), ("n", "n_interventions"))
    for name, column in pairs:
        if not abs(as_float(getattr(outcome, name)) - as_float(row[column])) <= CLOSE:
            return f"{name} is {getattr(outcome, name)!r}, {column} of the class table {row[column]!r}"
    if outcome.found and outcome.level not in (levels := _levels(row, bounds, victim=victim)):
        return f"level {outcome.level}, the class table says {' or '.join(levels)}"
    return ""


def _levels(row: Mapping[str, Any], bounds: Thresholds, *, victim: bool) -> tuple[str, ...]:
    """Levels that a finding may have by the class table; two where only the heatmaps tell which."""
    levels = _by_pull(row, bounds, victim=victim)
    return tuple(dict.fromkeys(capped(level, row) for level in levels)) if TESTS_SECOND_FILL in row else levels


def _by_pull(row: Mapping[str, Any], bounds: Thresholds, *, victim: bool) -> tuple[str, ...]:
    if victim or not (pulls(row, bounds) or passes_alone(row, bounds)):
        return (COLLATERAL,)
    if cue_moves_it(row, bounds):
        return ("CONFIRMED",)
    return ("SUSPICIOUS", "HIDDEN") if maps_are_blind(row, bounds) else ("SUSPICIOUS",)


def _second_fill_agrees(row: Mapping[str, Any], bounds: Thresholds) -> bool:
    """Whether a run that has no test of the second fill took its gap for real."""
    return as_float(row["background_gap_second_fill"], 0) >= bounds.min_gap and as_float(row["second_fill_low"], 0) > 0
