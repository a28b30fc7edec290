"""What a repair did, read off three audits of the same photos: before, control and after.

The control is the same refit on the training photos as they are. What it does too is no merit of the composites.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bias_audit.checks.outcomes import COLLATERAL, RuleOutcome, class_of, number
from bias_audit.checks.registry import find_rule
from bias_audit.compare.compared import GONE, KNOWN, NEW, UNJUDGED, Comparison, FindingChange, compare
from bias_audit.compare.measures import BETTER, NO_DIFFERENCE, WORSE, Change
from bias_audit.repair.evidence import REGIONS, RULES, accusing, strong
from bias_audit.repair.retest import AFTER, ERASED, PASTED, Retest
from bias_audit.run.identity import subject_title
from bias_audit.run.quantities import interval, p_value, quantity, signed, span
from bias_audit.run.result import AuditResult

REPAIRED, IMPROVED, NOT_REPAIRED, NOTHING = "repaired", "improved", "not repaired", "nothing to repair"

Estimate = tuple[float | None, float | None, float | None]
"""A number and the ends of its interval; None = there is none."""

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
        retests: cues and regions that convicted before, tested again on the three models.
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
    retests: tuple[Retest, ...] = ()


def prove(
    before: AuditResult,
    control: AuditResult,
    after: AuditResult,
    retests: Sequence[Retest] = (),
    legitimate: Sequence[RuleOutcome] = (),
) -> Proof:
    """Read what a repair did off the three audits, and off the tests of what convicted.

    Args:
        before, control, after: the runs.
        retests: cues and regions that convicted before, tested again.
        legitimate: findings of the run before that reviewers called legitimate context: nothing was done about them.

    Raises:
        ResultError: a table of one of them is damaged.
    """
    to_control, to_after = compare(before, control), compare(before, after)
    verdict, sentence = judged(before, after, to_after, retests, legitimate)
    return Proof(before, control, after, to_control, to_after, verdict, sentence, tuple(retests))


def judged(
    before: AuditResult,
    after: AuditResult,
    changes: Comparison,
    retests: Sequence[Retest] = (),
    legitimate: Sequence[RuleOutcome] = (),
) -> tuple[str, str]:
    """(verdict, sentences on it) of a repair; arguments as of `prove`.

    Repaired: no finding above WATCH accuses the model any more, neither in the audit nor tested again, and accuracy is
    not shown to be lower. Improved: at least one such finding is gone or better, none is new or worse, and accuracy is
    not shown to be lower.
    """
    tests = {_key(each.finding): each for each in retests if each.known}
    excused = [each for each in changes.findings if each.old and _key(each.old) in set(map(_key, legitimate))]
    spared = [id(each.outcome) for each in excused]
    own = [each for each in changes.findings if each not in excused]
    own = [each for each in own if accusing([each.outcome]) or (each.old and accusing([each.old]))]
    left = [each for each in accusing(after.outcomes) if id(each) not in spared]
    left += [each.old for each in own if each.old and _untouched(each, tests)]
    accuracy = accuracy_of(changes)
    lower = accuracy is not None and accuracy.verdict == WORSE  # by its test, and by its interval
    fates = [(each, _fate(each, tests)) for each in own]
    gained = [each for each, fate in fates if fate == BETTER]
    lost = [each for each, fate in fates if fate == WORSE]
    silent = [each for each, fate in fates if fate == UNJUDGED]
    told = " ".join(filter(None, (_accuracy(accuracy), _again(retests))))
    if not left and not lower and not accusing(before.outcomes):
        return NOTHING, f"Nothing was proven before, and nothing is after. {told}"
    if not left and not lower and not silent:
        return REPAIRED, f"Repaired: no finding of reliance above WATCH is left. {told}"
    if lower:
        cleared = "" if left or silent else "nothing accuses it any more, but "
        where = _where_lost(changes, {class_of(each) for each in accusing(before.outcomes) if each.level != COLLATERAL})
        told = f"{cleared}the repaired model recognises fewer photos. {told} {where}"
        return NOT_REPAIRED, f"Not repaired: {told} {WHAT_THEN}"
    if silent and not left:
        codes = ", ".join(sorted({each.outcome.code for each in silent}))
        return NOT_REPAIRED, f"Not shown to be repaired: the new audit could not judge {codes} any more. {told}"
    named = _named(left)
    if gained and not lost:
        return IMPROVED, f"Improved, not repaired: {named} {'are' if len(left) > 1 else 'is'} left. {told} {WHAT_THEN}"
    why = f"{_named([each.outcome for each in lost])} came or grew" if lost else "the features do not know the object"
    return NOT_REPAIRED, f"Not repaired: {why}. {told} {WHAT_THEN}"


def _key(outcome: RuleOutcome) -> tuple[str, str]:
    return outcome.code, outcome.subject


def _untouched(change: FindingChange, tests: Mapping[tuple[str, str], Retest]) -> bool:
    """Whether what convicted before would convict again, though the new audit does not say so."""
    test = tests.get(_key(change.old)) if change.old else None
    return test is not None and test.left and not (change.kind == KNOWN and strong(change.outcome))


def _fate(change: FindingChange, tests: Mapping[tuple[str, str], Retest]) -> str:
    """BETTER, WORSE, UNJUDGED or NO_DIFFERENCE: what became of a finding that accuses the model, now or before."""
    if change.kind == NEW:
        return WORSE if strong(change.outcome) else NO_DIFFERENCE
    if change.kind == KNOWN and (strong(change.outcome) or change.state == WORSE):
        return change.state
    test = tests.get(_key(change.old)) if change.old else None
    if test is not None:
        return BETTER if test.fell or not test.left else NO_DIFFERENCE
    # No audit looks for a region that was drawn: that it does not speak of it is no answer.
    unasked = change.kind == GONE and RULES.get(change.outcome.code) == REGIONS
    return UNJUDGED if unasked or change.kind == UNJUDGED else BETTER


def _where_lost(changes: Comparison, accused: set[str]) -> str:
    """Sentence on the photos that the model recognises no more: how many are of classes that were accused before.

    Victims of another class's cue are not accused.
    """
    old, new = (pairs["correct"].fillna(False).to_numpy(bool) for pairs in (changes.pairs.old, changes.pairs.new))
    lost = old & ~new
    own = int((lost & changes.pairs.old["label"].isin(accused).to_numpy(bool)).sum())
    return (
        f"{int(lost.sum()):,} photos were lost and {int((new & ~old).sum()):,} won; {own:,} of the lost are of classes "
        "that were accused before."
    )


def _again(retests: Sequence[Retest]) -> str:
    """A sentence on the cue or region with the largest effect after, of those that were tested again; "" = none was."""
    known = [each for each in retests if each.known]
    if not known:
        return ""
    worst = max(known, key=lambda each: at.mean if (at := each.test(AFTER)) is not None else 0.0)
    how = "pasted onto photos of other classes, raises" if worst.by == PASTED else "erased, lowers"
    found = [(name, at) for name in worst.effects if (at := worst.test(name)) is not None]
    cells = [f"{interval(at.mean, at.low, at.high, 'points')} {WHEN.get(name, name)}" for name, at in found]
    more = f"; the table has {len(known) - 1} more" if len(known) > 1 else ""
    what = f"the probability of {worst.class_name} by {_listed(cells)}{more}"
    return f"On the same pictures {worst.title}, {how} {what}."


WHEN = {"control": "in the control"}
"""A model that was tested again, in a sentence."""


def _listed(cells: Sequence[str]) -> str:
    return f"{', '.join(cells[:-1])} and {cells[-1]}" if len(cells) > 1 else "".join(cells)


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
                rows.append(_row(name, title, unit, found))
        rows += [row for each in proof.retests if each.class_name == name for row in _retest_rows(each, runs(proof))]
    return rows


def _retest_rows(retest: Retest, names: Iterable[str]) -> list[dict[str, Any]]:
    """The same of a cue or region that was tested again."""
    rows: list[dict[str, Any]] = []
    effects = [retest.effects.get(name) for name in names]
    for test in (PASTED, ERASED):
        found = [each.tests.get(test) if each else None for each in effects]
        if any(found):
            values: list[Estimate] = [(at.mean, at.low, at.high) if at else (None, None, None) for at in found]
            rows.append(_row(retest.class_name, f"{retest.title}, {test}", "points", values))
    turned: list[Estimate] = [(number(each.turned) if each else None, None, None) for each in effects]
    if any(each[0] is not None for each in turned):
        what = f"photos of other classes that {retest.title} turns"
        rows.append(_row(retest.class_name, what, "share", turned))
    return rows


def _row(name: str, what: str, unit: str, values: list[Estimate]) -> dict[str, Any]:
    cells = [interval(*each, unit) for each in values]
    return {"class": name, "what": what, "unit": unit, "values": values, "cells": cells}


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
    tested = {_key(each.finding): each for each in proof.retests if each.known}
    rows = []
    for (code, about), found in keys.items():
        rule = find_rule(code)
        unit = rule.measures[1] if rule else "number"
        first = next(iter(found.values()))
        state = state_in_words(*states.get((code, about), ("", "")))
        if (test := tested.get(_key(first))) is not None:
            state = f"{state}; tested again: {'still there' if test.left else 'gone'}"
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
                "state": state,
            }
        )  # fmt: skip
    return rows


def state_in_words(kind: str, state: str) -> str:
    """What became of a finding: "gone", "new", "known: better"; "" where only the control has it."""
    if not kind:
        return ""
    return f"{kind}: {state}" if state and state != NO_DIFFERENCE else kind


def _estimate(row: Mapping[str, Any], value: str, low: str, high: str) -> Estimate:
    return number(row.get(value)), number(row.get(low)), number(row.get(high))
