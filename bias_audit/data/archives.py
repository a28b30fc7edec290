"""Zip and tar archives as trees: what lies in them is read in place, and bounded as a file is.

Nothing is unpacked to disk, so no name of a member can lead anywhere. What is not read is named: links and names that
would lead out (`Archive.ignored`); members that are encrypted, stored twice or too large are there and fail when they
are read, so that each picture is a row with its reason.
"""

from __future__ import annotations

import functools
import os
import posixpath
import re
import stat
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bias_audit.data import tar_index
from bias_audit.data.archive_members import Member, Part
from bias_audit.data.locations import File, Location, open_file
from bias_audit.data.remote.failing import NotFetched
from bias_audit.data.trees import Listing, Tree, printable_name, refuse_no_path
from bias_audit.errors import DataError, reason_line
from bias_audit.limits.bounds import DEFAULTS, Limits

ZIP, TAR = ".zip", ".tar"
COMPRESSED = (".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4")
SUFFIXES = (ZIP, TAR, *COMPRESSED)
_MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")

NOTES_OF_MACOS = "__MACOSX"
"""Folder that macOS puts into archives beside what was packed; its own unpacker takes it away again."""

LONGEST_NAME = 4_096
LEADS_OUT = "a name that would lead out of the archive"
TWICE = "the archive holds more than one file of this name"
ABSENT = "no such file in the archive"


@dataclass(frozen=True)
class Index:
    """What lies in an archive.

    Attributes:
        parts: name of each file, with / and without . and .. -> where it lies.
        ignored: names of members that are no such files -> why, in words.
        unread: why nothing is known of what follows the last of them; "" = it was listed to its end.
        state: what `open_file` said of the archive.
    """

    parts: Mapping[str, Part]
    ignored: Mapping[str, str]
    unread: str
    state: str


@dataclass(frozen=True)
class Archive(Tree):
    """The files of an archive below one of its folders.

    Attributes:
        path: the archive.
        root: the folder, "" = all of it.
        index: what lies in the archive.
        most: most bytes of a file, see `Limits.member_bytes`.
    """

    path: File
    root: str
    index: Index = field(compare=False, repr=False)
    most: int = field(default=Limits.member_bytes, compare=False)

    def __str__(self) -> str:
        return f"{self.path}/{self.root}" if self.root else str(self.path)

    @functools.cached_property
    def _all(self) -> list[str]:
        """Names of all files, by folder and then by name."""
        begin = f"{self.root}/" if self.root else ""
        names = (name.removeprefix(begin) for name in self.index.parts if name.startswith(begin))
        return sorted(names, key=lambda name: name.rpartition("/")[::2])

    @functools.cached_property
    def _names(self) -> dict[str, list[str]]:
        """Folder or "" at the root -> names of the files below it, or at the root, in the same order."""
        found: dict[str, list[str]] = {}
        for name in self._all:
            found.setdefault(name.partition("/")[0] if "/" in name else "", []).append(name)
        return found

    def top(self) -> tuple[list[str], list[str], dict[str, str]]:
        return sorted(set(self._names) - {""}), list(self._names.get("", ())), self._unread()

    def files(self, below: str = "") -> Listing:
        if not below:
            return Listing(list(self._all), self._unread())
        found = self._names.get(below.partition("/")[0], ())
        return Listing([name for name in found if name.startswith(f"{below}/")])

    def location(self, name: str) -> Location:
        full = f"{self.root}/{name}" if self.root else name
        absent = f"{ABSENT}, of which {self.index.unread}" if self.index.unread else ABSENT
        part = self.index.parts.get(full) or Part(refused=absent)
        return Member(self.path, printable_name(full), part, self.index.state, self.most)

    def has(self, name: str) -> bool:
        return (f"{self.root}/{name}" if self.root else name) in self.index.parts

    def named(self, value: str, where: str, *, below: str = "", outside: bool = False) -> tuple[str, Location]:
        refuse_no_path(value, where)
        name = posixpath.normpath(posixpath.join(below, value.replace("\\", "/")))
        if not clean_name(name):
            raise DataError(
                f"{where}: {value!r} leaves {'the folder' if self.root else 'the archive'} {str(self)!r}",
                "Of an archive only what lies in it is read, also with --allow-outside.",
            )
        return printable_name(name), self.location(name)

    def ignored(self) -> Mapping[str, str]:
        return self.index.ignored

    def inner(self) -> Tree:
        root = self
        while True:
            folders, others, _ = root.top()
            seen = [name for name in folders if not name.startswith(".")]
            if len(seen) != 1 or any(not name.startswith(".") for name in others):
                return root
            below = root.below(seen[0])
            if not below.top()[0]:  # a class, or a folder of pictures and their table
                return root
            root = below

    def below(self, folder: str) -> Archive:
        """The tree of a folder of this one."""
        return Archive(self.path, f"{self.root}/{folder}" if self.root else folder, self.index, self.most)

    def _unread(self) -> dict[str, str]:
        return {self.path.name: self.index.unread} if self.index.unread else {}


