"""Files below one root, by their names relative to it: what lists a data set need not know where its bytes lie."""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bias_audit.data.addresses import Url, is_address
from bias_audit.data.dataset import printable_path
from bias_audit.data.folders import list_files, list_folders
from bias_audit.data.locations import Location
from bias_audit.data.patterns import halves, is_pattern, names_of
from bias_audit.errors import DataError, reason_of
from bias_audit.limits.bounds import DEFAULTS

if TYPE_CHECKING:
    from bias_audit.data.archives import Archive
    from bias_audit.data.remote.reach import Reach


@dataclass(frozen=True)
class Listing:
    """Files below a folder of a tree.

    Attributes:
        files: names of the files relative to the tree's root, with /, by folder and then by name.
        unread: name of each folder that was not listed -> why, in words.
    """

    files: list[str] = field(default_factory=list)
    unread: Mapping[str, str] = field(default_factory=dict)


class Tree(ABC):
    """A root with files below it. Names are relative to the root, with / on every system and without . and .."""

    @abstractmethod
    def __str__(self) -> str:
        """The root as the user knows it."""

    @abstractmethod
    def top(self) -> tuple[list[str], list[str], dict[str, str]]:
        """(names of the folders, names of all else, entries that could not be looked at with reasons), at the root.

        Raises:
            DataError: the root cannot be listed.
        """

    @abstractmethod
    def files(self, below: str = "") -> Listing:
        """All files below a folder, "" = the root, whatever their depth. No folder of that name: no files."""

    @abstractmethod
    def location(self, name: str) -> Location:
        """Where the bytes of a file lie; whether it is there shows when it is read."""

    @abstractmethod
    def named(self, value: str, where: str, *, below: str = "", outside: bool = False) -> tuple[str, Location]:
        """The file that a file of the data set names.

        Args:
            value: the name as it is written, relative to `below`, or absolute, with / or \\.
            where: file and row, for the message.
            below: folder that names are relative to, "" = the root.
            outside: whether it may leave the root.

        Returns:
            (image id of the file: its name in the tree, or the path of one outside; where it lies).

        Raises:
            DataError: no name, or one that leaves the root.
        """

    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""
        folder, _, _ = name.rpartition("/")
        return name in self.files(folder).files

    def absent(self, name: str) -> str:
        """Why there is no file of this name that can be read, as the end of a sentence; "" where there is one."""
        return "" if self.has(name) else "there is no such file"

    def reserve(self, names: Iterable[str]) -> None:  # noqa: B027 - what lies here needs no room
        """Refuse files that cannot be read in part: what lies elsewhere has to be kept here as a whole.

        Raises:
            DataError: as said.
        """

    def ignored(self) -> Mapping[str, str]:
        """Names of what lies in it and is no file that can be read -> what it is, in words."""
        return {}

    def inner(self) -> Tree:
        """The tree below the folder that holds all that is packed; a tree that nobody packed is its own."""
        return self


@dataclass(frozen=True)
class Folder(Tree):
    """A folder on disk."""

    path: Path
    reach: Reach | None = field(default=None, compare=False, repr=False)
    """What may be fetched for a file of the data set that names an address; None = the defaults."""

    def __str__(self) -> str:
        return str(self.path)

    def top(self) -> tuple[list[str], list[str], dict[str, str]]:
        try:
            folders, others, unread = list_folders(self.path)
        except OSError as error:
            raise DataError(f"cannot read the folder {str(self.path)!r}: {reason_of(error)}") from error
        return folders, others, {self._name(path): why for path, why in unread.items()}

    def files(self, below: str = "") -> Listing:
        files, unread = list_files(self.path, below)
        if not os.path.exists(self.path / below):
            unread.pop(PurePosixPath(below).as_posix(), None)
        return Listing(files, unread)

    def location(self, name: str) -> Location:
        return self.path / name

    def has(self, name: str) -> bool:
        return os.path.isfile(self.path / name)  # unlike that of a path, it says no where a name is too long

    def named(self, value: str, where: str, *, below: str = "", outside: bool = False) -> tuple[str, Location]:
        root = self._root
        refuse_no_path(value, where)
        if is_address(value):
            from bias_audit.data.remote.reach import Reach
            from bias_audit.data.remote.tree import outside_location

            return outside_location(value, where, str(self), self.reach or Reach(), outside=outside)
        try:
            path = (root / below / value.replace("\\", "/")).resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
            raise DataError(f"{where}: {value!r} is no path that can be followed: {error}") from error
        if path.is_relative_to(root):
            return printable_path(path, root), path
        if not outside:
            raise DataError(
                f"{where}: {value!r} leaves the folder {str(self)!r}",
                "Allow it with --allow-outside, if you trust what names it.",
            )
        return path.as_posix(), path

    @functools.cached_property
    def _root(self) -> Path:
        """The folder after links are followed, which is looked up once: a file may name a million others."""
        return self.path.resolve()

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()


