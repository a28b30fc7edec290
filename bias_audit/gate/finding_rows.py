"""Judges the outcomes of rules by [fail] and [warn], the baseline and the waivers."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bias_audit.checks import reasons
from bias_audit.checks.outcomes import DOUBT, LEVELS, RuleOutcome, class_of
from bias_audit.checks.registry import find_rule
from bias_audit.gate.estimates import Estimates, on_estimates
from bias_audit.gate.metrics import number
from bias_audit.gate.missing import state_of_rule
from bias_audit.gate.settings import NO_LEVEL, SCOPES, GateConfig, Waiver
from bias_audit.gate.states import DID_NOT_RUN, DOUBTFUL_INPUT, MAPS_FAILED, MASKS_IN_DOUBT
from bias_audit.gate.values import FAILED, KNOWN, NEW, NOT_JUDGED, PASSED, WAIVED, WARNED, WORSE, GateRow
from bias_audit.gate.waivers import answer, grown
from bias_audit.run.identity import cue_of, finding_id, matched, subject_title
from bias_audit.run.quantities import quantity
from bias_audit.run.result import AuditResult

_DOUBTS: dict[str, str] = {"doubts the input": DOUBTFUL_INPUT, "doubts the maps": MAPS_FAILED}
"""Role of a rule -> state of its row where a finding of the rule has level DOUBT."""

_KNOWN_STATUS = {"pass": PASSED, "warn": WARNED, "fail": FAILED}


@dataclass(frozen=True)
class Context:
    """Everything that decides how the outcomes of a run are judged.

    Attributes:
        result: the run.
        config: settings of the gate.
        baseline: an older run to compare with, None where there is none.
        waivers: waivers of the gate file and of reviewers.
        today: the day for which waivers are judged.
        before: id() of a finding's outcome -> the outcome of the baseline that it continues; filled by `finding_rows`.
    """

    result: AuditResult
    config: GateConfig
    baseline: AuditResult | None
    waivers: Sequence[Waiver]
    today: datetime.date
    before: dict[int, RuleOutcome] = field(default_factory=dict)

    @functools.cached_property
    def estimates(self) -> Estimates:
        """What of the run rests on estimated masks."""
        return Estimates(self.result)

    @functools.cached_property
    def classes(self) -> dict[str, dict[str, Any]]:
        """Class name -> row of the run's class table."""
        return {str(row.get("class_name")): row for row in self.result.class_rows}


def finding_rows(context: Context) -> tuple[list[GateRow], list[str]]:
    """Judge every outcome of a rule in a run.

    Returns:
        a row per outcome that is judged, per finding of the baseline that the run did not test, and per required rule
        that did not run; and a sentence per finding of the baseline that is gone.
    """
    result, config, baseline = context.result, context.config, context.baseline
    rows, resolved = [], []
    if baseline is not None:
        found = [outcome for outcome in result.outcomes if outcome.found]
        earlier = [outcome for outcome in baseline.outcomes if outcome.found]
        pairs = matched(found, earlier)
        context = replace(context, before={id(new): old for new, old in pairs if old is not None})
        kept = {id(old) for _, old in pairs if old is not None}
        for old in earlier:
            if id(old) not in kept:
                row, gone = _no_more(old, context)
                rows += [row] if row else []
                resolved += [gone] if gone else []
    for outcome in sorted(result.outcomes, key=lambda outcome: (outcome.code, outcome.subject)):
        scope = scope_of(outcome)
        if config.fail[scope] != NO_LEVEL or (config.warn[scope] != NO_LEVEL and outcome.found):
            row = _row(outcome, scope, context)
            rows += [row] if row else []
    rows += _never_ran(context)
    return rows, resolved


def scope_of(outcome: RuleOutcome) -> str:
    """Scope of gate.toml that an outcome belongs to; an unknown scope counts as "dataset"."""
    return outcome.scope if outcome.scope in SCOPES else "dataset"


def _row(outcome: RuleOutcome, scope: str, context: Context) -> GateRow | None:
    config = context.config
    row = _blank(outcome, scope, context)
    if outcome.found:
        return _found(row, outcome, context)
    if outcome.passed:
        return _on_estimates(row, outcome, context)
    if outcome.ignored and not _is_required(outcome.code, config):
        return None
    state = state_of_rule(outcome, context.result, context.classes)
    must = _is_required(outcome.code, config)
    allowed = config.allows(state, class_of(outcome) or outcome.subject, outcome.code)
    return replace(row, status=FAILED if must and not allowed else NOT_JUDGED, state=state)


def _found(row: GateRow, outcome: RuleOutcome, context: Context) -> GateRow:
    config = context.config
    level = outcome.level or LEVELS[0]
    least = config.fail_on(row.scope, class_of(outcome))
    # `origin` names the line of the level from which the row fails, even if `line` later points at a waiver or [warn].
    row = replace(row, level=level, sentence=f"{level}: {outcome.sentence}", origin=config.origin(row.line))
    declared = find_rule(outcome.code)
    state = _DOUBTS.get(declared.role) if declared and level == DOUBT else None
    if outcome.reason_code == reasons.MASKS_IN_DOUBT:
        state = MASKS_IN_DOUBT
    if state and least != NO_LEVEL:
        allowed = config.allows(state, outcome.subject, outcome.code)
        return replace(row, status=WARNED if allowed else FAILED, state=state)
    if not _reaches(level, least):
        if not _reaches(level, config.warn[row.scope]):
            below = replace(row, severity="warn", sentence=f"{level}, below {least}: {outcome.sentence}")
            return _on_estimates(below, outcome, context)
        below = replace(row, status=WARNED, severity="warn", line=config.line("warn", row.scope))
        return _on_estimates(below, outcome, context)
    row = _beside_baseline(replace(row, status=FAILED), outcome, context)
    given = answer(outcome, context.result, context.waivers, config, context.today)
    if not given.said:
        return row
    status = WAIVED if given.accepted else FAILED
    line = given.waiver.line if given.waiver and given.waiver.line else row.line
    return replace(row, status=status, waiver=given.said, sentence=f"{row.sentence} {given.said}", line=line)


