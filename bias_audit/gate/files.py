"""gate.json and gate.md: the verdict in the run folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from bias_audit.atomic import write_atomically
from bias_audit.gate.values import PASSED, STATUSES, GateResult, GateRow
from bias_audit.gate.words import checks, digits

FORMAT_VERSION = 1
"""Version of gate.json."""

_SHOWN = 200
"""Rows per status in gate.md: a job summary is cut at 1 MB, and nobody reads a thousand lines. gate.json holds all."""


def write_gate(result_path: str | Path, gate_result: GateResult) -> tuple[Path, Path]:
    """Write RUN/gate.json and RUN/gate.md, each under a temporary name that is then renamed.

    Returns:
        the two paths.

    Raises:
        ResultError: the folder is missing or cannot be written.
    """
    folder = Path(result_path)
    content = {
        "format_version": FORMAT_VERSION,
        "passed": gate_result.passed,
        "exit_code": gate_result.exit_code,
        "summary": gate_result.summary,
        "counts": {status: gate_result.count(status) for status in STATUSES} | {"ignored": gate_result.ignored},
        "source": gate_result.config.source,
        "thresholds": dict(gate_result.config.values),
        "rows": [asdict(row) for row in gate_result.rows],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    hint = "The verdict stands; free space or make the run folder writable to keep it."
    pages = (("gate.json", text + "\n"), ("gate.md", _markdown(gate_result)))
    json_file, markdown_file = (
        write_atomically(folder / name, page.encode("utf-8", "backslashreplace"), hint) for name, page in pages
    )
    return json_file, markdown_file


_HEAD = ("| scope | subject | check | measured | interval | threshold | what |", "|---|---|---|---|---|---|---|")


def _markdown(gate: GateResult) -> str:
    """gate.md: what failed and what was not judged in full, what passed as a folded list."""
    lines = [f"## {'Passed' if gate.passed else 'Failed'}: background-bias gate", "", _escaped(gate.summary), ""]
    source = "the defaults" if gate.config.source is None else f"<code>{_escaped(gate.config.source)}</code>"
    for status in STATUSES:
        rows = [row for row in gate.rows if row.status == status]
        if not rows:
            continue
        heading = f"{status.capitalize()} ({len(rows)})"
        folded = status == PASSED
        lines += [f"<details><summary>{heading}</summary>", ""] if folded else [f"### {heading}", ""]
        lines += [*_HEAD, *(_line(row) for row in rows[:_SHOWN])]
        if len(rows) > _SHOWN:
            lines += ["", f"and {len(rows) - _SHOWN} more, see gate.json"]
        lines += ["", "</details>", ""] if folded else [""]
    if gate.ignored:
        lines += [f"Ignored on purpose: {checks(gate.ignored)}.", ""]
    return "\n".join([*lines, f"Thresholds: {source}."]) + "\n"


def _line(row: GateRow) -> str:
    interval = "" if row.low is None or row.high is None else f"{digits(row.low)} to {digits(row.high)}"
    measured, threshold = ("" if value is None else digits(value) for value in (row.measured, row.threshold))
    cells = (row.scope, _escaped(row.subject), row.check, measured, interval, threshold, _escaped(row.sentence))
    return f"| {' | '.join(cells)} |"


_ACTIVE = {ord(sign): f"&#{ord(sign)};" for sign in "&<>|`*_[]\\~@#!"}


def _escaped(text: str) -> str:
    """One line that Markdown and HTML show as it is: class names are data, not markup."""
    return " ".join(text.split()).translate(_ACTIVE)
