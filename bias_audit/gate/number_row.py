"""Builds the row of a number: its name, its status after a breach, and its text where nothing could be judged."""

from __future__ import annotations

from dataclasses import replace

from bias_audit.gate.metrics import MetricValue, metric_of
from bias_audit.gate.settings import GateConfig, MetricCheck
from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED, WARNED, GateRow
from bias_audit.run.quantities import difference_unit

EQUAL = 1e-9
"""Distance up to which a measured value counts as equal to its threshold: .4 - .3 is no breach of .1."""

MAPS_SAY_NOTHING = "the heatmaps failed their tests (BA908)"


def said(check: MetricCheck, one: MetricValue, kind: str) -> str:
    """Beginning of a sentence about a number: its quantity and its subject."""
    label = metric_of(check.table, check.name).label
    label = {"max_increase": f"rise of {label}", "max_decrease": f"fall of {label}"}.get(kind, label)
    return label[0].upper() + label[1:] + (f" of {one.title or repr(one.subject)}" if one.subject else "")


def blank(check: MetricCheck, one: MetricValue, kind: str, bound: float) -> GateRow:
    """A row of a number with neither measured value nor sentence yet; its status is PASSED."""
    return GateRow(
        check.scope or check.table,
        one.subject,
        check.label or f"{kind}_{check.name}",
        None,
        None,
        None,
        bound,
        PASSED,
        "",
        severity=check.severity,
        n=one.n,
        line=check.line,
        title=one.title,
        unit=unit_of(check, kind),
    )


def unit_of(check: MetricCheck, kind: str) -> str:
    """Unit of the number that a bound is about: that of a change of a share is percentage points."""
    unit = metric_of(check.table, check.name).unit
    return unit if kind in ("max", "min") else difference_unit(unit)


def breach(check: MetricCheck) -> str:
    """FAILED or WARNED: status of a row whose bound is broken, or that had to be judged and could not be."""
    return FAILED if check.severity == "fail" else WARNED


def unjudged(
    check: MetricCheck, config: GateConfig, one: MetricValue, kind: str, bound: float, state: str, reason: str
) -> GateRow:
    """The row of a number that was not judged: NOT_JUDGED where its state is allowed, else as for a broken bound."""
    row = blank(check, one, kind, bound)
    allowed = config.allows(state, one.subject, check.name, row.check, also=check.allow)
    status = NOT_JUDGED if allowed else breach(check)
    sentence = f"{said(check, one, kind)} was not judged: {reason.rstrip('.')}."
    return replace(row, status=status, state=state, sentence=sentence)
