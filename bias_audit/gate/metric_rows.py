"""Judges numbers by thresholds: one row per subject and bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bias_audit.checks.levels import failed_map_tests
from bias_audit.checks.registry import not_installed
from bias_audit.gate.change import change, same_data
from bias_audit.gate.estimates import Estimates, on_estimates
from bias_audit.gate.image_rows import image_rows
from bias_audit.gate.metrics import CLASS, MetricValue, is_attention, measured, metric_of
from bias_audit.gate.missing import state_of_number
from bias_audit.gate.number_row import EQUAL, MAPS_SAY_NOTHING, blank, breach, said, unit_of, unjudged
from bias_audit.gate.per_image import PairsOf, of_classes, pairs_of
from bias_audit.gate.settings import GateConfig, MetricCheck
from bias_audit.gate.states import (
    MAPS_FAILED,
    MISSING_BASELINE,
    MISSING_METRIC,
    NEAR,
    NO_INTERVAL,
    NO_ROWS,
    NOT_ENOUGH,
    NOT_INSTALLED,
)
from bias_audit.gate.values import NOT_JUDGED, PASSED, GateRow
from bias_audit.run.quantities import beside_bound, quantity, span
from bias_audit.run.quantities import bound as in_words
from bias_audit.run.result import AuditResult

_CHANGES = ("max_increase", "max_decrease")


@dataclass(frozen=True)
class _Sides:
    """The runs that a metric is compared in, and its values per image.

    Attributes:
        result, baseline: the new run and the older one, None where there is none.
        config: settings of the gate.
        failed_maps: whether the heatmaps failed their tests.
        estimates: what of the new run rests on estimated masks.
        pairs: gives a class's values per image in both runs where the images are paired; else None.
    """

    result: AuditResult
    config: GateConfig
    baseline: AuditResult | None
    failed_maps: bool
    estimates: Estimates
    pairs: PairsOf | None = None


def metric_rows(result: AuditResult, config: GateConfig, baseline: AuditResult | None) -> Iterator[GateRow]:
    """Judge every threshold of the gate on every subject of its table: a row per subject and bound."""
    sides = _Sides(result, config, baseline, bool(failed_map_tests(result.outcomes)), Estimates(result))
    columns = _image_columns(config)
    missing = not_installed(result.path)
    for check in config.metrics:
        if check.table in missing:
            yield from _no_rows(check, config, NOT_INSTALLED, f"the check {check.table!r} is not installed")
            continue
        if check.table == "image":
            images = of_classes(result, check.name, columns)
            yield from image_rows(result, config, check, images) if images else _no_rows(check, config)
            continue
        found = measured(result, check.table, check.name)
        if not found:
            yield from _no_rows(check, config)
            continue
        old = [] if baseline is None else measured(baseline, check.table, check.name) or []
        before = {one.subject: one for one in old}
        sides = replace(sides, pairs=_paired(check, result, baseline, columns))
        for one in found:
            own = check.classes.get(one.class_name, check)
            for kind, bound in own.bounds.items():
                yield _row(sides, own, one, kind, bound, before.get(one.subject))


def _no_rows(check: MetricCheck, config: GateConfig, state: str = NO_ROWS, reason: str = "") -> Iterator[GateRow]:
    reason = reason or f"the run has no rows of table {check.table!r}"
    for kind, bound in check.bounds.items():
        yield unjudged(check, config, MetricValue("", None), kind, bound, state, reason)


def _image_columns(config: GateConfig) -> set[str]:
    """Names of all columns of the images table that some threshold needs."""
    return {
        check.name if check.table == "image" else CLASS[check.name].paired[0]
        for check in config.metrics
        if check.table == "image" or _is_paired(check)
    }


def _is_paired(check: MetricCheck) -> bool:
    """Whether a threshold bounds the change of a class metric that is a mean over images."""
    metric = CLASS.get(check.name) if check.table == "class" else None
    bounds = [check.bounds, *(own.bounds for own in check.classes.values())]
    return metric is not None and metric.paired[0] != "" and any(kind in each for each in bounds for kind in _CHANGES)


def _paired(check: MetricCheck, result: AuditResult, baseline: AuditResult | None, columns: set[str]) -> PairsOf | None:
    if baseline is None or not _is_paired(check) or not same_data(result, baseline):
        return None
    if result.info.config.get("group_by"):  # grouped photos count for fewer, as in the class intervals
        return None
    return pairs_of(result, baseline, CLASS[check.name].paired[0], columns)


def _row(
    sides: _Sides, check: MetricCheck, one: MetricValue, kind: str, bound: float, before: MetricValue | None
) -> GateRow:
    result, config, baseline = sides.result, sides.config, sides.baseline
    if sides.failed_maps and is_attention(check.table, check.name):
        return unjudged(check, config, one, kind, bound, MAPS_FAILED, MAPS_SAY_NOTHING)
    if one.value is None:
        pasted = metric_of(check.table, check.name).reason == "reliance_reason"
        state = state_of_number(result, one.n, one.reason_code, pasted=pasted)
        return unjudged(check, config, one, kind, bound, state, one.reason or "the run holds no such number")
    if check.min_n and (one.n is None or one.n < check.min_n):
        reason = f"{one.n or 0} images, {check.min_n} are needed"
        return unjudged(check, config, one, kind, bound, NOT_ENOUGH, reason)
    if kind not in _CHANGES:
        return _trusted(sides, check, one, _compared(check, config, one, kind, bound))
    if baseline is None:
        return unjudged(check, config, one, kind, bound, MISSING_BASELINE, "there is no baseline to compare with")
    if before is None or before.value is None:
        reason = "the baseline holds no such number" if before else "the baseline does not have it"
        return unjudged(check, config, one, kind, bound, MISSING_METRIC, reason)
    rise, low, high, method = change(result, baseline, check.name, one, before, sides.pairs)
    sign = 1 if kind == "max_increase" else -1
    ends = [end for end in (low, high) if end is not None]
    low, high = sorted(sign * end for end in ends) if len(ends) == 2 else (None, None)
    moved = replace(one, value=sign * rise, low=low, high=high)
    row = _compared(check, config, moved, kind, bound, before=before.value, now=one.value, method=method)
    return _trusted(sides, check, one, row)


def _trusted(sides: _Sides, check: MetricCheck, one: MetricValue, row: GateRow) -> GateRow:
    """The row of a number, which does not pass where composites gave it by estimated masks that nothing has checked."""
    pasted = metric_of(check.table, check.name).reason == "reliance_reason"
    if row.status != PASSED or not pasted or not sides.estimates.behind_number(one.class_name):
        return row
    return on_estimates(row, sides.config, one.subject, check.name, row.check, broken=breach(check), also=check.allow)


def _compared(
    check: MetricCheck,
    config: GateConfig,
    one: MetricValue,
    kind: str,
    bound: float,
    *,
    before: float | None = None,
    now: float | None = None,
    method: str = "",
) -> GateRow:
    """The row of one number judged by one bound; a number equal to the bound is allowed."""
    assert one.value is not None
    above = kind != "min"
    beyond = one.value > bound + EQUAL if above else one.value < bound - EQUAL
    interval = one.low is not None and one.high is not None
    unit, own = unit_of(check, kind), unit_of(check, "max")
    ends = span(one.low, one.high, unit)
    known = beside_bound(one.value, bound, unit) + (f" [{ends}]" if ends else "")
    sentence = f"{said(check, one, kind)} is {known}"
    if before is not None and now is not None:
        word = "rose" if kind == "max_increase" else "fell"
        sentence = f"{said(check, one, 'max')} {word} by {known}, from {quantity(before, own)} to {quantity(now, own)}"
        sentence += f" (interval: {method})" if method else ""
    limit = in_words(bound, unit)
    sentence += f"; {f'at most {limit} is allowed' if above else f'at least {limit} is required'}"
    near = one.low is not None and one.high is not None and one.low - EQUAL <= bound <= one.high + EQUAL
    state = ""
    if check.judge == "bound" and not metric_of(check.table, check.name).exact:
        far = one.high if above else one.low
        if not interval or far is None:
            why = "this run gives no interval to judge"
            return unjudged(check, config, one, kind, bound, NO_INTERVAL, why)
        kept = far <= bound + EQUAL if above else far >= bound - EQUAL
        state = "" if kept or not near else NEAR
        beyond = beyond or not (kept or near)
    if near and (state or check.judge == "estimate"):
        sentence += " (near the threshold: the interval contains it, so the other verdict is possible)"
    row = blank(check, one, kind, bound)
    refused = state and not config.allows(state, one.subject, check.name, row.check, also=check.allow)
    status = breach(check) if refused or beyond else NOT_JUDGED if state else PASSED
    return replace(
        row, measured=one.value, low=one.low, high=one.high, baseline=before, sentence=f"{sentence}.", status=status,
        state="" if beyond and not refused else state,
    )  # fmt: skip
