"""The file of names: names and judgements that reviewers gave to recurring cues, used again by later audits.

The file lies beside the run folders. An entry holds the image and place of the cue's spots, so that it is
recognised among the cues of another model on the same data.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.errors import ConfigError
from bias_audit.files.text import read_json
from bias_audit.review.written import visible
from bias_audit.run.atomic import write_atomically

if TYPE_CHECKING:
    import pandas as pd

FILE = "cues.json"
"""Name of the file of names, in the folder that holds the run folders."""

ARTEFACT, LEGITIMATE = "artefact", "legitimate"
JUDGEMENTS = (ARTEFACT, LEGITIMATE)
"""The judgements that a reviewer may give to a cue."""

TYPICAL = 50
"""Largest number of spots that an entry keeps, the most typical ones of its cue."""

MOST_NAMED = 12
"""Largest number of cues that are named where one is asked for that is not there."""

SAME = 0.5
"""Smallest share of an entry's spots that a cue must have to be the same one."""

PLACE = ["x", "y", "width", "height"]
"""Where a spot lies in its image, as shares of the image's width and height."""

_HINT = "Free space or make the folder writable."


def read_names(file: Path) -> list[dict[str, Any]]:
    """Read the entries of a file of names; [] where the file does not exist.

    Returns:
        one dictionary per named cue, with name, judgement and spots.

    Raises:
        ConfigError: the file cannot be read, or is no file of names.
    """
    content = read_json(file, ConfigError, "the file of names of cues")
    if content is None:
        return []
    entries = content.get("cues") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        raise ConfigError(
            f"{str(file)!r} is no file of names: expected an object with a list 'cues' of name, judgement and spots",
            "It is written by bias-audit name.",
        )
    return entries


def called(titles: Mapping[str, str], asked: str) -> str:
    """The id of the cue that a user means.

    Args:
        titles: id of each recurring cue of a run -> its title (`run.cue_titles`).
        asked: a title, or an id.

    Raises:
        ConfigError: the run has no such cue.
    """
    found = next((one for one, title in titles.items() if title == asked), asked)
    if found not in titles:
        known = ", ".join(repr(title) for title in list(titles.values())[:MOST_NAMED])
        more = f" and {len(titles) - MOST_NAMED} more, see the report" if len(titles) > MOST_NAMED else ""
        hint = f"Its cues: {known}{more}." if titles else "No recurring cue was found in it."
        raise ConfigError(f"the run has no cue {asked!r}", hint)
    return found


def name_cue(
    spots: pd.DataFrame, cue_id: str, name: str, judgement: str, file: Path, *, reviewer: str = ""
) -> dict[str, Any]:
    """Add the name of a cue to the file of names; entries of the same cue are replaced.

    Args:
        spots: table `cue_spots` of the run.
        cue_id: id of a cue of that run, see `called`.
        name: the reviewer's name for the cue.
        judgement: one of JUDGEMENTS, or "" for none.
        file: the file of names.
        reviewer: name of the reviewer.

    Returns:
        the new entry.

    Raises:
        ConfigError: the run has no spots of the cue, the name is empty, the judgement is unknown, or the file is
            damaged.
        ResultError: the file cannot be written.
    """
    own = spots[spots["cue_id"] == cue_id].dropna(subset=PLACE).sort_values("rank").head(TYPICAL)
    if own.empty:
        raise ConfigError(f"the run does not say where the cue {cue_id!r} was seen", "Audit the data again.")
    name = visible(name)
    if not name:
        raise ConfigError("a name must not be empty")
    if judgement and judgement not in JUDGEMENTS:
        raise ConfigError(f"a cue is judged {' or '.join(JUDGEMENTS)}, got {judgement!r}")
    spots_kept: list[dict[str, Any]] = [
        {str(key): value for key, value in spot.items()} for spot in own[["image_id", *PLACE]].to_dict("records")
    ]
    entry = {
        "name": name,
        "judgement": judgement,
        "reviewer": visible(reviewer),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "spots": spots_kept,
    }
    kept = [other for other in read_names(file) if _shared(other["spots"], spots_kept) < SAME]
    text = json.dumps({"cues": [*kept, entry]}, ensure_ascii=False, indent=1)
    write_atomically(file, text.encode("utf-8", "backslashreplace"), _HINT)
    return entry


def named(
    cues: Sequence[Mapping[str, Any]], spots: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of the table `cues`, each with the name and judgement of the entry that shares most spots with it.

    Args:
        cues: rows of the table `cues`.
        spots: rows of the table `cue_spots`.
        entries: entries of the file of names; a cue must have SAME of an entry's spots to get its name.
    """
    places: dict[str, list[Mapping[str, Any]]] = {}
    for spot in spots:
        places.setdefault(spot["cue_id"], []).append(spot)
    rows = []
    for row in cues:
        own = places.get(row["cue_id"], [])
        shares = [_shared(entry["spots"], own) for entry in entries]
        best = max(range(len(entries)), key=lambda i, shares=shares: shares[i], default=None)  # type: ignore[misc]
        if best is None or shares[best] < SAME:
            rows.append(dict(row))
        else:
            rows.append({**row, "name": entries[best]["name"], "judgement": entries[best]["judgement"]})
    return rows


def _shared(entry: Sequence[Mapping[str, Any]], spots: Sequence[Mapping[str, Any]]) -> float:
    """Share of an entry's spots, 0..1, at whose place in the same image the cue has a spot too."""
    places: dict[str, list[tuple[float, float]]] = {}
    for spot in spots:
        places.setdefault(spot["image_id"], []).append((spot["x"], spot["y"]))
    hits = [
        any(
            abs(x - spot["x"]) <= spot["width"] / 2 and abs(y - spot["y"]) <= spot["height"] / 2
            for x, y in places.get(spot["image_id"], [])
        )
        for spot in entry
    ]
    return sum(hits) / len(hits)


def _is_entry(entry: Any) -> bool:
    """Whether a value is an entry of a file of names, with a name, a judgement and spots."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and bool(visible(entry["name"]))
        and entry.get("judgement") in (*JUDGEMENTS, "")
        and isinstance(entry.get("spots"), list)
        and len(entry["spots"]) > 0
        and all(
            isinstance(spot, dict)
            and isinstance(spot.get("image_id"), str)
            and all(isinstance(spot.get(key), int | float) for key in PLACE)
            for spot in entry["spots"]
        )
    )
