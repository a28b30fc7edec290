"""What recurring cues are called where people read of them: a name, or "cue 1 of wolf". Imports nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def cue_titles(cues: Iterable[Mapping[Any, Any]]) -> dict[str, str]:
    """Id of each recurring cue -> its title: the name that a reviewer gave it, else its number within its class.

    Cues are numbered by the images in which they are looked at, most first, then by id; those with a name count too, so
    that naming one renames no other.

    Args:
        cues: rows of the table `cues`, of which cue_id, name, class_name and n are used; a number may be
            text, as in a CSV file.
    """
    counted: dict[str, int] = {}
    titles: dict[str, str] = {}
    for row in sorted(cues, key=lambda row: (-int(float(row.get("n") or 0)), str(row["cue_id"]))):
        name = str(row["class_name"] or "")
        counted[name] = counted.get(name, 0) + 1
        number = f"cue {counted[name]} of {name}" if name else f"cue {counted[name]}"
        titles[str(row["cue_id"])] = str(row.get("name") or "") or number
    return titles
