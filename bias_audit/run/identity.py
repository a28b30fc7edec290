"""Identity of findings across runs: equal rule, class, cue and data make the same finding, never a rank or number."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bias_audit.checks.outcomes import RuleOutcome, class_of
from bias_audit.run.result import AuditResult

OVERLAP = 0.5
"""Smallest share of the smaller cue's images that two cues must have in common to be the same one."""


def cue_of(outcome: RuleOutcome) -> str:
    """Subject of an outcome beside its class: name or id of a cue, column of a slice, name of a test; "" for none.

    It tells findings apart; what people read in its place is `cue_title`.
    """
    if outcome.scope in ("class", "image"):
        return ""
    return str(outcome.evidence.get("name") or outcome.subject)


def cue_title(outcome: RuleOutcome) -> str:
    """What people read in the place of `cue_of`: a name, or "cue 1 of wolf", and never an id made of a hash."""
    if outcome.scope != "cue":
        return cue_of(outcome)
    given = outcome.evidence.get("name") or outcome.evidence.get("title")
    return str(given or f"a cue of {class_of(outcome)}".removesuffix(" of "))


def subject_title(outcome: RuleOutcome) -> str:
    """What an outcome is about, for people: its class, with its cue or the value of its slice; "" for the data set."""
    name, cue = class_of(outcome), cue_title(outcome)
    if outcome.scope == "cue" and outcome.evidence.get("name") and name:
        return f"{name}, {cue}"
    if outcome.scope == "slice" and (value := outcome.evidence.get("value")) is not None:
        return f"{outcome.subject} = {value}"
    return name if outcome.scope in ("class", "image") else cue


def finding_id(outcome: RuleOutcome, result: AuditResult) -> str:
    """Id of a finding: 16 hex digits, equal in every run on the same data and on every machine.

    Args:
        outcome: the finding.
        result: the run that has it.
    """
    return _digest(outcome.code, class_of(outcome), cue_of(outcome), data_of(result))


def cue_key(cue_id: str, result: AuditResult) -> str:
    """Id of a recurring cue without a finding: 16 hex digits, equal in every run that finds it on the same data.

    Args:
        cue_id: id of the cue in the table `cues`.
        result: the run that has it.
    """
    # The word of older versions: under another one, the decisions about cues in older runs would be lost.
    return _digest("cluster", cue_id, data_of(result))


def data_of(result: AuditResult) -> str:
    """Hash of the data of a run; runs on the same data have the same hash."""
    return result.info.content or result.info.fingerprint


def matched(new: Sequence[RuleOutcome], old: Sequence[RuleOutcome]) -> list[tuple[RuleOutcome, RuleOutcome | None]]:
    """Match the outcomes of a run with those of an older run, one to one.

    Outcomes with equal rule, scope, class and cue are matched first. Cues of another model have other ids: such a
    cue is matched with the cue of the same class that shares most images with it, if these are at least OVERLAP
    of the smaller cue and not both have names.

    Args:
        new, old: outcomes of the newer and of the older run.

    Returns:
        pairs of each outcome in `new`, in order, and its match in `old` or None.
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
        if i not in partner and outcome.scope == "cue"
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
    """Images that two outcomes have in common, as a share of the smaller one's, 0..1.

    0 where rule, scope or class differ, and where both have a name.
    """
    if (first.code, first.scope, class_of(first)) != (second.code, second.scope, class_of(second)):
        return 0.0
    if first.evidence.get("name") and second.evidence.get("name"):
        return 0.0
    one, other = set(first.image_ids), set(second.image_ids)
    return len(one & other) / min(len(one), len(other)) if one and other else 0.0
