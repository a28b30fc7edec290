"""Writes a page with some findings of a run and nothing else of it, to hand on: no script, one file, no network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.errors import ConfigError
from bias_audit.report import figures
from bias_audit.report.anonymous import anonymous as hidden
from bias_audit.report.gallery import PICTURE_BUDGET
from bias_audit.report.page import read_pictures
from bias_audit.report.rendering import render_static
from bias_audit.report.summary import summarise
from bias_audit.run.atomic import guarded, write_atomically
from bias_audit.run.identity import cue_of
from bias_audit.run.result import AuditResult
from bias_audit.run.verdict_text import without_level

NAME = "marked.html"
"""File in the run folder."""

MOST_NAMED = 12
"""Most findings that are named where one is asked for that is not there."""


def write_marked(
    result: AuditResult,
    only: Sequence[str],
    *,
    images: str = "flagged",
    anonymous: bool = False,
    out: str | Path | None = None,
) -> Path:
    """Write a page with the marked findings, below the verdict of the whole run.

    Args:
        result: a finished run.
        only: findings as SUBJECT/CODE, such as "wolf/BA201"; CODE alone = all findings of the rule.
        images: "none" = without pictures.
        anonymous: replace names of files, folders and reviewers, see `anonymous.anonymous`.
        out: path of the page; None = NAME in the run folder.

    Returns:
        path of the page.

    Raises:
        ConfigError: the run has no such finding.
        ResultError: the run is damaged, or the page cannot be written.
    """
    marked = find(result, only)
    part = dataclasses.replace(result, outcomes=tuple(marked))
    summary = summarise(part, {} if images == "none" else read_pictures(result.path), PICTURE_BUDGET)
    if anonymous:
        summary = hidden(summary, part)
    # The verdict is that of the whole run: the findings that were left out are no reason for a better one.
    whole = {"level": result.level, "sentence": without_level(result.verdict)}
    page = result.path / NAME if out is None else Path(out)
    hint = "Free space or make the folder writable."
    guarded(lambda: page.parent.mkdir(parents=True, exist_ok=True), page.parent, hint)
    return write_atomically(page, _page({**summary, "whole": whole}, len(result.found())), hint, own=out is None)


def find(result: AuditResult, only: Sequence[str]) -> list[RuleOutcome]:
    """The findings of a run that are named as SUBJECT/CODE or CODE, worst first.

    Raises:
        ConfigError: a name that no finding has.
    """
    found = result.found()
    names = [_names(outcome) for outcome in found]
    for asked in only:
        if not any(asked in each for each in names):
            known = ", ".join(each[0] for each in names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
            hint = f"Found are: {known}." if names else "This run has no findings."
            raise ConfigError(f"the run has no finding {asked!r}", hint)
    return [outcome for outcome, each in zip(found, names, strict=True) if set(each) & set(only)]


def _names(outcome: RuleOutcome) -> list[str]:
    """What a finding goes by; the first is its own alone."""
    subjects = dict.fromkeys(each for each in (outcome.subject, cue_of(outcome)) if each)
    return [*(f"{subject}/{outcome.code}" for subject in subjects), outcome.code]


def _page(summary: Mapping[str, Any], total: int) -> bytes:
    used = set(_keys(summary["findings"]))
    pictures = [picture for picture in summary["pictures"] if picture["key"] in used]
    values = {
        **summary,
        "total": total,
        "outlines": [entry for entry in summary["outlines"] if entry["key"] in used],
    }
    return render_static("marked.html", values, ("page.css", "marked.css"), figures.picture_rules(pictures))


def _keys(value: Any) -> Iterator[str]:
    """Keys of all pictures that a part of the summary shows."""
    if isinstance(value, Mapping):
        if isinstance(value.get("key"), str):
            yield value["key"]
        for each in value.values():
            yield from _keys(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _keys(each)
