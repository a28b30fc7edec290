"""Judges BA201 of a finished run again from its class table, to find outcomes that cannot have come from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bias_audit.checks.background.rule import cannot_be_found, capped
from bias_audit.checks.culprits import (
    UNKNOWN,
    blamed_themselves,
    cue_moves_it,
    maps_are_blind,
    needs_its_own,
    to_blame,
)
from bias_audit.checks.outcomes import COLLATERAL, WATCH, RuleOutcome, as_float
from bias_audit.checks.reasons import MASKS_IN_DOUBT
from bias_audit.checks.reliance import fills_disagree, gap_proven, masks_in_doubt, relies
from bias_audit.checks.thresholds import Thresholds

CLOSE = 1e-9
"""Largest difference between a number of an outcome and the same number of the class table."""


def contradiction(
    code: str,
    outcomes: Sequence[RuleOutcome],
    rows: Sequence[Mapping[str, Any]],
    bounds: Thresholds,
    *,
    estimated: bool = False,
) -> str:
    """The first outcome of the rule that the class table contradicts, as a sentence fragment; "" where none does.

    What only the heatmaps decide (whether a class is HIDDEN), and only the gap matrix (who pulls the objects of a class
    that is not to blame itself), is taken as it stands.

    Args:
        code: code of the rule.
        outcomes: outcomes of the run.
        rows: the class table, column name -> value per class.
        bounds: thresholds of the run.
        estimated: whether some masks are estimates, under which a level may have been lowered
            (`mask_quality.rule.marked`).
    """
    table = {str(row["class_name"]): _Row(row) for row in rows}
    all_rows = list(table.items())
    blamed = set(blamed_themselves(all_rows, bounds))
    doubted = set(to_blame(all_rows, bounds)) - blamed
    for outcome in outcomes:
        if outcome.code != code or outcome.scope != "class" or outcome.subject not in table:
            continue
        row = table[outcome.subject]
        needy = (
            outcome.found
            and outcome.subject not in blamed | doubted
            and needs_its_own(outcome.subject, all_rows, bounds)
        )
        wrong = _wrong(outcome, row, bounds) or _wrong_level(
            outcome, row, bounds, blamed, doubted, needy=needy, estimated=estimated
        )
        if wrong:
            return f"{code} of {outcome.subject!r}: {wrong}"
    return ""


def unnamed_contradiction(code: str, of_classes: str, outcomes: Sequence[RuleOutcome]) -> str:
    """What an outcome about reliance of no known class says against those of the classes; "" for nothing.

    Args:
        code: code of the rule about the data set.
        of_classes: code of the rule about the classes, whose evidence says who is to blame for each.
        outcomes: outcomes of the run; one of the two rules may have been ignored.
    """
    judged = [outcome for outcome in outcomes if outcome.code == of_classes and outcome.judged]
    blamed_on_nobody_known = [outcome.subject for outcome in judged if outcome.evidence.get("blame") in UNKNOWN]
    lowered = all(each.evidence.get("masks_in_doubt") for each in judged if each.evidence.get("blame") == "unnamed")
    for outcome in outcomes:
        if outcome.code == code and not outcome.ignored and judged and outcome.found != bool(blamed_on_nobody_known):
            named = ", ".join(map(repr, blamed_on_nobody_known)) or "no class"
            return f"{code} is {outcome.status!r}, {of_classes} lays the gap of {named} to a class that is not found"
        if outcome.code == code and outcome.found and judged and lowered != (outcome.reason_code == MASKS_IN_DOUBT):
            return f"{code} has the reason {outcome.reason_code!r}, and {of_classes} says otherwise of the masks"
    return ""


class _Row(dict[str, Any]):
    """A row of the class table, in which a column that is not there is empty."""

    def __missing__(self, column: str) -> None:
        return None


def _wrong(outcome: RuleOutcome, row: Mapping[str, Any], bounds: Thresholds) -> str:
    shown = relies(row, bounds)
    if outcome.found and not shown:
        return "found, and the gap of the class table is no finding"
    if outcome.passed and (shown or not math.isfinite(as_float(row["p_fdr"]))):
        return "passed, and the gap of the class table " + ("is a finding" if shown else "was not tested")
    if outcome.passed and cannot_be_found(row, bounds):
        return "passed, and the class table says that it had too few photos"
    doubted = fills_disagree(row)
    if not outcome.judged:
        return "not judged, and the class table has a finding" if shown and not doubted else ""
    if outcome.found and doubted:
        return "found, and the class table says that the gap may come from the fill"
    pairs = (("measured", "background_gap"), ("p_value", "p_fdr"), ("n", "n_interventions"))
    for name, column in pairs:
        if not abs(as_float(getattr(outcome, name)) - as_float(row[column])) <= CLOSE:
            return f"{name} is {getattr(outcome, name)!r}, {column} of the class table {row[column]!r}"
    return ""


def _wrong_level(
    outcome: RuleOutcome,
    row: Mapping[str, Any],
    bounds: Thresholds,
    blamed: set[str],
    doubted: set[str],
    *,
    needy: bool,
    estimated: bool,
) -> str:
    if not outcome.found:
        return ""
    needy = needy and gap_proven(row, bounds)
    either = needy and masks_in_doubt(row, bounds)  # whether its objects are pulled as well only the gap matrix tells
    if not either and (outcome.subject in doubted) != (outcome.reason_code == MASKS_IN_DOUBT):
        so = "are" if outcome.subject in doubted else "are not"
        return f"its reason is {outcome.reason_code!r}, and by the class table its masks {so} in doubt"
    if outcome.subject in doubted:
        return "" if outcome.level == WATCH else f"level {outcome.level}, the class table says {WATCH}"
    itself, others = outcome.subject in blamed, bool(blamed - {outcome.subject})
    levels = _levels(row, bounds, itself=itself, others=others)
    if needy and not either:
        levels += _levels(row, bounds, itself=True, others=others)
    if estimated and outcome.subject in blamed:
        levels = tuple(dict.fromkeys((*levels, "SUSPICIOUS")))
    if outcome.level in levels:
        return ""
    return f"level {outcome.level}, the class table says {' or '.join(levels)}"


def _levels(row: Mapping[str, Any], bounds: Thresholds, *, itself: bool, others: bool) -> tuple[str, ...]:
    """Levels that a finding may have by the class table; two where only heatmaps or gap matrix tell which.

    Args:
        row: the class's row of the class table.
        bounds: thresholds of the run.
        itself: whether the class is to blame for its gap itself.
        others: whether another class is to blame for its own gap, and could be the culprit of this one.
    """
    if not itself:
        return (COLLATERAL, WATCH) if others and gap_proven(row, bounds) else (WATCH,)
    if cue_moves_it(row, bounds):
        return (capped("CONFIRMED", row),)
    return (
        tuple(dict.fromkeys(("SUSPICIOUS", capped("HIDDEN", row)))) if maps_are_blind(row, bounds) else ("SUSPICIOUS",)
    )
