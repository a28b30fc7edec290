"""Takes the text of a verdict apart: the level that leads it, and its sentences. Nothing is decided by them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bias_audit.checks.outcomes import LEVELS, NO_LEVELS

_SENTENCE_ENDS = re.compile(r"(?<=[.!?]) (?=\S)")


def without_level(verdict: str) -> str:
    """The verdict without the level that stands before it; a run of an older version may name another one there."""
    led = next((name for name in (*LEVELS, *NO_LEVELS) if verdict.startswith(f"{name}: ")), "")
    said = verdict[len(led) + 2 :] if led else verdict
    return said[:1].upper() + said[1:]


def sentences(text: str, names: Sequence[str]) -> list[str]:
    """The sentences of a verdict, at least one, maybe empty; joined by a space they are the text.

    Args:
        text: the verdict, without its level.
        names: names of the classes; a full stop within one, or in brackets, ends no sentence.
    """
    within: set[int] = set()
    for name in filter(None, names):
        for match in re.finditer(re.escape(name), text):
            within.update(range(match.start(), match.end()))
    parts, begin = [], 0
    for match in _SENTENCE_ENDS.finditer(text):
        said = text[begin : match.start()]
        if match.start() not in within and said.count("(") == said.count(")"):
            parts.append(said)
            begin = match.end()
    return [*parts, text[begin:]]
