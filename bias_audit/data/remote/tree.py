"""Data sets that lie elsewhere, as trees and locations: a listing of a bucket, a table of a server, and their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote

from bias_audit.data.addresses import WEB, Url, is_address, url_of
from bias_audit.data.archives import SUFFIXES
from bias_audit.data.locations import Filed, Location
from bias_audit.data.patterns import halves
from bias_audit.data.remote.failing import NotFetched, patiently
from bias_audit.data.remote.reach import OFFLINE, Reach
from bias_audit.data.trees import Listing, Place, Tree
from bias_audit.errors import DataError
from bias_audit.files.text import parse_json


@dataclass(frozen=True)
class Remote(Filed):
    """A file that lies elsewhere. To be read in part it is fetched as a whole, as long as the cache can hold it."""

    url: Url
    reach: Reach = field(compare=False, repr=False)

    def read(self) -> bytes:
        return self.reach.read(self.url)

    def open(self) -> tuple[BinaryIO, str]:
        return self.reach.open(self.url)

    def stamp(self) -> str:
        try:
            return self.reach.stamp(self.url)[0]
        except NotFetched:
            return "missing"

    def __str__(self) -> str:
        return str(self.url)

    @property
    def name(self) -> str:
        return self.url.name


@dataclass(frozen=True)
class RemoteTree(Tree):
    """What lies below an address. A server of the web lists nothing: there is what a file of the data set names."""

    url: Url
    reach: Reach = field(compare=False, repr=False)
    _listings: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    """Folder -> names of the files below it, as they were listed to say whether one of them is there."""
    _asked: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Name of a file at the root -> why it is not there, "" = it is, as its server was asked."""

    def __str__(self) -> str:
        return str(self.url)

    def top(self) -> tuple[list[str], list[str], dict[str, str]]:
        from bias_audit.data.remote import stores

        folders, others = self._listed("top", self.url, lambda: stores.folders(self.url, self.reach.limits))
        return list(folders), list(others), {}

    def files(self, below: str = "") -> Listing:
        from bias_audit.data.remote import stores

        there = self.url.below(below) if below else self.url
        stamps = self._listed("files", there, lambda: dict(stores.files(there, self.reach.limits)))
        names = [f"{below}/{name}" if below else name for name in stamps]
        for name, stamp in zip(names, stamps.values(), strict=True):
            self.reach.know(self.url.below(name), str(stamp))
        return Listing(names)

    def location(self, name: str) -> Location:
        url = self.url.below(name)
        self.reach.expect(url)
        return Remote(url, self.reach)

    def has(self, name: str) -> bool:
        return not self.absent(name)

    def absent(self, name: str) -> str:
        url = self.url.below(name)
        folder, _, _ = name.rpartition("/")
        if self.url.protocol in WEB:
            return _asked(url, self.reach)
        if not folder:  # a listing of the root would be one of the whole bucket
            if name not in self._asked:
                self._asked[name] = _asked_once(url, self.reach)
            return self._asked[name]
        if folder not in self._listings:  # a source asks for a file beside each of its photos
            self._listings[folder] = frozenset(self.files(folder).files)
        return "" if name in self._listings[folder] else "there is no such file"

    def reserve(self, names: Iterable[str]) -> None:
        try:
            self.reach.reserve(self.url.below(name) for name in names)
        except NotFetched as error:
            raise DataError(f"cannot read {str(self)!r}: {error}") from error

    def named(self, value: str, where: str, *, below: str = "", outside: bool = False) -> tuple[str, Location]:
        if not value:
            raise DataError(f"{where}: no image path")
        if any(ord(each) < 32 for each in value):
            raise DataError(f"{where}: {value!r} is no path, it holds a character that no name has")
        if is_address(value):
            return outside_location(value, where, str(self), self.reach, outside=outside)
        parts: list[str] = [part for part in below.split("/") if part]
        path = value.replace("\\", "/")
        absolute = path.startswith("/")
        for part in path.split("/"):
            if part == ".." and parts:
                parts.pop()
            elif part == ".." or absolute:
                raise DataError(
                    f"{where}: {value!r} leaves {str(self)!r}",
                    "Write a path below it, or a whole address, which --allow-outside allows.",
                )
            elif part not in ("", "."):
                parts.append(part)
        name = "/".join(parts)
        if not name:
            raise DataError(f"{where}: {value!r} names no file")
        return name, self.location(name)

    def _listed(self, what: str, url: Url, ask: Callable[[], Any]) -> Any:
        """The answer of a listing; kept in the cache, so that a finished run can be opened without asking again."""
        if url.protocol in WEB:
            raise DataError(
                f"{str(url)!r} cannot be listed: servers of the web have no folders",
                "Give a file there: an archive (photos.zip), or a CSV or Parquet table with paths relative to it.",
            )
        key = f"{what} {url}"
        if not self.reach.fetch:
            return _offline(self.reach, key, url)
        try:
            answer = patiently(ask)
        except NotFetched as error:
            raise DataError(f"cannot list {str(url)!r}: {error}") from error
        self.reach.cache.keep(key, "", json.dumps(answer).encode())
        return answer


