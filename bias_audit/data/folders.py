"""Lists the files below a folder, and the folders that could not be listed: none is lost without a word."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LINKED = "a link to a folder, which is not followed"


@dataclass(frozen=True)
class Listed:
    """What lies below a folder.

    Attributes:
        files: paths of the files, by folder and then by name.
        unread: path of each folder that was not listed -> why, in words.
    """

    files: list[Path] = field(default_factory=list)
    unread: dict[Path, str] = field(default_factory=dict)


def list_files(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Listed:
    """List the files below a folder; links to folders are not followed, as in Keras, and count as not listed.

    Args:
        folder: the folder.
        wanted: whether a file or folder of this name is listed; others are left out.
    """
    found = Listed()

    def refused(error: OSError) -> None:
        found.unread[Path(error.filename or folder)] = error.strerror or str(error)

    for place, folders, names in sorted(_walk(folder, wanted, refused), key=lambda item: item[0]):
        found.files.extend(Path(place) / name for name in sorted(names) if wanted(name))
        found.unread.update(
            {Path(place) / name: LINKED for name in folders if os.path.islink(os.path.join(place, name))}
        )
    return found


def _walk(
    folder: Path, wanted: Callable[[str], bool], refused: Callable[[OSError], None]
) -> list[tuple[str, list[str], list[str]]]:
    walked = []
    for place, folders, names in os.walk(folder, onerror=refused):
        folders[:] = [name for name in folders if wanted(name)]
        walked.append((place, list(folders), names))
    return walked


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
