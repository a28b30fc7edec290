"""Writes gate.md: the verdict for people, short enough for GitHub's step summary."""

from __future__ import annotations

from collections.abc import Iterator

from bias_audit.checks.registry import find_rule
from bias_audit.gate.formats.place import Place
from bias_audit.gate.formats.told import check_text, is_rule, one_line, subject_of
from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED, STATUSES, WAIVED, WARNED, GateResult, GateRow
from bias_audit.gate.words import checks
from bias_audit.run import quantities

LIMIT = 1_000_000
"""Most bytes of the text: GitHub refuses a whole step summary above 1 MiB."""

SHOWN = 200
"""Most rows per status: nobody reads a thousand lines. gate.json holds all rows."""

_HEADINGS = {
    FAILED: "Failed", WARNED: "Warnings", NOT_JUDGED: "Not judged", WAIVED: "Waived", PASSED: "Passed",
}  # fmt: skip

_FOLDED = (NOT_JUDGED, PASSED)
"""Statuses whose tables are closed until somebody opens them: nobody has to act on them."""

_HEAD = (
    "| subject | check | measured | threshold | what | asked for by |",
    "|---|---|---|---|---|---|",
)


def markdown(gate: GateResult, place: Place) -> str:
    """The verdict as Markdown: a table per status, of which those of _FOLDED are closed.

    A table has at most SHOWN rows. While the text is longer than LIMIT, this number is halved.
    """
    shown = SHOWN
    text = _page(gate, place, shown)
    while len(text.encode("utf-8", "backslashreplace")) > LIMIT and shown:
        shown //= 2
        text = _page(gate, place, shown)
    return text


def escaped(text: str) -> str:
    """A text as one line that Markdown and HTML show unchanged: names of classes are data, not markup."""
    return one_line(text).translate(_ACTIVE)


_ACTIVE = {ord(sign): f"&#{ord(sign)};" for sign in "&<>|`*_[]\\~@#!"}


def _page(gate: GateResult, place: Place, shown: int) -> str:
    lines = [f"## {'Passed' if gate.passed else 'Failed'}: background-bias gate", "", escaped(gate.summary), ""]
    lines += _beside(place)
    for status in STATUSES:
        rows = [row for row in gate.rows if row.status == status]
        if rows:
            lines += _section(status, rows, shown)
    for heading, sentences in (("Gone since the baseline", gate.resolved), ("Notes", gate.notes)):
        if sentences:
            lines += [f"### {heading}", "", *(f"- {escaped(sentence)}" for sentence in sentences[:shown])]
            lines += [f"- and {len(sentences) - shown} more, see gate.json"] if len(sentences) > shown else []
            lines.append("")
    lines += _help(gate)
    if gate.ignored:
        lines += [f"Ignored on purpose: {checks(gate.ignored)}.", ""]
    source = "the defaults" if gate.config.source is None else f"<code>{escaped(gate.config.source)}</code>"
    compared = f" Compared with <code>{escaped(gate.baseline)}</code>." if gate.baseline else ""
    return "\n".join([*lines, f"Thresholds: {source}.{compared}"]) + "\n"


def _section(status: str, rows: list[GateRow], shown: int) -> Iterator[str]:
    heading = f"{_HEADINGS[status]} ({len(rows)})"
    folded = status in _FOLDED
    yield from (f"<details><summary>{heading}</summary>", "") if folded else (f"### {heading}", "")
    yield from (*_HEAD, *(_line(row) for row in rows[:shown]))
    if len(rows) > shown:
        yield from ("", f"and {len(rows) - shown} more, see gate.json")
    yield from ("", "</details>", "") if folded else ("",)


def _beside(place: Place) -> Iterator[str]:
    """The picture of the run and the path of its page, where there are such files."""
    if place.picture:
        yield from (f"![An object on backgrounds of its own class and of other classes]({place.picture})", "")
    if place.report:
        yield from (f"Report: <code>{escaped(place.report)}</code>", "")


def _line(row: GateRow) -> str:
    said = f"{row.change}: {row.sentence}" if row.change else row.sentence
    said += f" Waived: {row.waiver}" if row.waiver and row.waiver not in row.sentence else ""
    cells = (_about(row), _check(row), *_numbers(row), said, row.origin)
    return f"| {' | '.join(map(escaped, cells))} |"


def _about(row: GateRow) -> str:
    about = subject_of(row)
    return about if row.scope == "class" or row.title or not (row.subject or row.cue) else f"{row.scope} {about}"


def _check(row: GateRow) -> str:
    return f"{check_text(row.check).title} ({row.check})" if is_rule(row.check) else row.check


def _numbers(row: GateRow) -> tuple[str, str]:
    """What was measured, with its interval and in its unit, and the threshold; "" for what is missing."""
    rule = find_rule(row.check)
    name = f"{rule.measures[0]} " if rule else ""
    measured = "" if row.measured is None else name + quantities.interval(row.measured, row.low, row.high, row.unit)
    return measured, "" if row.threshold is None else quantities.bound(row.threshold, row.unit)


def _help(gate: GateResult) -> Iterator[str]:
    """A folded section for every rule with a failed check, with the advice of `bias-audit rule`."""
    for code in sorted({row.check for row in gate.rows if row.status == FAILED and is_rule(row.check)}):
        text = check_text(code)
        yield from (f"<details><summary>What to do about {code}: {text.title}</summary>", "", text.repair)
        yield from ("", f"All of it: `bias-audit rule {code}`", "", "</details>", "")
