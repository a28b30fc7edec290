"""What a repair did, read off three audits of the same photos: before, control and after.

The control is the same refit on the training photos as they are. What it does too is no merit of the composites.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bias_audit.checks.outcomes import RuleOutcome, number
from bias_audit.checks.registry import find_rule
from bias_audit.compare.compared import GONE, KNOWN, NEW, Comparison, compare
from bias_audit.compare.measures import BETTER, NO_DIFFERENCE, WORSE, Change
from bias_audit.repair.evidence import accusing, strong
from bias_audit.run.identity import subject_title
from bias_audit.run.quantities import interval, p_value, quantity, signed, span
from bias_audit.run.result import AuditResult

REPAIRED, IMPROVED, NOT_REPAIRED, NOTHING = "repaired", "improved", "not repaired", "nothing to repair"

WHAT_THEN = (
    "Train deeper layers, too, on images of `bias-audit review RUN --next DIR`, or collect photos of the class in "
    "other places."
)

LIMITS = (
    "A last layer can only use what the features before it hold.",
    "Composites are not real photos: a new test set, of places that nobody has trained on, is the better proof.",
    "The refit saw holes filled in other ways (pieces of the background, repeated strips) than those that the gaps are "
    "read on (grown from the border, blur and noise).",
)
"""What a reader of the page must know."""


@dataclass(frozen=True)
class Proof:
    """The three audits, and what they say together.

    Attributes:
        before, control, after: the runs.
        to_control, to_after: comparisons of the run before with the two others.
        verdict: one of REPAIRED, IMPROVED, NOT_REPAIRED; NOTHING where the run before proved nothing.
        sentence: the verdict in a sentence or two.
    """

    before: AuditResult
    control: AuditResult
    after: AuditResult
    to_control: Comparison
    to_after: Comparison
    verdict: str
    sentence: str


def prove(before: AuditResult, control: AuditResult, after: AuditResult) -> Proof:
    """Read what a repair did off the three audits.

    Raises:
        ResultError: a table of one of them is damaged.
    """
    to_control, to_after = compare(before, control), compare(before, after)
    verdict, sentence = judged(before, after, to_after)
    return Proof(before, control, after, to_control, to_after, verdict, sentence)


def judged(before: AuditResult, after: AuditResult, changes: Comparison) -> tuple[str, str]:
    """(verdict, sentences on it) of a repair.

    Repaired: no finding above WATCH accuses the model any more, and accuracy is not shown to be lower. Improved: at
    least one such finding is gone or better, none is new or worse, and accuracy is not shown to be lower.
    """
    left = accusing(after.outcomes)
    accuracy = accuracy_of(changes)
    lower = accuracy is not None and accuracy.verdict == WORSE  # by its test, and by its interval
    own = [each for each in changes.findings if accusing([each.outcome]) or (each.old and accusing([each.old]))]
    gained = [each for each in own if each.kind == GONE or (each.kind == KNOWN and each.state == BETTER)]
    gained += [each for each in own if each.kind == KNOWN and each.state != BETTER and not strong(each.outcome)]
    fresh = [each for each in own if each.kind == NEW and strong(each.outcome)]
    lost = [*fresh, *(each for each in own if each.kind == KNOWN and each.state == WORSE)]
    silent = [each for each in own if each.kind not in (GONE, KNOWN, NEW)]
    told = _accuracy(accuracy)
    if not left and not lower and not accusing(before.outcomes):
        return NOTHING, f"Nothing was proven before, and nothing is after. {told}"
    if not left and not lower and not silent:
        return REPAIRED, f"Repaired: no finding of reliance above WATCH is left. {told}"
    if lower:
        return NOT_REPAIRED, f"Not repaired: the repaired model recognises fewer photos. {told} {WHAT_THEN}"
    if silent and not left:
        codes = ", ".join(sorted({each.outcome.code for each in silent}))
        return NOT_REPAIRED, f"Not shown to be repaired: the new audit could not judge {codes} any more. {told}"
    named = _named(left)
    if gained and not lost:
        return IMPROVED, f"Improved, not repaired: {named} {'are' if len(left) > 1 else 'is'} left. {told} {WHAT_THEN}"
    why = f"{_named([each.outcome for each in lost])} came or grew" if lost else "the features do not know the object"
    return NOT_REPAIRED, f"Not repaired: {why}. {told} {WHAT_THEN}"


def accuracy_of(changes: Comparison) -> Change | None:
    """The change of the accuracy over all photos; None where the runs have too few photos in common."""
    return next((each for each in changes.data if each.measure == "accuracy"), None)


def _accuracy(change: Change | None) -> str:
    if change is None:
        return "The accuracies cannot be compared photo by photo."
    ends = span(change.low, change.high, "points")
    tested = f", {p_value(change.p)} (McNemar)" if math.isfinite(change.p) else ""
    said = f"Accuracy {quantity(change.old, 'share')} before, {quantity(change.new, 'share')} after: "
    return f"{said}{signed(change.difference, 'points')}{f' [{ends}]' if ends else ''}{tested}, {change.n:,} photos."


def _named(outcomes: Sequence[RuleOutcome], most: int = 3) -> str:
    names = [f"{each.code} {subject_title(each)}".strip() for each in outcomes]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


CLASS_ROWS = (
    ("recognised as they are", "accuracy", "accuracy_low", "accuracy_high", "share"),
    ("on backgrounds of its class", "same_background_accuracy", "same_low", "same_high", "share"),
    ("on other backgrounds", "other_background_accuracy", "other_low", "other_high", "share"),
    ("background gap", "background_gap", "gap_low", "gap_high", "points"),
    ("background gap, second fill", "background_gap_second_fill", "second_fill_low", "second_fill_high", "points"),
    ("on real scenes of no class", "scene_background_accuracy", "scene_low", "scene_high", "share"),
    ("loss on real conflicting photos", "conflict_loss", "conflict_low", "conflict_high", "points"),
)
"""What is shown of every class: title, columns of the classes table with value and interval, and unit."""


def class_table(proof: Proof) -> list[dict[str, Any]]:
    """Rows {class, what, unit, cells, values}: a number of each class in the three runs, where one of them has it."""
    rows: list[dict[str, Any]] = []
    tables = [{str(row["class_name"]): row for row in run.class_rows} for run in runs(proof).values()]
    for name in proof.before.info.class_names:
        for title, *columns, unit in CLASS_ROWS:
            found = [_estimate(table.get(name, {}), *columns) for table in tables]
            if any(each[0] is not None for each in found):
                rows.append(
                    {
                        "class": name, "what": title, "unit": unit, "values": found,
                        "cells": [interval(*each, unit) for each in found],
                    }
                )  # fmt: skip
    return rows


def runs(proof: Proof) -> dict[str, AuditResult]:
    """The three runs by what they are called."""
    return {"before": proof.before, "control": proof.control, "after": proof.after}


def finding_table(proof: Proof) -> list[dict[str, Any]]:
    """Rows {code, about, title, levels, measured, state}: every finding of one of the three runs."""
    keys: dict[tuple[str, str], dict[str, RuleOutcome]] = {}
    for name, run in runs(proof).items():
        for outcome in run.found():
            keys.setdefault((outcome.code, subject_title(outcome) or "the data set"), {})[name] = outcome
    states = {}
    for change in proof.to_after.findings:
        states[change.outcome.code, subject_title(change.outcome) or "the data set"] = (change.kind, change.state)
    rows = []
    for (code, about), found in keys.items():
        rule = find_rule(code)
        unit = rule.measures[1] if rule else "number"
        first = next(iter(found.values()))
        rows.append(
            {
                "code": code, "about": about, "title": first.title,
                "levels": [found[name].level or "CONTEXT" if name in found else "" for name in runs(proof)],
                "measured": [
                    interval(number(found[name].measured), found[name].low, found[name].high, unit)
                    if name in found
                    else ""
                    for name in runs(proof)
                ],
                "state": state_in_words(*states.get((code, about), ("", ""))),
            }
        )  # fmt: skip
    return rows


def state_in_words(kind: str, state: str) -> str:
    """What became of a finding: "gone", "new", "known: better"; "" where only the control has it."""
    if not kind:
        return ""
    return f"{kind}: {state}" if state and state != NO_DIFFERENCE else kind


def _estimate(
    row: Mapping[str, Any], value: str, low: str, high: str
) -> tuple[float | None, float | None, float | None]:
    return number(row.get(value)), number(row.get(low)), number(row.get(high))
