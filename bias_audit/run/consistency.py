"""Checks a run against itself: outcomes, counts, class names and class table of audit.json must tell the same story.

Digests find that a file was changed; this finds what a change, or an error of the program that wrote it, made untrue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bias_audit.checks.levels import overall_level
from bias_audit.checks.outcomes import FILLS_PICTURE, NOT_JUDGED, RuleOutcome, count
from bias_audit.checks.registry import find_rule, known, with_role

if TYPE_CHECKING:
    from bias_audit.run.result import AuditResult


_BEFORE = {FILLS_PICTURE: NOT_JUDGED}
"""Overall level -> what older versions called it."""


def contradiction(result: AuditResult, level: str) -> str:
    """The first contradiction within a run as a sentence fragment; "" where there is none.

    Args:
        result: the run, with values of the right types.
        level: overall level that audit.json names.
    """
    return next((text for text in _all(result, level) if text), "")


def _all(result: AuditResult, level: str) -> Iterator[str]:
    names = set(result.info.class_names)
    yield _classes(result, names)
    for i, outcome in enumerate(result.outcomes):
        if wrong := _outcome(outcome, names):
            yield f"outcomes[{i}] ({outcome.code} {outcome.subject!r}): {wrong}"
    yield _twice(result)
    if tuple(result.rules) != count(result.outcomes):
        yield "the counts per rule are not those of the outcomes"
    # A rule of a check that is not installed may have a role in the level.
    said = overall_level(result.outcomes)
    if all(map(find_rule, {outcome.code for outcome in result.outcomes})) and level not in (said, _BEFORE.get(said)):
        yield f"the level is {level!r}, the outcomes say {said!r}"
    yield _counts(result)
    if result.digests is not None:  # older runs were judged by older rules
        for check in known():
            yield check.contradiction(result)


def _classes(result: AuditResult, names: set[str]) -> str:
    if len(names) != len(result.info.class_names):
        return "a class name stands twice in info.class_names"
    rows = Counter(str(row["class_name"]) for row in result.class_rows)
    if odd := sorted({name for name, n in rows.items() if n > 1} | (names ^ set(rows))):
        return f"class {odd[0]!r} is not listed once in both info.class_names and classes"
    return ""


def _outcome(outcome: RuleOutcome, names: set[str]) -> str:
    if outcome.found != (outcome.level is not None):
        return f"status {outcome.status!r} and level {outcome.level!r} do not go together"
    about = outcome.subject if outcome.scope in ("class", "image") else outcome.evidence.get("class_name")
    return f"there is no class {about!r}" if about and about not in names else ""


def _twice(result: AuditResult) -> str:
    """A second answer about a class, where one of them could be the one that counts."""
    rules = with_role("tests reliance")
    per_class = Counter((each.code, each.subject) for each in result.outcomes if each.code in rules)
    return next((f"{code} has {n} outcomes for {subject!r}" for (code, subject), n in per_class.items() if n > 1), "")


def _counts(result: AuditResult) -> str:
    """Sums over the classes and over the statuses against the counts of images."""
    counts = result.info.counts
    for name, column in (("images", "n"), ("read", "n_read")):
        total = sum(_whole(row, column) for row in result.class_rows)
        if name in counts and any(column in row for row in result.class_rows) and counts[name] != total:
            return f"info.counts.{name} is {counts[name]}, the classes add up to {total}"
    tally = result.info.statuses.get("status")
    if tally and "images" in counts and sum(tally.values()) != counts["images"]:
        return f"info.statuses.status adds up to {sum(tally.values())}, info.counts.images is {counts['images']}"
    return ""


def _whole(row: Mapping[str, Any], column: str) -> int:
    return int(row.get(column) or 0)
