"""Titles of recurring cues for readers: the reviewer's name, else "cue 1 of wolf" in the place of an id."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bias_audit.report.cells import records
from bias_audit.run.result import AuditResult


def cue_titles(result: AuditResult) -> dict[str, str]:
    """Id of each recurring cue of a run -> its title.

    Cues without a name are counted within their class, in the order of the table.
    """
    counted: dict[str, int] = {}
    titles = {}
    for row in records(result.clusters.reset_index()):
        name = str(row["class_name"] or "")
        counted[name] = counted.get(name, 0) + 1
        place = f"cue {counted[name]} of {name}" if name else f"cue {counted[name]}"
        titles[str(row["cluster_id"])] = str(row["name"] or place)
    return titles


def with_titles(text: str, titles: Mapping[str, str]) -> str:
    """A sentence of a rule with titles in the place of the ids of cues."""
    for cue, title in titles.items():
        pieces = re.split(rf"(?:the recurring cue )?(?<!\w){re.escape(cue)}(?!\w)", text)
        text = title.join(pieces)
    return text
