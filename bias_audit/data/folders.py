"""Lists the files below a folder, and the folders that could not be listed: none is lost without a word."""

from __future__ import annotations

import os
from pathlib import Path

LINKED = "a link to a folder, which is not followed"


def list_files(root: Path, below: str = "") -> tuple[list[str], dict[str, str]]:
    """List the files below a folder; links to folders are not followed, as in Keras, and count as not listed.

    Args:
        root: the folder that names are relative to; they are written with / on every system.
        below: name of the folder in it, "" = the root.

    Returns:
        (names of the files, by folder and then by name; name of each folder that was not listed -> why, in words).
    """
    files: list[str] = []
    unread: dict[str, str] = {}

    def named(path: str | Path) -> str:
        return Path(path).relative_to(root).as_posix()

    def refused(error: OSError) -> None:
        unread[named(error.filename or root / below)] = error.strerror or str(error)

    for place, folders, names in sorted(os.walk(root / below, onerror=refused), key=lambda item: item[0]):
        folder = named(place)
        before = "" if folder == "." else f"{folder}/"
        files.extend(before + name for name in sorted(names))
        unread.update({before + name: LINKED for name in folders if os.path.islink(os.path.join(place, name))})
    return files, unread


def list_folders(root: Path) -> tuple[list[str], list[str], dict[Path, str]]:
    """Names of the folders, and of everything else, directly in a folder; and entries that could not be looked at.

    Raises:
        OSError: the folder cannot be listed.
    """
    folders: list[str] = []
    others: list[str] = []
    unread: dict[Path, str] = {}
    with os.scandir(root) as entries:
        for entry in entries:
            try:
                (folders if entry.is_dir() else others).append(entry.name)
            except OSError as error:
                unread[Path(entry.path)] = error.strerror or str(error)
    return sorted(folders), sorted(others), unread
