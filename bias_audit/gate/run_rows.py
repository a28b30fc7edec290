"""Judges a run as a whole, before its numbers: it is what it was, of the right data, by the right thresholds."""

from __future__ import annotations

from collections.abc import Iterator

from bias_audit.checks.registry import not_installed
from bias_audit.checks.thresholds import MEANINGS, Thresholds, of_run
from bias_audit.gate.change import same_data, same_run
from bias_audit.gate.settings import GateConfig
from bias_audit.gate.states import (
    BASELINE_IS_RUN,
    CHANGED_DATA,
    DIFFERENT_DATA,
    INVALID_PREDICTIONS,
    MISSING_BASELINE,
    MISSING_CLASS,
    NO_ROWS,
    NOT_INSTALLED,
    OLDER_SCHEMA,
    OTHER_THRESHOLDS,
)
from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED, GateRow
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import GIVEN

_INVALID = {
    "invalid_predictions": "{} images",
    "invalid_composites": "composites of {} images",
    "invalid_exchanges": "{} images with another's colour, brightness, sharpness or border",
    "invalid_cues": "spots of recurring cues of {} images",
}
"""Count of a run -> what has no valid prediction, in words."""


def run_rows(
    result: AuditResult, config: GateConfig, baseline: AuditResult | None, baseline_name: str
) -> Iterator[GateRow]:
    """Rows about what must hold before any number means something: classes, installed checks, data and baseline.

    Args:
        result: the run.
        config: settings of the gate.
        baseline, baseline_name: see `verdict.judge`.
    """
    there = {str(row.get("class_name")) for row in result.class_rows if row.get("n") != 0}
    if not there:
        yield _state(config, NO_ROWS, "classes", "", "The run lists no classes.", 0)
    if changed := result.info.counts.get("changed", 0) + result.info.counts.get("strangers_changed", 0):
        sentence = f"{changed} images or their masks changed during the audit. Audit the data again."
        yield _state(config, CHANGED_DATA, "data", "", sentence, 0)
    for name in not_installed(result.path):
        sentence = f"The run holds a table of the check {name!r}, which is not installed here."
        yield _state(config, NOT_INSTALLED, name, "", sentence, 0)
    if result.digests is None:
        sentence = "The run carries no digests, so nothing tells whether it is as it was written. Audit the data again."
        yield _state(config, OLDER_SCHEMA, "run", "", sentence, 0)
    counts = result.info.counts
    lost = [text.format(n) for name, text in _INVALID.items() if (n := counts.get(name, 0))]
    if lost:
        told, total = ", ".join(lost), counts.get("images", 0)
        whose = "The model gives NaN or infinite outputs"
        if result.info.head == GIVEN:
            whose = "The table of predictions has no row, or one without numbers,"
        sentence = f"{whose} for {told}, of {total} (BA910)."
        yield _state(config, INVALID_PREDICTIONS, "predictions", "", sentence, 0)
    yield from _threshold_rows(result, config, baseline)
    for name, where, line in _expected(config, baseline):
        if there and name not in there:
            sentence = f"Class {name!r} is in {where}, and this run has no image of it."
            yield _state(config, MISSING_CLASS, "classes", name, sentence, line)
    if config.content and config.content != result.info.content:
        is_now = result.info.content or "not known"
        sentence = f"The content hash of the data is {is_now}; {config.content} is asked for."
        yield _state(config, DIFFERENT_DATA, "content", "", sentence, config.line("provenance", "content"))
    elif config.content:
        yield _passed(
            "content", "The data are those that the gate file asks for.", config.line("provenance", "content")
        )
    yield from _baseline_rows(result, config, baseline, baseline_name)


