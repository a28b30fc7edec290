"""Writes a first gate.toml from a run. The file accepts nothing: findings and named states go on failing."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

from bias_audit.checks.outcomes import class_of
from bias_audit.checks.registry import with_role
from bias_audit.checks.thresholds import of_run
from bias_audit.errors import ConfigError
from bias_audit.gate.example import comment, levels
from bias_audit.gate.metrics import CLASS, MetricValue, measured
from bias_audit.gate.settings import GateConfig
from bias_audit.gate.values import FAILED, GateRow
from bias_audit.gate.verdict import judge
from bias_audit.run.atomic import write_atomically
from bias_audit.run.quantities import interval
from bias_audit.run.result import AuditResult

MARGIN = 0.05
"""Distance of a threshold from the present bound: another training of the same model moves the bound a little."""

STEP = 0.05
"""Thresholds are rounded to multiples of this, away from the present bound."""

STARTED = (("background_gap", "max"), ("other_background_accuracy", "min"), ("accuracy", "min"))
"""Class metrics that get a threshold, with the kind of bound."""


def write_start(result: AuditResult, target: Path) -> str:
    """Write the text of `start` to a new file.

    Returns:
        a sentence for the terminal about what was written.

    Raises:
        ConfigError: the file exists already.
        ResultError: the file cannot be written.
    """
    if target.exists() or target.is_symlink():
        raise ConfigError(
            f"{str(target)!r} exists already, and --init overwrites nothing",
            "Name another file with --gate FILE, or remove this one.",
        )
    write_atomically(target, start(result, target.parent).encode("utf-8"), "Name another file with --gate FILE.")
    return f"{target}: thresholds from {result.path}. Findings and named states still fail; the file lists them."


def start(result: AuditResult, folder: Path | None = None) -> str:
    """The text of a gate.toml for a run.

    A threshold lies MARGIN beyond the worst bound of the classes that no rule accuses: an accused class is no measure
    for the others. Present findings stand as comments: to accept one, somebody has to write a reason, a name and a
    date.

    Args:
        result: the run.
        folder: folder from which the text names the run folder; None = the path as the run has it.
    """
    run = os.path.relpath(result.path, folder) if folder is not None else result.path
    failing = [row for row in judge(result, GateConfig()).rows if row.status == FAILED]
    lines = [
        *comment(f"Written by `bias-audit gate --init` from {_plain(str(run))}: {_plain(result.info.name)}."),
        "# `bias-audit gate --example` explains every table and key.",
        "",
        *_states(failing),
        *_judged_by(result),
        f"classes = {_toml([str(row.get('class_name')) for row in result.class_rows])}",
        "",
        *levels(),
        "[provenance]",
        "require_same_data = true",
        *_content(result),
        "",
        *_thresholds(result),
        *_findings([row for row in failing if row.level and not row.state], result),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _states(failing: list[GateRow]) -> Iterator[str]:
    states = [row for row in failing if row.state]
    if not states:
        yield from comment("Everything that had to be judged was judged, so no named state needs to be allowed.")
        yield "allow = []"
        yield ""
        return
    yield from comment("These checks could not be judged, and fail the gate until they can or until you allow them:")
    for row in states:
        yield from comment(
            f"  {row.check} {_plain(row.title or row.subject)}: {row.state}. {_plain(row.sentence)}", "    "
        )
    wanted = list(dict.fromkeys(row.state for row in states))
    yield f"# allow = {_toml(wanted)}"
    yield "allow = []"
    yield ""


def _judged_by(result: AuditResult) -> Iterator[str]:
    laxer = of_run(result.info.thresholds, str(result.path)).laxer()
    if laxer:
        yield from comment(
            "The rules of this run used thresholds other than the defaults. To require exactly these, remove the #:"
        )
        yield "# [require.thresholds]"
        for name, value in laxer.items():
            yield f"# {name} = {value}"
        yield ""


def _content(result: AuditResult) -> Iterator[str]:
    if result.info.content:
        yield "# Remove the # to judge runs on exactly these images and labels only:"
        yield f"# content = {_toml(result.info.content)}"


def _thresholds(result: AuditResult) -> Iterator[str]:
    accusing = with_role("tests reliance", "accuses a class")
    guilty = {class_of(one) for one in result.outcomes if one.found and one.code in accusing}
    for name, kind in STARTED:
        found = measured(result, "class", name) or []
        clean = [one for one in found if one.subject not in guilty and _end(one, kind) is not None]
        yield from comment(
            f"{name}: " + "; ".join(f"{_plain(one.subject)} {_shown(name, one)}" for one in found[:10])
            + (f"; and {len(found) - 10} more classes" if len(found) > 10 else "")
        )  # fmt: skip
        if not clean:
            yield from comment(
                "No class has this number, or each has a finding, so there is nothing to set a bound by."
            )
            yield ""
            continue
        ends = [end for one in clean if (end := _end(one, kind)) is not None]
        worst = max(ends) if kind == "max" else min(ends)
        yield "[[metric]]"
        yield 'table = "class"'
        yield f"name = {_toml(name)}"
        yield f"{kind} = {_beyond(worst, kind):g}"
        yield ""


def _findings(rows: list[GateRow], result: AuditResult) -> Iterator[str]:
    if not rows:
        return
    yield from comment(
        "Present findings, each of which fails the gate. Repair them. Where the background may decide, uncomment a "
        "block and fill in reason, owner and expires (a day such as 2027-01-31); a block in which one of them is empty "
        "is refused."
    )
    levels_of = {(row.check, row.subject, row.cue): row for row in rows}
    for row in levels_of.values():
        yield from comment(_plain(row.sentence))
        yield "# [[waive]]"
        yield f"# finding = {_toml(row.finding_id)}"
        # Empty, not absent: without the # the file is still TOML, and reading it names what is to be filled in.
        yield '# reason = ""'
        yield '# owner = ""'
        yield '# expires = ""'
        yield f"# level = {_toml(row.level)}"
        for name, value in (("measured", row.measured), ("low", row.low), ("high", row.high)):
            if value is not None:
                yield f"# {name} = {value:z.4g}"
        yield ""


def _end(one: MetricValue, kind: str) -> float | None:
    return one.high if kind == "max" else one.low


def _beyond(bound: float, kind: str) -> float:
    """The threshold for a present bound: MARGIN beyond it, rounded away from it, within 0..1."""
    if kind == "max":
        return min(1.0, max(0.0, math.ceil(round((bound + MARGIN) / STEP, 6)) * STEP))
    return max(0.0, min(1.0, math.floor(round((bound - MARGIN) / STEP, 6)) * STEP))


def _shown(name: str, one: MetricValue) -> str:
    return "not known" if one.value is None else interval(one.value, one.low, one.high, CLASS[name].unit)


def _toml(value: str | list[str]) -> str:
    """A TOML string or array: JSON's escapes are TOML's, except for DEL and halves of surrogate pairs."""
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f").encode("utf-8", "replace").decode()


def _plain(text: str) -> str:
    """A text fit for a comment: one line, no control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
