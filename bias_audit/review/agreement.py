"""Decides whether reviewers agree about a target, for the page, the lists, the exports and the gate alike.

A target is undecided while nobody decided about it, decided where all who did say the same, and else in disagreement,
which is no decision. What counts is each reviewer's latest decision that was not taken back, as
`decisions.read_decisions` gives it. The page applies the same definition in review_state.js (`stateOf`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bias_audit.review.decisions import Decision

UNDECIDED, DECIDED, DISAGREEMENT = "undecided", "decided", "disagreement"


def state_of(standing: Iterable[Decision]) -> str:
    """UNDECIDED, DECIDED or DISAGREEMENT, from the standing decisions about one target."""
    verdicts = {decision.verdict for decision in standing}
    if len(verdicts) > 1:
        return DISAGREEMENT
    return DECIDED if verdicts else UNDECIDED


def by_target(decisions: Iterable[Decision]) -> dict[str, list[Decision]]:
    """Group decisions by target: key of the target -> the decisions about it, in the order given."""
    found: dict[str, list[Decision]] = {}
    for decision in decisions:
        found.setdefault(decision.target_key, []).append(decision)
    return found


def who_said_what(standing: Iterable[Decision]) -> str:
    """Reviewers with their verdicts as text, such as "Ada: bias, Bob: wrong mask"."""
    return ", ".join(f"{decision.reviewer or 'nobody'}: {decision.verdict}" for decision in standing)
