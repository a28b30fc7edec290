"""Decides which findings are accepted by a waiver, and when a waiver no longer holds."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import LEVELS, RuleOutcome, class_of
from bias_audit.checks.registry import find_rule
from bias_audit.gate.settings import GateConfig, Waiver
from bias_audit.gate.words import days, plain
from bias_audit.review.agreement import DISAGREEMENT, by_target, state_of, who_said_what
from bias_audit.review.written import visible
from bias_audit.run.identity import cue_of, finding_id
from bias_audit.run.quantities import quantity, span
from bias_audit.run.result import AuditResult

if TYPE_CHECKING:
    from bias_audit.review.decisions import Decision

WARN_DAYS = 14
"""A waiver is announced when at most so many days are left."""


@dataclass(frozen=True)
class Answer:
    """Whether a finding is accepted, and by which waiver.

    Attributes:
        accepted: whether a waiver holds.
        said: sentence about who accepted the finding, why and until when, or why the waiver does not hold; "" without a
            waiver.
        waiver: the waiver that decided, None where there is none.
    """

    accepted: bool = False
    said: str = ""
    waiver: Waiver | None = None


def answer(
    outcome: RuleOutcome, result: AuditResult, waivers: Sequence[Waiver], config: GateConfig, today: datetime.date
) -> Answer:
    """The answer of the waiver that covers a finding; an empty `Answer` where no waiver does.

    Among several waivers one that holds goes first, then the one that lasts longest.
    """
    answers = [_answer(outcome, waiver, config, today) for waiver in waivers if covers(waiver, outcome, result)]
    return max(answers, key=lambda one: (one.accepted, one.waiver and one.waiver.expires), default=Answer())


def covers(waiver: Waiver, outcome: RuleOutcome, result: AuditResult) -> bool:
    """Whether a waiver is about a finding: by its id, or by equal rule, class and cue."""
    if waiver.finding:
        return waiver.finding == finding_id(outcome, result)
    return (waiver.rule, waiver.class_name, waiver.cue) == (outcome.code, class_of(outcome), cue_of(outcome))


def grown(outcome: RuleOutcome, measured: float | None, low: float | None, high: float | None, level: str) -> str:
    """Text that says how a finding is worse than it was, "" if it is not.

    A finding is worse with a higher level, or with a number beyond the end of the earlier interval. Where there was a
    number but no interval, the finding's own interval must exclude the earlier number.

    Args:
        outcome: the finding as it is now.
        measured, low, high, level: number, interval and level of the earlier finding; None or "" = not known.
    """
    if level in LEVELS and LEVELS.index(outcome.level or LEVELS[0]) > LEVELS.index(level):
        return f"{outcome.level} now, {level} then"
    now = outcome.measured
    if now is None:
        return ""
    rule = find_rule(outcome.code)
    sign = -1 if rule is not None and rule.worse == "low" else 1
    unit = rule.measures[1] if rule is not None else "number"
    ends = [sign * end for end in (low, high) if end is not None]
    if len(ends) == 2:
        if sign * now > max(ends) + 1e-9:
            return f"{quantity(now, unit)} now, {span(low, high, unit)} then"
    elif measured is not None:
        own = [sign * end for end in (outcome.low, outcome.high) if end is not None]
        if min(own, default=sign * now) > sign * measured + 1e-9:
            return f"{quantity(now, unit)} now, {quantity(measured, unit)} then"
    return ""


def _answer(outcome: RuleOutcome, waiver: Waiver, config: GateConfig, today: datetime.date) -> Answer:
    who = f"{plain(waiver.owner)} ({plain(waiver.reason)})"
    if waiver.expires < today:
        return Answer(said=f"The waiver of {who} expired on {waiver.expires}.", waiver=waiver)
    if waiver.since and waiver.since > today:
        said = f"The waiver of {who} is dated {waiver.since}, which is in the future: it does not count yet."
        return Answer(said=said, waiver=waiver)
    life = (waiver.expires - (waiver.since or today)).days
    if life > config.max_days:
        return Answer(
            said=f"The waiver of {who} lasts {days(life)}, until {waiver.expires}; at most {days(config.max_days)} "
            "are allowed.",
            waiver=waiver,
        )
    if worse := grown(outcome, waiver.measured, waiver.low, waiver.high, waiver.level):
        return Answer(said=f"Open again: it is worse than what {who} accepted ({worse}).", waiver=waiver)
    return Answer(True, f"Accepted by {who} until {waiver.expires}.", waiver)


def notes(
    result: AuditResult, waivers: Sequence[Waiver], today: datetime.date, found: Iterable[RuleOutcome]
) -> list[str]:
    """Sentences about waivers that soon end, are dated in the future, or (of the gate file) that no finding needs."""
    said = []
    findings = list(found)
    for waiver in waivers:
        where = f"line {waiver.line}" if waiver.line else "review decision"
        name = f"The waiver of {plain(waiver.owner)} for {plain(waiver.scope)} ({where})"
        left = (waiver.expires - today).days
        if not any(covers(waiver, outcome, result) for outcome in findings):
            if waiver.line:  # decisions are kept with their data, so an unused one is no news
                said.append(f"{name} is unused: this run has no such finding.")
        elif waiver.since and waiver.since > today:
            said.append(f"{name} is dated {waiver.since}, which is in the future: it does not count yet.")
        elif 0 <= left <= WARN_DAYS:
            said.append(f"{name} ends in {days(left)}, on {waiver.expires}.")
    return said


def from_decisions(decisions: Sequence[Decision]) -> tuple[list[Waiver], list[str]]:
    """Waivers made from reviewers' decisions, and sentences about decisions that make none.

    Only the verdict "legitimate context" makes a waiver, if it has note, reviewer, expiry and the day on which it
    was made. Where reviewers disagree on a finding, none of their decisions waives it.
    """
    waivers, said = [], []
    targets = by_target(one for one in decisions if one.target_kind in ("finding", "cue"))
    for one in (one for standing in targets.values() for one in standing):
        if one.verdict != "legitimate context":
            continue
        lacking = [name for name, value in (("note", one.note), ("reviewer", one.reviewer)) if not visible(value)]
        expires, since = _day(one.expires), _day(one.time[:10])
        lacking += [what for what, day in (("expiry", expires), ("day on which it was made", since)) if day is None]
        name = f"The decision of {plain(one.reviewer) or 'nobody'} on {plain(one.subject) or one.target_key}"
        if state_of(targets[one.target_key]) == DISAGREEMENT:
            said.append(f"{name} is no waiver: reviewers disagree ({plain(who_said_what(targets[one.target_key]))}).")
        elif lacking or expires is None:
            said.append(f"{name} is no waiver: it has no {' and no '.join(lacking)}.")
        else:
            measured = (one.measured, one.low, one.high)
            waivers.append(Waiver(one.note, one.reviewer, expires, one.target_key, "", "", "", *measured, "", since))
    return waivers, said


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None
