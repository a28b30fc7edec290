"""What makes a finding the same finding in another run: rule, class, cue and data, never a rank or a number."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.run.result import AuditResult

OVERLAP = 0.5
"""Share of the smaller cluster's images that two clusters must have in common to show the same cue."""


def class_of(outcome: RuleOutcome) -> str:
    """Class that an outcome is about, "" where it is about none."""
    if outcome.scope in ("class", "image"):
        return outcome.subject
    return str(outcome.evidence.get("class_name") or "")


def cue_of(outcome: RuleOutcome) -> str:
    """What is suspected beside the class: the name of a recurring cue or its id, a slice, a test; "" for none."""
    if outcome.scope in ("class", "image"):
        return ""
    return str(outcome.evidence.get("name") or outcome.subject)


def finding_id(outcome: RuleOutcome, result: AuditResult) -> str:
    """16 hex digits that the same finding has in every run on the same data, on every machine."""
    return _digest(outcome.code, class_of(outcome), cue_of(outcome), data_of(result))


def cluster_key(cluster_id: str, result: AuditResult) -> str:
    """16 hex digits for a recurring cue that no finding is about, in every run that finds it on the same data."""
    return _digest("cluster", cluster_id, data_of(result))


def data_of(result: AuditResult) -> str:
    """Hash by which runs on the same data know each other."""
    return result.info.content or result.info.fingerprint


def matched(new: Sequence[RuleOutcome], old: Sequence[RuleOutcome]) -> list[tuple[RuleOutcome, RuleOutcome | None]]:
    """The outcome of an older run that each new one goes on from, one to one.

    Equal rule, scope, class and cue match first. A cluster of another model has another id: it matches the unnamed
    one of its class that shares most of its images, if it shares OVERLAP of the smaller.

    Args:
        new, old: outcomes of two runs.

    Returns:
        each of `new` in its order, with its partner or None.
    """
    keys: dict[tuple[str, ...], list[int]] = {}
    for j, outcome in enumerate(old):
        keys.setdefault(_key(outcome), []).append(j)
    partner: dict[int, int] = {}
    for i, outcome in enumerate(new):
        if same := keys.get(_key(outcome)):
            partner[i] = same.pop(0)
    taken = set(partner.values())
    pairs = [
        (-share, i, j)
        for i, outcome in enumerate(new)
        if i not in partner and outcome.scope == "cluster"
        for j, other in enumerate(old)
        if j not in taken and (share := _overlap(outcome, other)) >= OVERLAP
    ]
    for _, i, j in sorted(pairs):
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    return [(outcome, old[partner[i]] if i in partner else None) for i, outcome in enumerate(new)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _key(outcome: RuleOutcome) -> tuple[str, ...]:
    return outcome.code, outcome.scope, class_of(outcome), cue_of(outcome)


def _overlap(first: RuleOutcome, second: RuleOutcome) -> float:
    """Images in common as a share of the smaller; 0 for another rule, class or two different names."""
    if (first.code, first.scope, class_of(first)) != (second.code, second.scope, class_of(second)):
        return 0.0
    if first.evidence.get("name") and second.evidence.get("name"):
        return 0.0
    one, other = set(first.image_ids), set(second.image_ids)
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0
