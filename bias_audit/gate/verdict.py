"""Turns a finished run into a verdict for continuous integration: thresholds in, rows and an exit code out.

Reads what `result.load` gives and nothing else, so the command starts in a blink: no NumPy, no pandas, no model.
A check ends as one of STATUSES; what could not be judged is never counted as passed.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

from bias_audit.gate.config import KEYS, NO_LEVEL, GateConfig, Key
from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED, STATUSES, GateResult, GateRow
from bias_audit.gate.words import checks, digits
from bias_audit.result import LEVELS, AuditResult, RuleOutcome

_NAMED = 5
"""Failed checks named in the summary sentence; the rows hold all."""

_EQUAL = 1e-9
"""A measured value this close to its threshold equals it: .4 - .3 is no breach of .1."""

Measured = tuple[float | None, float | None, float | None, str]
"""Value, low and high end of its interval, and why the value is missing when it is."""


def judge(result: AuditResult, config: GateConfig) -> GateResult:
    """Hold a run against thresholds.

    Every outcome of a rule is one check, unless its scope has `fail_on = "none"`; every numeric key that is set is
    one check per subject. Findings below `fail_on` pass, and their sentence says so.

    Args:
        result: a finished run.
        config: from `read_gate`.
    """
    rows = [*_rule_rows(result, config), *_number_rows(result, config)]
    rows.sort(key=lambda row: STATUSES.index(row.status))  # stable: rules by code, keys as in KEYS
    failed = [row for row in rows if row.status == FAILED]
    unjudged = sum(row.status == NOT_JUDGED for row in rows)
    judged = len(rows) - unjudged
    passed = not failed and judged > 0 and not (config.require_judged and unjudged)
    summary = _summary(passed, failed, judged, unjudged)
    ignored = sum(outcome.status == "ignored" for outcome in result.outcomes)
    return GateResult(passed, tuple(rows), summary, config, ignored)


# -- judging --------------------------------------------------------------------------------


def _rule_rows(result: AuditResult, config: GateConfig) -> Iterator[GateRow]:
    for outcome in sorted(result.outcomes, key=lambda outcome: (outcome.code, outcome.subject)):
        table = outcome.scope if outcome.scope in ("class", "image") else "dataset"
        fail_on = config.level(table)
        if fail_on == NO_LEVEL or outcome.status == "ignored":
            continue
        status, sentence = _rule_status(outcome, fail_on)
        yield GateRow(
            table,
            outcome.subject,
            outcome.code,
            _number(outcome.measured),
            _number(outcome.low),
            _number(outcome.high),
            _number(outcome.threshold),
            status,
            sentence,
        )


def _rule_status(outcome: RuleOutcome, fail_on: str) -> tuple[str, str]:
    if outcome.status == "found":
        level = outcome.level or LEVELS[0]
        # A level this version does not know is no reason to let it through.
        if level not in LEVELS or LEVELS.index(level) >= LEVELS.index(fail_on):
            return FAILED, f"{level}: {outcome.sentence}"
        return PASSED, f"{level}, below {fail_on}: {outcome.sentence}"
    return (PASSED if outcome.status == "passed" else NOT_JUDGED), outcome.sentence


def _number_rows(result: AuditResult, config: GateConfig) -> Iterator[GateRow]:
    for key in KEYS:
        bound = config.bound(key) if key.kind in ("share", "excess") else None
        if bound is None:
            continue
        if key.table == "dataset":
            yield _compared(key, "", bound, *_DATASET_NUMBERS[key.name](result))
        elif not result.class_rows:
            yield _compared(key, "", bound, None, None, None, "the run lists no classes")
        for row in result.class_rows if key.table != "dataset" else ():
            measured, low, high = _class_numbers(key, row)
            yield _compared(key, str(row.get("class_name", "")), bound, measured, low, high, _reason(key, row))


def _compared(
    key: Key, subject: str, bound: float, measured: float | None, low: float | None, high: float | None, reason: str
) -> GateRow:
    """One number against one bound; the bound itself is allowed."""
    what = key.label[0].upper() + key.label[1:] + (f" of {subject!r}" if subject else "")
    if measured is None:
        sentence = f"{what} was not judged: {reason}."
        return GateRow(key.table, subject, key.name, None, None, None, bound, NOT_JUDGED, sentence)
    above = key.name.startswith("max_")
    breach = measured > bound + _EQUAL if above else measured < bound - _EQUAL
    sentence = f"{what} is {digits(measured)}"
    if low is not None and high is not None:
        sentence += f" (95 % interval {digits(low)} to {digits(high)})"
    sentence += f", {f'at most {digits(bound)} is allowed' if above else f'at least {digits(bound)} is required'}"
    if low is not None and high is not None and low - _EQUAL <= bound <= high + _EQUAL:
        sentence += "; near the threshold: the interval contains it, so the other verdict is possible"
    sentence += "."
    return GateRow(key.table, subject, key.name, measured, low, high, bound, FAILED if breach else PASSED, sentence)


def _class_numbers(key: Key, row: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    if key.name == "max_flagged_share":
        flagged, photos = _number(row.get("n_rests_on_background")), _number(row.get("n_interventions"))
        return (None if flagged is None or not photos else flagged / photos), None, None
    value, low, high, _ = key.columns
    return _number(row.get(value)), _number(row.get(low)), _number(row.get(high))


def _reason(key: Key, row: Mapping[str, Any]) -> str:
    given = row.get(key.columns[3]) if key.columns[3] else None
    if given and given != "ok":
        return str(given)
    return "no image of the class was read" if key.name == "min_accuracy" else "the run holds no such number"


def _accuracy(result: AuditResult) -> Measured:
    """Share of right predictions over all classes.

    The interval recovers each class's variance from its own interval (Zou & Donner 2008, Stat. Med. 27, 1693-1702):
    classes are strata of fixed size, and no second interval formula is needed.
    """
    strata = []
    for row in result.class_rows:
        n, share = _number(row.get("n_read")), _number(row.get("accuracy"))
        if n and share is not None:
            strata.append((n, share, _number(row.get("accuracy_low")), _number(row.get("accuracy_high"))))
    total = sum(n for n, *_ in strata)
    if not total:
        return None, None, None, "no image was read"
    mean = sum(n * share for n, share, *_ in strata) / total
    below = above = 0.0
    for n, share, low, high in strata:
        if low is None or high is None:
            return mean, None, None, ""
        below += (n / total * (share - low)) ** 2
        above += (n / total * (high - share)) ** 2
    return mean, max(0.0, mean - math.sqrt(below)), min(1.0, mean + math.sqrt(above)), ""


def _unreadable(result: AuditResult) -> Measured:
    return _missing_share(result, "read", "images", "no image was found")


def _without_mask(result: AuditResult) -> Measured:
    return _missing_share(result, "with_mask", "read", "no image was read")


def _missing_share(result: AuditResult, part: str, whole: str, reason: str) -> Measured:
    """How much of `whole` is not `part`: counted, not sampled, so without interval."""
    counts = result.info.counts
    absent = [name for name in (part, whole) if name not in counts]
    if absent:
        return None, None, None, f"the run holds no count {absent[0]!r}"
    total = counts[whole]
    return ((total - counts[part]) / total if total else None), None, None, reason


_DATASET_NUMBERS = {
    "min_accuracy": _accuracy,
    "max_unreadable_share": _unreadable,
    "max_without_mask_share": _without_mask,
}


def _number(value: Any) -> float | None:
    """A finite number, NumPy's included, or None: tables write missing values as NaN or null."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        return None
    return float(value)


# -- words and files ------------------------------------------------------------------------


def _summary(passed: bool, failed: list[GateRow], judged: int, unjudged: int) -> str:
    left = f"; {unjudged} could not be judged" if unjudged else ""
    if passed:
        return f"Gate passed: {checks(judged)} passed{left}."
    if failed:
        named = [f"{row.subject}: {row.check}" if row.subject else row.check for row in failed[:_NAMED]]
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return f"Gate failed: {len(failed)} of {checks(judged)} failed ({', '.join(named)}{more}){left}."
    if judged:
        return f"Gate failed: {checks(unjudged)} could not be judged and require_judged is set; {judged} passed."
    return f"Gate failed: nothing could be judged ({checks(unjudged)} tried)."
