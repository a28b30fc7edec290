"""Judges a finished run by gate.toml, a baseline and the waivers."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bias_audit.checks.outcomes import LEVELS
from bias_audit.gate.finding_rows import Context, finding_rows
from bias_audit.gate.metric_rows import metric_rows
from bias_audit.gate.run_rows import run_rows
from bias_audit.gate.settings import GateConfig, Waiver
from bias_audit.gate.values import FAILED, NEW, NOT_JUDGED, PASSED, STATUSES, WAIVED, WORSE, GateResult, GateRow
from bias_audit.gate.waivers import from_decisions, notes
from bias_audit.gate.words import checks
from bias_audit.run.result import AuditResult
from bias_audit.run.sampled import told_of

if TYPE_CHECKING:
    from bias_audit.review.decisions import Decision

_NAMED = 5
"""Most failed checks that the summary sentence names; the rows hold all."""

_CHANGES = (WORSE, NEW)
"""Changes whose rows come first, in this order."""


def judge(
    result: AuditResult,
    config: GateConfig,
    *,
    baseline: AuditResult | None = None,
    baseline_name: str = "",
    decisions: Sequence[Decision] = (),
    today: datetime.date | None = None,
) -> GateResult:
    """Judge a run by the settings of a gate.

    Every outcome of a rule is one check, unless [fail] and [warn] of its scope are "none"; every threshold is one check
    per subject. What could not be judged has a named state (`states.STATES`) and fails unless the state is allowed; of
    the rules only those in [rules] require must have answered.

    Args:
        result: a finished run.
        config: settings from `read_gate`.
        baseline: a run to compare with, None for none.
        baseline_name: what was given as baseline, even where it could not be read; "" for nothing.
        decisions: what reviewers decided about this run (`review.decisions.read_decisions`).
        today: day for which waivers are judged, None = today in UTC.
    """
    today = today or datetime.datetime.now(datetime.UTC).date()
    waivers, said = _waivers(config, decisions)
    context = Context(result, config, baseline, waivers, today)
    findings, resolved = finding_rows(context)
    rows = [
        *run_rows(result, config, baseline, baseline_name),
        *findings,
        *metric_rows(result, config, baseline),
    ]
    rows = [row if row.origin else replace(row, origin=config.origin(row.line)) for row in rows]
    rows.sort(key=_order)
    judged = [row for row in rows if row.status in (PASSED, WAIVED) or (row.status != NOT_JUDGED and not row.state)]
    failed = [row for row in rows if row.status == FAILED]
    passed = bool(judged) and not failed
    said += config.former
    said += notes(result, waivers, today, (one for one in result.outcomes if one.found))
    said += _new_classes(result, baseline)
    ignored = sum(outcome.ignored for outcome in result.outcomes)
    name = baseline_name or ("" if baseline is None else str(baseline.path))
    summary = _summary(rows, failed, judged=bool(judged))
    if seen := told_of(result.info.counts):  # green on a sample is not green on all
        summary += f" Only {seen} was judged."
    return GateResult(passed, tuple(rows), summary, config, ignored, name, tuple(resolved), tuple(said))


def _waivers(config: GateConfig, decisions: Sequence[Decision]) -> tuple[list[Waiver], list[str]]:
    if not config.use_decisions:
        return list(config.waivers), []
    decided, said = from_decisions(decisions)
    return [*config.waivers, *decided], said


def _new_classes(result: AuditResult, baseline: AuditResult | None) -> list[str]:
    if baseline is None:
        return []
    old = {row.get("class_name") for row in baseline.class_rows}
    names = [str(row["class_name"]) for row in result.class_rows if row.get("class_name") not in old]
    return [f"Not in the baseline: {'class' if len(names) == 1 else 'classes'} {', '.join(names)}."] if names else []


def _order(row: GateRow) -> tuple[int, int, int]:
    """Sort key of a row: by status; then rows of scope "run", findings by level, and worse and new findings first."""
    level = LEVELS.index(row.level) if row.level in LEVELS else len(LEVELS) if row.level else -1
    change = _CHANGES.index(row.change) if row.change in _CHANGES else len(_CHANGES)
    return STATUSES.index(row.status), -len(LEVELS) - 1 if row.scope == "run" else -level, change


def _summary(rows: Sequence[GateRow], failed: Sequence[GateRow], *, judged: bool) -> str:
    counts = {status: sum(row.status == status for row in rows) for status in STATUSES}
    others = [
        f"{counts[status]} {word}"
        for status, word in ((WAIVED, "waived"), ("warning", "to be watched"), (NOT_JUDGED, "could not be judged"))
        if counts[status]
    ]
    left = f"; {', '.join(others)}" if others else ""
    if failed:
        named = [_name(row) for row in failed[:_NAMED]]
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        total = checks(len(rows) - counts[NOT_JUDGED])
        return f"Gate failed: {len(failed)} of {total} failed ({', '.join(named)}{more}){left}."
    if not judged:
        return f"Gate failed: nothing could be judged ({checks(len(rows))} tried)."
    return f"Gate passed: {checks(counts[PASSED])} passed{left}."


def _name(row: GateRow) -> str:
    name = f"{row.title or row.subject}: {row.check}" if row.subject else row.check
    return f"{name}, {row.state}" if row.state else name
