"""Section with the targets that reviewers can decide about, and the decisions made so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from bias_audit.checks.outcomes import number
from bias_audit.errors import ResultError
from bias_audit.review.agreement import by_target
from bias_audit.review.decisions import Decision, read_decisions
from bias_audit.review.targets import findings_and_cues
from bias_audit.run.identity import data_of
from bias_audit.run.result import AuditResult

MOST_DECISIONS = 2000
"""Most decisions in the page; each takes about 400 bytes."""


def decide_section(result: AuditResult) -> dict[str, Any]:
    """Data for decisions in the page.

    Returns:
        data: hash of the data set.
        targets: key -> {target_kind, subject, code, measured, low, high} of each finding and recurring cue.
        keys: id of a recurring cue -> its key.
        damage: why the stored decisions cannot be read; "" where they can.
        decisions: the newest standing decisions, at most MOST_DECISIONS.
    """
    targets = findings_and_cues(result)
    # A page must open fast whatever was decided; `bias-audit review` shows everything.
    try:
        made, damage = _newest(read_decisions(result.path)), ""
    except ResultError as error:  # the audit that ends with this page is not to be lost for it
        made, damage = [], error.message
    return {
        "data": data_of(result),
        "targets": {
            key: {
                "target_kind": target.kind,
                "subject": target.subject,
                "code": target.code,
                "measured": number(target.measured),
                "low": number(target.low),
                "high": number(target.high),
            }
            for key, target in targets.items()
        },
        "keys": {target.cue_id: key for key, target in targets.items() if target.cue_id},
        "damage": damage,
        "decisions": [dataclasses.asdict(decision) for decision in made],
    }


def _newest(decisions: Sequence[Decision]) -> list[Decision]:
    """The newest decisions, at most MOST_DECISIONS, with all about a target or none.

    Half of a disagreement would look like a decision.
    """
    targets, kept, count = by_target(decisions), set(), 0
    for key in dict.fromkeys(decision.target_key for decision in reversed(decisions)):
        count += len(targets[key])
        if count > MOST_DECISIONS:
            break
        kept.add(key)
    return [decision for decision in decisions if decision.target_key in kept]
