"""What a run proved that can be repaired: backgrounds, recurring cues, properties of the whole photo, drawn regions."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from bias_audit.checks.outcomes import LEVELS, RuleOutcome, class_of
from bias_audit.checks.reasons import OK
from bias_audit.checks.registry import find_rule
from bias_audit.errors import ResultError
from bias_audit.files.text import parse_json
from bias_audit.review import targets
from bias_audit.review.decisions import LEGITIMATE, read_decisions
from bias_audit.run.result import AuditResult

BACKGROUNDS, CUES, PROPERTIES, REGIONS = "backgrounds", "cues", "properties", "regions"

RULES = {"BA201": BACKGROUNDS, "BA207": BACKGROUNDS, "BA302": CUES, "BA301": PROPERTIES, "BA303": REGIONS}
"""Rule -> what its findings prove reliance on."""


@dataclass(frozen=True)
class Region:
    """A region that a reviewer drew and that the prediction was shown to follow.

    Attributes:
        class_name: whose probability it raises.
        corners: [x, y] as shares of the picture.
    """

    class_name: str
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Proven:
    """What a refit is to take away.

    Attributes:
        findings: the findings above WATCH that say so.
        backgrounds: whether the prediction follows the background of some class.
        kept: classes whose background a reviewer called legitimate: their photos stay on their own.
        properties: names of properties of the whole photo.
        cues: class of a recurring cue -> whether the cue lies on the object.
        regions: drawn regions.
        legitimate: findings that a reviewer called legitimate context, and that are left out.
    """

    findings: tuple[RuleOutcome, ...] = ()
    backgrounds: bool = False
    kept: frozenset[str] = frozenset()
    properties: tuple[str, ...] = ()
    cues: tuple[tuple[str, bool], ...] = ()
    regions: tuple[Region, ...] = ()
    legitimate: tuple[RuleOutcome, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.backgrounds or self.properties or self.cues or self.regions)

    @property
    def said(self) -> str:
        """What was proven, in words: "the background, the colour of the whole photo"."""
        parts = ["the background"] if self.backgrounds else []
        if self.properties:
            parts.append(f"the {' and '.join(self.properties)} of the whole photo")
        if self.cues:
            parts.append("a recurring cue" if len(self.cues) == 1 else f"{len(self.cues)} recurring cues")
        if self.regions:
            parts.append("a region that a reviewer drew" if len(self.regions) == 1 else "regions that reviewers drew")
        return ", ".join(parts)


EVERYTHING = Proven(backgrounds=True)
"""What `--force` repairs where nothing is proven."""


def proven(result: AuditResult, today: datetime.date | None = None) -> Proven:
    """What a run proved, without what its reviewers agree to be legitimate context.

    Args:
        result: a finished run.
        today: date until which decisions must hold; None = of this day.

    Raises:
        ResultError: a table of the run or its decisions are damaged.
    """
    day = (today or datetime.date.today()).isoformat()
    agreed = targets.agreed(read_decisions(result.path), LEGITIMATE)
    allowed = {key for key, made in agreed.items() if not any(each.expires and each.expires < day for each in made)}
    known = {id(each.outcome): key for key, each in targets.findings_and_cues(result).items() if each.outcome}
    counted: list[RuleOutcome] = []
    legitimate: list[RuleOutcome] = []
    for outcome in result.found():
        if repairable(outcome):
            (legitimate if known.get(id(outcome)) in allowed else counted).append(outcome)
    of = {what: [each for each in counted if RULES[each.code] == what] for what in RULES.values()}
    pulling = [str(each.evidence.get("properties") or each.evidence.get("property") or "") for each in of[PROPERTIES]]
    named = dict.fromkeys(name.strip() for each in pulling for name in each.split(",") if name.strip())
    kept = {each.subject for each in legitimate if RULES[each.code] == BACKGROUNDS}
    return Proven(
        tuple(counted), bool(of[BACKGROUNDS]), frozenset(kept), tuple(named),
        _cues(result, of[CUES]), _regions(result, of[REGIONS]), tuple(legitimate),
    )  # fmt: skip


def strong(outcome: RuleOutcome) -> bool:
    """Whether a finding is above WATCH."""
    return outcome.found and LEVELS.index(outcome.level or LEVELS[0]) > LEVELS.index("WATCH")


def repairable(outcome: RuleOutcome) -> bool:
    """Whether a finding proves what `repair` takes away."""
    return outcome.code in RULES and strong(outcome)


def accusing(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """Findings above WATCH that say of the model that it relies on something: what a repair must leave none of."""
    return [each for each in outcomes if strong(each) and (each.code in RULES or _accuses(each))]


def _accuses(outcome: RuleOutcome) -> bool:
    rule = find_rule(outcome.code)
    return rule is not None and rule.role in ("tests reliance", "accuses a class", "proves a cue")


def _cues(result: AuditResult, found: Sequence[RuleOutcome]) -> tuple[tuple[str, bool], ...]:
    cues = result.cues
    made: dict[str, bool] = {}
    for each in found:
        name = class_of(each)
        share = cues["object_share"].get(each.subject) if each.subject in cues.index else None
        on_object = share is not None and float(share) > 0.5
        if name in result.info.class_names:
            made[name] = made.get(name, False) or on_object
    return tuple(made.items())


def _regions(result: AuditResult, found: Sequence[RuleOutcome]) -> tuple[Region, ...]:
    table, made = result.hypotheses, []
    for each in found:
        if each.subject not in table.index or str(table["reason"].get(each.subject, OK)) != OK:
            continue
        row = table.loc[each.subject]
        made.append(Region(str(row["class_name"]), corners_of(str(row["region"]))))
    return tuple(made)


def corners_of(region: str) -> tuple[tuple[float, float], ...]:
    """Corners [x, y] of a drawn region, as shares of the picture.

    Args:
        region: as the table `hypotheses` holds it.

    Raises:
        ResultError: the table is damaged.
    """
    return tuple((float(x), float(y)) for x, y in parse_json(region, ResultError, "a drawn region is"))
