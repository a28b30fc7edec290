"""Texts about a check that all formats share: its title, its help, and text without forbidden characters."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from bias_audit.checks.registry import find_rule
from bias_audit.checks.rule_texts import explain_rule
from bias_audit.gate.settings import BOUNDS
from bias_audit.gate.states import STATES
from bias_audit.gate.values import FAILED, GateResult, GateRow
from bias_audit.run.printable import printable


@dataclass(frozen=True)
class CheckText:
    """Texts that explain a check.

    Attributes:
        title: name of the check in a few words.
        summary: what the check is, in a short text.
        plain, markdown: help about the check, as plain text and as Markdown.
        repair: what to do about a failure, as Markdown; "" where that depends on the case.
    """

    title: str
    summary: str
    plain: str
    markdown: str
    repair: str = ""


def checks_of(gate: GateResult) -> tuple[GateRow, ...]:
    """Rows of a result, headed by a failed row of its own where the gate failed because nothing was judged.

    Services that read these files count failures: a file without a failure is green to them, whatever the exit code.
    """
    if gate.passed or any(row.status == FAILED for row in gate.rows):
        return gate.rows
    row = GateRow("run", "", "judged", None, None, None, None, FAILED, gate.summary, state="nothing was judged")
    return (row, *gate.rows)


def one_line(text: str) -> str:
    """The text as `printable` gives it, with every run of white space as one space."""
    return printable(" ".join(text.split()))


def cut(text: str, most: int) -> str:
    """The text, cut to at most `most` characters, with an ellipsis at its end where it was longer."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def subject_of(row: GateRow) -> str:
    """Subject of a row, for people: the class, the cue, the data set, or else the scope."""
    if row.title:
        return row.title
    if row.cue and row.cue != row.subject:
        return f"{row.cue} ({row.subject})" if row.subject else row.cue
    return row.subject or ("the data set" if row.scope == "dataset" else row.scope)


def name_of(row: GateRow) -> str:
    """Name of a row, such as "BA201 prediction follows the background: wolf" or "min_accuracy: wolf"."""
    what = f"{row.check} {explain_rule(row.check).title}" if is_rule(row.check) else row.check
    return one_line(f"{what}: {subject_of(row)}")


def is_rule(check: str) -> bool:
    """Whether a check is the code of a rule; otherwise it is a number or a requirement of gate.toml."""
    return find_rule(check) is not None


@functools.cache
def check_text(check: str) -> CheckText:
    """Texts about a check: those of the rule, or a general text for what a gate file asks for."""
    if is_rule(check):
        rule = explain_rule(check)
        return CheckText(rule.title, " ".join(rule.summary.split()), rule.plain(), rule.markdown(), rule.repair)
    title = f"{'bound' if check.startswith(_BOUNDS) else 'requirement'} {check} of the gate file"
    summary = "What the gate file asks for beside the rules is not so, or could not be judged."
    states = "\n".join(f"- {state}: {meaning}" for state, meaning in STATES.items())
    text = f"{summary} report.html explains columns. What keeps a check from being judged:\n\n{states}\n"
    return CheckText(title, summary, text, text)


_BOUNDS = tuple(f"{name}_" for name in BOUNDS)
