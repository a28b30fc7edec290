"""What every format says of a check: its title, its help, and text that any reader takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bias_audit.gate.values import GateRow
from bias_audit.rule_texts import explain_rule, rule_codes

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


def is_rule(check: str) -> bool:
    """Whether a check is one of the rules, not a number of gate.toml."""
    return check in rule_codes()


def check_text(check: str) -> CheckText:
    """What a check is: the rule's text, or what a threshold of gate.toml does."""
    if is_rule(check):
        rule = explain_rule(check)
        return CheckText(rule.title, " ".join(rule.summary.split()), rule.plain(), rule.markdown(), rule.repair)
    title = f"threshold {check}"
    summary = f"A number of the run, {check}, is held against the bound that the gate file sets."
    text = f"{summary} Columns are explained at the end of report.html. Change the bound only with a reason."
    return CheckText(title, summary, text + "\n", text + "\n")
