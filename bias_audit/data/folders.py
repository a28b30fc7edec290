"""Lists the files below a folder, and the folders that could not be listed: none is lost without a word."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

LINKED = "a link to a folder, which is not followed"


@dataclass(frozen=True)
class Listed:
    """What lies below a folder, by name relative to it, with / on every system.

    Attributes:
        files: names of the files, by folder and then by name.
        unread: name of each folder that was not listed -> why, in words; "." is the folder itself.
    """

    files: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def list_files(folder: Path) -> Listed:
    """List the files below a folder; links to folders are not followed, as in Keras, and count as not listed."""
    found = Listed()

    def refused(error: OSError) -> None:
        found.unread[_below(error.filename or folder, folder)] = error.strerror or str(error)

    for place, folders, names in sorted(os.walk(folder, onerror=refused), key=lambda item: item[0]):
        below = _below(place, folder)
        before = "" if below == "." else f"{below}/"
        found.files.extend(before + name for name in sorted(names))
        found.unread.update({before + name: LINKED for name in folders if os.path.islink(os.path.join(place, name))})
    return found


def _below(path: str | Path, folder: Path) -> str:
    return Path(path).relative_to(folder).as_posix()


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
