"""Titles of recurring cues for readers: the reviewer's name, else "cue 1 of wolf" in the place of an id."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bias_audit.report.cells import records
from bias_audit.run import cue_titles as titles
from bias_audit.run.result import AuditResult


def cue_titles(result: AuditResult) -> dict[str, str]:
    """Id of each recurring cue of a run -> its title."""
    return titles.cue_titles(records(result.cues.reset_index()))


def with_titles(text: str, named: Mapping[str, str]) -> str:
    """A sentence of a rule with titles in the place of the ids of cues, which runs of older versions have."""
    for cue, title in named.items():
        pieces = re.split(rf"(?:the recurring cue )?(?<!\w){re.escape(cue)}(?!\w)", text)
        text = title.join(pieces)
    return text