@dataclass(frozen=True)
class Place:
    """Where a data set lies: a tree, or a file in one.

    Attributes:
        tree: the tree.
        file: name of the file in it, or a pattern of names; "" = the data set is the tree as a whole.
        named: names of the files that the pattern stands for, all of which are there; () = it is no pattern.
    """

    tree: Tree
    file: str = ""
    named: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.tree) if not self.file else f"{self.tree}/{self.file}"

    @property
    def suffix(self) -> str:
        """Suffix of the file in small letters, with its dot; "" for a tree."""
        return PurePosixPath(self.file).suffix.lower()

    @property
    def location(self) -> Location:
        """Where the bytes of the file lie."""
        return self.tree.location(self.file)


def exists(data: Path | Url) -> bool:
    """Whether something lies at a path, or may lie there in an archive: photos.zip/table.csv; or at an address.

    A path with braces, which nothing is called, is a pattern.
    """
    from bias_audit.data.archives import archive_of

    return isinstance(data, Url) or os.path.exists(data) or archive_of(data) is not None or is_pattern(str(data))


def is_tree(path: Path | Url) -> bool:
    """Whether a path is a folder or an archive, or leads into one (photos.zip/masks); an address may be one."""
    from bias_audit.data.archives import archive_of

    return isinstance(path, Url) or path.is_dir() or archive_of(path) is not None


def tree_of(path: Path | Url, reach: Reach | None = None) -> Tree:
    """The tree of a folder, of an archive as a whole, or of what lies elsewhere.

    Raises:
        DataError: an archive that cannot be read, or a file elsewhere.
    """
    if not isinstance(path, Url) and path.is_dir():
        return Folder(path, reach)
    if (packed := _packed_at(path, reach)) is not None and not packed[1]:
        return packed[0]
    place = place_of(path, reach)
    if place.file:
        raise DataError(f"{str(path)!r} is a file, not a folder")
    return place.tree


def place_of(data: Path | Url, reach: Reach | None = None) -> Place:
    """The place that a path, which exists, or an address names; in an archive a file or a folder: photos.zip/table.csv.

    Args:
        data: the path or the address; with braces, which nothing on disk is called, a pattern of names.
        reach: what may be fetched, and what a file may cost; None = the defaults.

    Raises:
        DataError: an archive that cannot be read, no such file in it, a pattern that is wrong, or one that names a file
            that is not there.
    """
    if isinstance(data, Path) and os.path.isdir(data):
        return Place(Folder(data, reach))
    if is_pattern(str(data)) and (isinstance(data, Url) or not os.path.exists(data)):
        return _pattern_at(data, reach)
    packed = _packed_at(data, reach)
    if packed is None:
        if isinstance(data, Path):
            return Place(Folder(data.parent, reach), data.name)
        from bias_audit.data.remote.reach import Reach
        from bias_audit.data.remote.tree import remote_place

        return remote_place(data, reach or Reach())
    tree, name = packed
    if not name:
        return Place(tree.inner())
    if not tree.has(name) and not tree.files(name).files:
        raise DataError(f"no {name!r} in the archive {str(tree)!r}")
    if not tree.has(name):
        return Place(tree.below(name))
    folder, _, file = name.rpartition("/")
    return Place(tree.below(folder) if folder else tree, file)


def _packed_at(data: Path | Url, reach: Reach | None) -> tuple[Archive, str] | None:
    """(the archive that a path or an address names or leads into, name in it or ""); None = no archive."""
    from bias_audit.data.archives import archive_of, open_archive

    limits = DEFAULTS if reach is None else reach.limits
    if isinstance(data, Url):
        from bias_audit.data.remote.reach import Reach
        from bias_audit.data.remote.tree import remote_archive

        found = remote_archive(data, reach or Reach())
        return None if found is None else (open_archive(found[0], limits), found[1])
    if (path := archive_of(data)) is None:
        return None
    return open_archive(path, limits), "" if path == data else data.relative_to(path).as_posix()


def _pattern_at(data: Path | Url, reach: Reach | None) -> Place:
    """The place of the files that a pattern names."""
    said, limits = repr(str(data)), DEFAULTS if reach is None else reach.limits
    tree: Tree
    if isinstance(data, Url):
        from bias_audit.data.remote.reach import Reach
        from bias_audit.data.remote.tree import remote_pattern

        tree, pattern = remote_pattern(data, reach or Reach())
    else:
        root, pattern = halves(data.as_posix())
        folder = Path(root or ("/" if data.is_absolute() else "."))
        if not os.path.isdir(folder):
            raise DataError(f"no data at {said}: there is no folder {str(folder)!r}")
        tree = Folder(folder, reach)
    named = names_of(pattern, said, limits)
    if missing := {name: why for name in named if (why := tree.absent(name))}:
        name, why = next(iter(missing.items()))
        raise DataError(
            f"the pattern {said} names {len(named)} files, of which {len(missing)} cannot be read, the first "
            f"{name!r}: {why}",
            "Name the files that are there: what is missing may be what the audit would have found.",
        )
    return Place(tree, pattern, named)


def refuse_no_path(value: str, where: str) -> None:
    """Refuse what a file of a data set names where it is no path; see `Tree.named`."""
    if not value:
        raise DataError(f"{where}: no image path")
    if "\0" in value:
        raise DataError(f"{where}: {value!r} is no path, it holds a zero byte")


def printable_name(name: str) -> str:
    """A name of a file as text; bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()
