"""The folder of a repair: what it was begun with, so that one that was killed goes on, and nothing else is touched."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from bias_audit.errors import ConfigError, ResultError
from bias_audit.files.text import read_json
from bias_audit.repair.writing import refuse_existing
from bias_audit.run.atomic import guarded, write_atomically
from bias_audit.run.lock import at_end, hold, remove_if_empty

STARTED, CONTENT, PAGE = "started.json", "repair.json", "repair.html"
"""Files of the folder: what the repair was begun with, its numbers, and its page."""

HINT = "Free space or choose another folder with --report."


def open_folder(folder: Path) -> None:
    """Make and lock the folder; where nothing is written into it after that, it is removed at the end of `repair`.

    Raises:
        ConfigError: it holds a finished repair, or something else than one that was begun.
        ResultError: another process writes into it, or it cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{str(folder)!r} is a file, not a folder for the report")
    guarded(lambda: folder.mkdir(parents=True, exist_ok=True), folder, HINT)
    hold(folder, "a repair")
    at_end(functools.partial(remove_if_empty, folder))
    entries = {each.name for each in folder.iterdir()} - {".lock"}
    if (folder / CONTENT).exists():
        raise ConfigError(
            f"{str(folder)!r} holds a finished repair; it was not changed",
            "Remove it, or choose another folder with --report.",
        )
    if entries and not (folder / STARTED).exists():
        raise ConfigError(
            f"{str(folder)!r} is not empty and holds no repair; nothing in it was touched",
            "Choose another folder with --report.",
        )


def begin(folder: Path, key: str, target: Path | None, exported: Path | None) -> bool:
    """Note what the repair is begun with; returns whether it had been begun with the same before.

    Raises:
        ConfigError: it was begun with something else, or a file to write exists already.
    """
    known = read_json(folder / STARTED, ResultError) if (folder / STARTED).exists() else None
    begun = isinstance(known, dict) and known.get("key") == key
    if isinstance(known, dict) and not begun:
        raise ConfigError(
            f"{str(folder)!r} holds an unfinished repair that was begun with another model, other photos or settings",
            "Remove it, or choose another folder with --report.",
        )
    for name, file in (("model", target), ("layer", exported)):
        ours = begun and isinstance(known, dict) and known.get(name) == str(file)
        if file is not None and not ours:
            refuse_existing(file)
    if not begun:
        note(folder, key, target, exported, "")
    return begun


def note(folder: Path, key: str, target: Path | None, exported: Path | None, sha: str) -> None:
    """Note what a repair was begun with, and the hash of the model that it wrote; "" = none is written yet."""
    content = {"key": key, "model": str(target), "layer": str(exported), "sha256": sha}
    write_atomically(folder / STARTED, json.dumps(content).encode(), HINT)
