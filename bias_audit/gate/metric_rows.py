"""Numbers against thresholds: one row per subject and bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bias_audit.gate.change import change
from bias_audit.gate.metrics import METRICS, Measured, Metric, is_attention, measured
from bias_audit.gate.missing import maps_failed, state_of_number
from bias_audit.gate.settings import GateConfig, MetricCheck
from bias_audit.gate.states import (
    MAPS_FAILED,
    MISSING_BASELINE,
    MISSING_METRIC,
    NEAR,
    NO_INTERVAL,
    NO_ROWS,
    NOT_ENOUGH,
)
from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED, WARNED, GateRow
from bias_audit.gate.words import digits
from bias_audit.result import AuditResult

_EQUAL = 1e-9
"""A measured value this close to its threshold equals it: .4 - .3 is no breach of .1."""

_SHOWN = 3
"""Images named in the sentence of an image metric."""

_PASTED = ("background_gap", "same_", "other_", "background_only", "attract", "adversarial", "removal", "neutral")


def metric_rows(result: AuditResult, config: GateConfig, baseline: AuditResult | None) -> Iterator[GateRow]:
    """Every threshold of the gate file on every subject it is about."""
    for check in config.metrics:
        found = measured(result, check.table, check.name)
        if not found:
            for kind, bound in check.bounds.items():
                reason = f"the run has no rows of table {check.table!r}"
                yield _unjudged(check, config, Measured("", None), kind, bound, NO_ROWS, reason)
        elif check.table == "image":
            yield from _image_rows(result, config, check, found)
        else:
            old = [] if baseline is None else measured(baseline, check.table, check.name) or []
            before = {one.subject: one for one in old}
            for one in found:
                own = check.classes.get(one.class_name, check)
                for kind, bound in own.bounds.items():
                    yield _row(result, config, own, one, kind, bound, baseline, before.get(one.subject))


def _row(
    result: AuditResult,
    config: GateConfig,
    check: MetricCheck,
    one: Measured,
    kind: str,
    bound: float,
    baseline: AuditResult | None,
    before: Measured | None,
) -> GateRow:
    if is_attention(check.table, check.name) and maps_failed(result):
        return _unjudged(check, config, one, kind, bound, MAPS_FAILED, "the heatmaps failed their tests (BA908)")
    if one.value is None:
        pasted = _metric(check).reason == "reliance_reason"
        state = state_of_number(result, one.n, one.reason, pasted=pasted)
        return _unjudged(check, config, one, kind, bound, state, one.reason or "the run holds no such number")
    if check.min_n and (one.n is None or one.n < check.min_n):
        reason = f"{one.n or 0} images, {check.min_n} needed"
        return _unjudged(check, config, one, kind, bound, NOT_ENOUGH, reason)
    if kind in ("min", "max"):
        return _compared(check, config, one, kind, bound)
    if baseline is None:
        return _unjudged(check, config, one, kind, bound, MISSING_BASELINE, "there is no baseline to compare with")
    if before is None or before.value is None:
        reason = "the baseline holds no such number" if before else "the baseline does not have it"
        return _unjudged(check, config, one, kind, bound, MISSING_METRIC, reason)
    rise, low, high, method = change(result, baseline, check.table, check.name, one, before)
    sign = 1 if kind == "max_increase" else -1
    ends = [end for end in (low, high) if end is not None]
    low, high = sorted(sign * end for end in ends) if len(ends) == 2 else (None, None)
    moved = replace(one, value=sign * rise, low=low, high=high)
    return _compared(check, config, moved, kind, bound, before=before.value, now=one.value, method=method)


def _compared(
    check: MetricCheck,
    config: GateConfig,
    one: Measured,
    kind: str,
    bound: float,
    *,
    before: float | None = None,
    now: float | None = None,
    method: str = "",
) -> GateRow:
    """One number against one bound; the bound itself is allowed."""
    assert one.value is not None
    above = kind != "min"
    breach = one.value > bound + _EQUAL if above else one.value < bound - _EQUAL
    interval = one.low is not None and one.high is not None
    sentence = f"{_said(check, one, kind)} is {digits(one.value)}"
    if before is not None and now is not None:
        word = "rose" if kind == "max_increase" else "fell"
        sentence = f"{_said(check, one, 'max')} {word} by {digits(one.value)}, from {digits(before)} to {digits(now)}"
    if one.low is not None and one.high is not None:
        sentence += f" (95 % interval {digits(one.low)} to {digits(one.high)}{f', {method}' if method else ''})"
    sentence += f", {f'at most {digits(bound)} is allowed' if above else f'at least {digits(bound)} is required'}"
    near = one.low is not None and one.high is not None and one.low - _EQUAL <= bound <= one.high + _EQUAL
    state = ""
    if check.judge == "bound" and not _metric(check).exact:
        far = one.high if above else one.low
        if not interval or far is None:
            why = "this run gives no interval to judge"
            return _unjudged(check, config, one, kind, bound, NO_INTERVAL, why, before=before)
        kept = far <= bound + _EQUAL if above else far >= bound - _EQUAL
        state = "" if kept or not near else NEAR
        breach = breach or not (kept or near)
    if near and (state or check.judge == "estimate"):
        sentence += "; near the threshold: the interval contains it, so the other verdict is possible"
    row = _blank(check, one, kind, bound)
    row = replace(row, measured=one.value, low=one.low, high=one.high, baseline=before, sentence=f"{sentence}.")
    if state and not config.allows(state, one.subject, check.name, row.check, also=check.allow):
        return replace(row, status=_breach(check), state=state)
    if breach:
        return replace(row, status=_breach(check))
    return replace(row, status=NOT_JUDGED if state else PASSED, state=state)


def _image_rows(
    result: AuditResult, config: GateConfig, check: MetricCheck, found: list[Measured]
) -> Iterator[GateRow]:
    """Images beyond a bound, counted per class: the images of a data set are all there are, so a share is exact."""
    groups: dict[str, list[Measured]] = {}
    for one in found:
        groups.setdefault(one.class_name, []).append(one)
    failed = is_attention("image", check.name) and maps_failed(result)
    for class_name, images in groups.items():
        own = check.classes.get(class_name, check)
        known = [(one.subject, one.value) for one in images if one.value is not None]
        for kind, bound in own.bounds.items():
            subject = Measured(class_name, None, n=len(known), class_name=class_name)
            if failed:
                reason = "the heatmaps failed their tests (BA908)"
                yield _unjudged(own, config, subject, kind, bound, MAPS_FAILED, reason)
            elif len(known) < max(1, own.min_n):
                reason = f"{len(known)} of {len(images)} images have this number, {max(1, own.min_n)} needed"
                state = NOT_ENOUGH
                if not known:
                    state = state_of_number(result, None, "", pasted=own.name.startswith(_PASTED))
                yield _unjudged(own, config, subject, kind, bound, state, reason)
            else:
                yield _image_row(own, config, class_name, known, kind, bound)


def _image_row(
    check: MetricCheck, config: GateConfig, class_name: str, known: list[tuple[str, float]], kind: str, bound: float
) -> GateRow:
    sign = 1 if kind == "max" else -1
    beyond = sorted(((sign * value, image) for image, value in known if sign * (value - bound) > _EQUAL), reverse=True)
    share = len(beyond) / len(known)
    row = _blank(check, Measured(class_name, share, n=len(known)), kind, check.max_share)
    named = ", ".join(f"{image}: {digits(sign * value)}" for value, image in beyond[:_SHOWN])
    side = "above" if kind == "max" else "below"
    what = check.name.replace("_", " ")
    sentence = f"{len(beyond)} of {len(known)} images of {class_name!r} have a {what} {side} {digits(bound)}"
    sentence += f" ({named}{', ...' if len(beyond) > _SHOWN else ''})" if beyond else ""
    sentence += f", a share of at most {digits(check.max_share)} is allowed."
    status = _breach(check) if share > check.max_share + _EQUAL else PASSED
    return replace(row, measured=share, status=status, sentence=sentence)


def _unjudged(
    check: MetricCheck,
    config: GateConfig,
    one: Measured,
    kind: str,
    bound: float,
    state: str,
    reason: str,
    *,
    before: float | None = None,
) -> GateRow:
    row = _blank(check, one, kind, bound)
    allowed = config.allows(state, one.subject, check.name, row.check, also=check.allow)
    status = NOT_JUDGED if allowed else _breach(check)
    sentence = f"{_said(check, one, kind)} was not judged: {reason.rstrip('.')}."
    return replace(row, status=status, state=state, sentence=sentence, baseline=before)


def _blank(check: MetricCheck, one: Measured, kind: str, bound: float) -> GateRow:
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
    )


def _breach(check: MetricCheck) -> str:
    return FAILED if check.severity == "fail" else WARNED


def _metric(check: MetricCheck) -> Metric:
    return METRICS[check.table].get(check.name, Metric(check.name.replace("_", " ")))


def _said(check: MetricCheck, one: Measured, kind: str) -> str:
    label = _metric(check).label
    label = {"max_increase": f"rise of {label}", "max_decrease": f"fall of {label}"}.get(kind, label)
    return label[0].upper() + label[1:] + (f" of {one.subject!r}" if one.subject else "")
