"""The targets of a run that reviewers can decide about: its findings, its recurring cues and its images."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.errors import ResultError
from bias_audit.review.agreement import DECIDED, by_target, state_of
from bias_audit.review.decisions import BIAS, FILE, Decision, history
from bias_audit.run.cue_titles import cue_titles
from bias_audit.run.identity import cue_key, cue_title, data_of, finding_id
from bias_audit.run.result import AuditResult


@dataclass(frozen=True)
class Target:
    """A finding, recurring cue or image that reviewers can decide about.

    Attributes:
        kind, key, subject, code, measured, low, high: as `target_kind`, `target_key` and so on in `Decision`.
        outcome: the finding; None for images, and for a cue that no finding is about.
        cue_id: id of a recurring cue, else "".
        image_ids: paths of an image, of which there are several where files have the same content; () for other kinds.
    """

    kind: str
    key: str
    subject: str
    code: str = ""
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    outcome: RuleOutcome | None = None
    cue_id: str = ""
    image_ids: tuple[str, ...] = ()


def findings_and_cues(result: AuditResult) -> dict[str, Target]:
    """Findings and recurring cues of a run by key: findings, worst first, then the cues that no finding is about."""
    targets: dict[str, Target] = {}
    titles = cue_titles(result.cues.reset_index().to_dict("records"))
    for outcome in result.found():
        kind = "cue" if outcome.scope == "cue" else "finding"
        key = finding_id(outcome, result)
        cue = outcome.subject if kind == "cue" else ""
        numbers = outcome.measured, outcome.low, outcome.high
        subject = titles.get(cue) or cue_title(outcome) if cue else outcome.subject or result.info.name
        target = Target(kind, key, subject, outcome.code, *numbers, outcome, cue)
        targets.setdefault(key, target)
    covered = {target.cue_id for target in targets.values()}
    for cue_id, title in titles.items():
        if cue_id not in covered:
            key = cue_key(cue_id, result)
            targets[key] = Target("cue", key, title, cue_id=cue_id)
    return targets


def images(result: AuditResult) -> dict[str, Target]:
    """Images of a run by content hash; an image whose content is unknown has its path as key."""
    ids = [str(image_id) for image_id in result.images.index]
    contents = result.images.get("content", ids)
    paths: dict[str, list[str]] = {}
    for image_id, content in zip(ids, contents, strict=True):
        paths.setdefault(str(content or image_id), []).append(image_id)
    return {content: Target("image", content, found[0], image_ids=tuple(found)) for content, found in paths.items()}


def known(result: AuditResult) -> dict[str, Target]:
    """All targets of a run under every name that the page uses: the key, and for recurring cues also the id."""
    cues = findings_and_cues(result)
    by_id = {target.cue_id: target for target in cues.values() if target.cue_id}
    return {**images(result), **by_id, **cues}


def lost(decisions: Sequence[Decision], targets: Mapping[str, Target]) -> list[Decision]:
    """Decisions whose target is not among `targets`: they stay stored, but concern nothing in the run."""
    return [decision for decision in decisions if decision.target_key not in targets]


def agreed(decisions: Sequence[Decision], verdict: str = BIAS) -> dict[str, list[Decision]]:
    """Key of each target whose reviewers agree on `verdict` -> their decisions."""
    return {
        key: standing
        for key, standing in by_target(decisions).items()
        if state_of(standing) == DECIDED and standing[0].verdict == verdict
    }


def neighbours(result: AuditResult) -> list[Path]:
    """Run folders beside that of a run, in which somebody made decisions about the same data."""
    data, found = data_of(result), []
    for file in sorted(result.path.absolute().parent.glob(f"*/{FILE}")):
        if file.parent != result.path.absolute():
            with contextlib.suppress(ResultError):  # a neighbour's damage is no concern of this run
                if any(event.standing and event.data == data for event in history(file.parent)):
                    found.append(file.parent)
    return found