def _on_estimates(row: GateRow, outcome: RuleOutcome, context: Context) -> GateRow:
    """A row that accuses nobody, which is no pass where it rests on estimated masks that nothing has checked."""
    if context.config.fail[row.scope] == NO_LEVEL or not context.estimates.behind(outcome):
        return row
    return on_estimates(row, context.config, class_of(outcome) or outcome.subject, outcome.code)


def _beside_baseline(row: GateRow, outcome: RuleOutcome, context: Context) -> GateRow:
    if context.baseline is None:
        return row
    old = context.before.get(id(outcome))
    if old is None:
        return replace(row, change=NEW, sentence=f"{row.sentence} New: the baseline does not have it.")
    row = replace(row, baseline=number(old.measured))
    if worse := grown(outcome, old.measured, old.low, old.high, old.level or LEVELS[0]):
        return replace(row, change=WORSE, sentence=f"{row.sentence} Worse than in the baseline: {worse}.")
    was = "" if row.baseline is None else f" with {quantity(row.baseline, row.unit)}"
    status = _KNOWN_STATUS[context.config.known]
    return replace(row, change=KNOWN, status=status, sentence=f"{row.sentence} Known: the baseline has it{was}.")


def _no_more(old: RuleOutcome, context: Context) -> tuple[GateRow | None, str]:
    """A row for a finding of the baseline that the run did not test, or a sentence that the finding is gone.

    Neither is made where the finding would not fail the gate.
    """
    scope, config = scope_of(old), context.config
    if not _reaches(old.level or LEVELS[0], config.fail_on(scope, class_of(old))):
        return None, ""
    subject = class_of(old) or old.subject
    named = f"{old.code} {old.level} of {subject_title(old) or 'the data set'}"
    if any(_answers(outcome, old) for outcome in context.result.outcomes):
        return None, f"Resolved: {named}. Before: {old.sentence}"
    allowed = config.allows(DID_NOT_RUN, subject, old.code)
    row = GateRow(
        scope, old.subject, old.code, None, None, None, number(old.threshold), NOT_JUDGED if allowed else FAILED,
        f"The baseline has {named}; this run did not test it, so it may still be there.",
        state=DID_NOT_RUN, cue=cue_of(old), baseline=number(old.measured), finding_id=finding_id(old, context.result),
        line=_line(scope, old, config), title=_title(old), unit=_unit(old),
    )  # fmt: skip
    return row, ""


def _answers(outcome: RuleOutcome, old: RuleOutcome) -> bool:
    """Whether an outcome shows that an old finding's rule was tried again, on the same class if it was about one."""
    if outcome.code != old.code or not outcome.judged:
        return False
    about_a_class = old.scope in ("class", "image")
    declared = find_rule(outcome.code)
    return class_of(outcome) == class_of(old) if about_a_class else not (declared and declared.by_hand)


def _never_ran(context: Context) -> Iterator[GateRow]:
    """Rows for required rules that have no outcome, as a whole or about a class."""
    config, line = context.config, context.config.line("rules", "require")
    classes = [str(row.get("class_name")) for row in context.result.class_rows]
    for code in config.require:
        declared = find_rule(code)
        about_classes = declared is not None and declared.scope == "class"
        if config.fail["class" if about_classes else "dataset"] == NO_LEVEL:
            continue
        there = [outcome for outcome in context.result.outcomes if outcome.code == code]
        told = {class_of(outcome) for outcome in there}
        silent = [name for name in classes if name not in told] if about_classes and "" not in told else []
        for name in silent if there else [""]:
            status = NOT_JUDGED if config.allows(DID_NOT_RUN, code, name) else FAILED
            sentence = f"{code} is required and did not run: the run says nothing about {name or 'it'}."
            yield GateRow("run", name, code, None, None, None, None, status, sentence, state=DID_NOT_RUN, line=line)


def _is_required(code: str, config: GateConfig) -> bool:
    return code in config.require or config.require_judged


def _reaches(level: str, least: str) -> bool:
    """Whether a level is at least `least`; a level that this version does not know reaches every level but NO_LEVEL."""
    return least != NO_LEVEL and (level not in LEVELS or LEVELS.index(level) >= LEVELS.index(least))


def _line(scope: str, outcome: RuleOutcome, config: GateConfig) -> int:
    if config.fail[scope] != NO_LEVEL and class_of(outcome) in config.class_levels:
        return config.line("fail", "classes", class_of(outcome))
    table = {"cue": "dataset", "slice": "dataset"}.get(scope, scope)
    return config.line("fail", scope) or config.line(table, "fail_on")


def _blank(outcome: RuleOutcome, scope: str, context: Context) -> GateRow:
    return GateRow(
        scope,
        outcome.subject,
        outcome.code,
        number(outcome.measured),
        number(outcome.low),
        number(outcome.high),
        number(outcome.threshold),
        PASSED,
        outcome.sentence,
        cue=cue_of(outcome),
        finding_id=finding_id(outcome, context.result),
        n=outcome.n,
        line=_line(scope, outcome, context.config),
        title=_title(outcome),
        unit=_unit(outcome),
    )


def _title(outcome: RuleOutcome) -> str:
    return subject_title(outcome) if outcome.scope == "cue" else ""


def _unit(outcome: RuleOutcome) -> str:
    declared = find_rule(outcome.code)
    return declared.measures[1] if declared else "number"