def archive_of(path: Path) -> Path | None:
    """The archive that a path names, or leads into as photos.zip/table.csv does, by its name; None = no archive."""
    for each in (path, *path.parents):
        if each.name.lower().endswith(SUFFIXES) and os.path.isfile(each):
            return each
    return None


def open_archive(path: File, limits: Limits = DEFAULTS) -> Archive:
    """The tree of an archive.

    Raises:
        DataError: a file that cannot be read, is no such archive, or is compressed as a whole.
    """
    said = repr(str(path))
    compressed = DataError(
        f"{said} is compressed as a whole, so that no file in it can be read by itself",
        f"Unpack it (tar -xf {path.name}), or pack the photos as a plain .tar or a .zip.",
    )
    if path.name.lower().endswith(COMPRESSED):  # before it is fetched for nothing
        raise compressed
    try:
        file, state = open_file(path)
        with file:
            if file.read(6).startswith(_MAGICS):
                raise compressed
            file.seek(0)
            index = (_zip_index if path.name.lower().endswith(ZIP) else _tar_index)(file, state)
    except DataError:
        raise
    except NotFetched as error:
        raise DataError(f"cannot read {said}: {error}") from error
    except Exception as error:  # `zipfile` raises anything on damaged files
        kind = "zip" if path.name.lower().endswith(ZIP) else "tar"
        reason = reason_line(error)[:300]
        raise DataError(
            f"{said} is no {kind} archive that can be read: {reason}", "Was it copied or downloaded to its end?"
        ) from error
    return Archive(path, "", index, limits.member_bytes)


def clean_name(name: str) -> str:
    """A name as one below the root, with / and without . and empty parts; "" where it would lead out, or is none."""
    if "\0" in name or name.startswith("/") or re.match("[A-Za-z]:", name) or len(name) > LONGEST_NAME:
        return ""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "" if ".." in parts else "/".join(parts)


def _zip_index(file: BinaryIO, state: str) -> Index:
    with zipfile.ZipFile(file) as opened:
        return _index(state, ((_zip_name(each), *_zip_part(each)) for each in opened.infolist() if not each.is_dir()))


def _zip_name(info: zipfile.ZipInfo) -> str:
    # `filename` ends at a zero byte. Some programs of Windows write \ between folders.
    return info.orig_filename.replace("\\", "/")


def _zip_part(info: zipfile.ZipInfo) -> tuple[Part, str]:
    """(where a member lies, what it is instead of a file or "")."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return Part(), "a link" if kind == stat.S_IFLNK else "no regular file"
    refused = ""
    if info.flag_bits & 1:
        refused = "it is encrypted"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refused = f"it is compressed by the method {info.compress_type}; read are stored and deflated files"
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    return Part(info.header_offset, info.compress_size, info.file_size, info.CRC, deflated, refused), ""


def _tar_index(file: BinaryIO, state: str) -> Index:
    found: list[tuple[str, Part, str]] = []
    unread = ""
    try:
        for each in tar_index.entries(file):
            if not each.folder:
                holes = "it is stored with holes (sparse)" if each.holes else ""
                part = Part(each.offset, each.size, each.size, refused=holes)
                found.append((each.name, part, each.other))
    except tar_index.Damaged as error:
        if not found:
            raise
        unread = f"what follows the first {len(found):,} files is not read: {error}"
    return _index(state, found, unread)


def _index(state: str, members: Iterable[tuple[str, Part, str]], unread: str = "") -> Index:
    """The index of an archive, made of (name as it is written, where it lies, what it is instead of a file or "")."""
    parts: dict[str, Part] = {}
    ignored: dict[str, str] = {}
    for written, part, other in members:
        name = clean_name(written)
        if not name or other:
            ignored[written[:LONGEST_NAME]] = other or LEADS_OUT
        elif name.partition("/")[0] == NOTES_OF_MACOS:
            ignored[name] = "a note of macOS"
        else:
            parts[name] = Part(refused=TWICE) if name in parts else part
    return Index(parts, ignored, unread, state)