def _baseline_rows(
    result: AuditResult, config: GateConfig, baseline: AuditResult | None, baseline_name: str
) -> Iterator[GateRow]:
    if baseline is None and (baseline_name or config.baseline_required):
        why = f"{baseline_name!r} holds no finished run" if baseline_name else "none was given with --baseline"
        line = config.line("baseline", "required")
        yield _state(config, MISSING_BASELINE, "baseline", "", f"There is no baseline: {why}.", line)
    if baseline is None:
        return
    if baseline.digests is None:
        sentence = "The baseline carries no digests, so nothing tells whether it is as it was written. Make it again."
        yield _state(config, OLDER_SCHEMA, "baseline", "", sentence, 0)
    if same_run(result, baseline):
        sentence = f"The baseline is the run itself (audited {result.info.created}): compare it with an earlier audit."
        yield _state(config, BASELINE_IS_RUN, "baseline", "", sentence, 0)
    if config.require_same_data:
        line = config.line("provenance", "require_same_data")
        if same_data(result, baseline):
            yield _passed("baseline", "The baseline is about the same data.", line)
        else:
            sentence = "The baseline is about other data: a difference may lie in the data, and not in the model."
            yield _state(config, DIFFERENT_DATA, "baseline", "", sentence, line)


def _threshold_rows(result: AuditResult, config: GateConfig, baseline: AuditResult | None) -> Iterator[GateRow]:
    """Rows about the thresholds by which the rules of the run, and of the baseline, judged.

    Who may set them decides what is found, so a laxer one than the default holds only where the gate file asks for just
    this value; and findings come and go between two runs that were judged by different ones.
    """
    own = of_run(result.info.thresholds, str(result.path))
    odd = dict.fromkeys((*own.laxer(), *config.thresholds))
    for name in odd:
        line = config.line("require", "thresholds", name)
        value, default = getattr(own, name), getattr(Thresholds(), name)
        if name not in config.thresholds:
            sentence = (
                f"The rules of this run judged by {name} = {value}, where the default is {default}: a finding could be "
                "hidden. Score the run again with the default, or name the value in [require] thresholds."
            )
            yield _state(config, OTHER_THRESHOLDS, name, "", sentence, line)
        elif value != config.thresholds[name]:
            asked = config.thresholds[name]
            sentence = f"The rules of this run judged by {name} = {value}; the gate file asks for {asked}."
            yield _state(config, OTHER_THRESHOLDS, name, "", sentence, line)
        else:
            yield _passed(name, f"The rules judged by {name} = {value}, as the gate file asks.", line)
    if baseline is None:
        return
    old = of_run(baseline.info.thresholds, str(baseline.path))
    # A bound that one of the runs does not name did not exist when it was made; rules that use it tell of themselves.
    both = [name for name in MEANINGS if name in result.info.thresholds and name in baseline.info.thresholds]
    changed = [
        f"{name} = {getattr(old, name)} there and {getattr(own, name)} here"
        for name in both
        if getattr(old, name) != getattr(own, name)
    ]
    if changed:
        sentence = (
            f"The baseline was judged by other thresholds ({', '.join(changed)}): findings may have come or gone for "
            "that reason alone. Score one of the two again with the thresholds of the other (bias-audit rescore)."
        )
        yield _state(config, OTHER_THRESHOLDS, "baseline", "", sentence, 0)


def _expected(config: GateConfig, baseline: AuditResult | None) -> Iterator[tuple[str, str, int]]:
    """Classes that the run must have, each once: (name, where it is asked for, line in the gate file or 0)."""
    named: dict[str, tuple[str, int]] = {}
    for i, name in enumerate(config.classes):
        named.setdefault(name, ("the gate file", config.line("classes", i)))
    for name in config.class_levels:
        named.setdefault(name, ("the gate file", config.line("fail", "classes", name)))
    for check in config.metrics:
        for name, own in check.classes.items():
            named.setdefault(name, ("the gate file", own.line))
    for row in () if baseline is None else baseline.class_rows:
        if row.get("n") != 0:
            named.setdefault(str(row.get("class_name")), ("the baseline", 0))
    yield from ((name, where, line) for name, (where, line) in named.items())


def _state(config: GateConfig, state: str, check: str, subject: str, sentence: str, line: int) -> GateRow:
    status = NOT_JUDGED if config.allows(state, subject, check) else FAILED
    return GateRow("run", subject, check, None, None, None, None, status, sentence, state=state, line=line)


def _passed(check: str, sentence: str, line: int) -> GateRow:
    return GateRow("run", "", check, None, None, None, None, PASSED, sentence, line=line)