def outside_location(value: str, where: str, place: str, reach: Reach, *, outside: bool) -> tuple[str, Location]:
    """The file elsewhere that a file of a data set names by its address; see `Tree.named`.

    Args:
        place: what the data set is called.
        reach: what may be fetched.
    """
    if not outside:
        raise DataError(
            f"{where}: an address leaves {place!r}", "Allow it with --allow-outside, if you trust what names it."
        )
    try:
        url = url_of(value)
    except DataError as error:
        raise DataError(f"{where}: {error.message}", error.hint) from error
    reach.expect(url)
    return str(url), Remote(url, reach)


def _asked(url: Url, reach: Reach) -> str:
    """Why there is no file at an address that can be read, as its server says; "" where there is one."""
    try:
        reach.stamp(url)
    except NotFetched as error:
        return str(error)
    return ""


def _asked_once(url: Url, reach: Reach) -> str:
    """The same of a file in a bucket; what a server cannot say is an error. Kept in the cache, as listings are."""
    key = f"absent {url}"
    if not reach.fetch:
        return str(_offline(reach, key, url))
    try:
        reach.stamp(url)
        why = ""
    except NotFetched as error:
        if not error.missing:
            raise DataError(f"cannot look at {str(url)!r}: {error}") from error
        why = str(error)
    reach.cache.keep(key, "", json.dumps(why).encode())
    return why


def remote_archive(url: Url, reach: Reach) -> tuple[Remote, str] | None:
    """(the archive that an address names or leads into, the name in it or ""); None = no archive, by its names."""
    parts = url.path.split("/")
    for end in range(len(parts), 1, -1):
        if parts[end - 1].lower().endswith(SUFFIXES):
            file = Url(url.protocol, "/".join(parts[:end]))
            if url.protocol in WEB or _kind(file, reach) == "file":
                name = "/".join(parts[end:])
                return Remote(file, reach), unquote(name) if url.protocol in WEB else name
    return None


def remote_pattern(url: Url, reach: Reach) -> tuple[RemoteTree, str]:
    """(the tree that an address with braces leads to, the pattern below it)."""
    root, pattern = halves(url.path)
    if not root:
        raise DataError(f"the pattern {str(url)!r} stands in the name of a server or a bucket", "Name one of them.")
    return RemoteTree(Url(url.protocol, root), reach), unquote(pattern) if url.protocol in WEB else pattern


def remote_place(url: Url, reach: Reach) -> Place:
    """The place that an address names.

    Raises:
        DataError: nothing there, a web address that is no file, or a server that does not answer.
    """
    if url.protocol in WEB:
        if "/" not in url.path or not PurePosixPath(url.name).suffix:
            RemoteTree(url, reach).top()  # refuses
        return Place(RemoteTree(url.parent, reach), unquote(url.name))
    kind = _kind(url, reach)
    return Place(RemoteTree(url, reach)) if kind == "directory" else Place(RemoteTree(url.parent, reach), url.name)


def _kind(url: Url, reach: Reach) -> str:
    from bias_audit.data.remote import stores

    key = f"kind {url}"
    if not reach.fetch:
        return str(_offline(reach, key, url))
    stores.forget(url.protocol)
    try:
        kind, _ = patiently(lambda: stores.kind(url, reach.limits))
    except NotFetched as error:
        raise DataError(f"no data at {str(url)!r}: {error}") from error
    reach.cache.keep(key, "", json.dumps(kind).encode())
    return kind


def _offline(reach: Reach, key: str, url: Url) -> Any:
    kept = reach.cache.kept(key)
    if kept is None:
        raise DataError(
            f"the data at {str(url)!r} cannot be looked at: {OFFLINE}",
            "Audit them again: what it fetches stays in the cache (limit cache_bytes).",
        )
    return parse_json(kept[1].decode("utf-8", "replace"), DataError, f"what is kept of {str(url)!r} is")
