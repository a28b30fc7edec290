"""What every format says of a check: its title, its help, and text that any reader takes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from bias_audit.checks.rule_texts import explain_rule, rule_codes
from bias_audit.gate.settings import BOUNDS
from bias_audit.gate.states import STATES
from bias_audit.gate.values import FAILED, GateResult, GateRow

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow (2.2 Characters): control characters, halves of surrogate pairs, two non-characters."""


@dataclass(frozen=True)
class CheckText:
    """What a check is.

    Attributes:
        title: in a few words.
        summary: one sentence.
        plain, markdown: help, for readers of text and of Markdown.
        repair: what to do, Markdown; "" where that depends.
    """

    title: str
    summary: str
    plain: str
    markdown: str
    repair: str = ""


def checks_of(gate: GateResult) -> tuple[GateRow, ...]:
    """The rows; where the gate fails without a failed one, for nothing was judged, a row that says so.

    Readers of CI files count failures: a file without any is green to them, whatever the exit code was.
    """
    if gate.passed or any(row.status == FAILED for row in gate.rows):
        return gate.rows
    row = GateRow("run", "", "judged", None, None, None, None, FAILED, gate.summary, state="nothing was judged")
    return (row, *gate.rows)


def legal(text: str) -> str:
    """The text with characters that XML forbids, and terminals obey, written as their number: `\\x1b`, `\\udc80`."""
    return _ILLEGAL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def one_line(text: str) -> str:
    """`legal` without line breaks."""
    return " ".join(legal(text).split())


def cut(text: str, most: int) -> str:
    """At most so many characters, with a mark where something is missing."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def subject_of(row: GateRow) -> str:
    """What a row is about, for people: the class, the cue, or the data set."""
    if row.cue and row.cue != row.subject:
        return f"{row.cue} ({row.subject})" if row.subject else row.cue
    return row.subject or ("the data set" if row.scope == "dataset" else row.scope)


def name_of(row: GateRow) -> str:
    """A row in a line: "BA201 prediction follows the background: wolf", "min_accuracy: wolf"."""
    what = f"{row.check} {explain_rule(row.check).title}" if is_rule(row.check) else row.check
    return one_line(f"{what}: {subject_of(row)}")


def is_rule(check: str) -> bool:
    """Whether a check is one of the rules, not a number of gate.toml."""
    return check in rule_codes()


@functools.cache
def check_text(check: str) -> CheckText:
    """What a check is: the rule's text, or what a threshold of gate.toml does."""
    if is_rule(check):
        rule = explain_rule(check)
        return CheckText(rule.title, " ".join(rule.summary.split()), rule.plain(), rule.markdown(), rule.repair)
    title = f"{'bound' if check.startswith(_BOUNDS) else 'requirement'} {check} of the gate file"
    summary = "What the gate file asks for beside the rules is not so, or could not be judged."
    states = "\n".join(f"- {state}: {meaning}" for state, meaning in STATES.items())
    text = f"{summary} report.html explains columns. What keeps a check from being judged:\n\n{states}\n"
    return CheckText(title, summary, text, text)


_BOUNDS = tuple(f"{name}_" for name in BOUNDS)
