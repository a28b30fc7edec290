"""What may be fetched for one data set, and what is known of its files: stamps are asked for many at once."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO

from bias_audit.data.addresses import WEB, Url
from bias_audit.data.remote.cache import AFTER, Cache, folder, not_kept
from bias_audit.data.remote.failing import NotFetched, declared_size, patiently
from bias_audit.limits.bounds import DEFAULTS, Limits, beyond

AT_ONCE = 16
"""Stamps that are asked for at the same time."""

OFFLINE = "it is not in the cache, and nothing is fetched for a finished run"

_PROCESS = uuid.uuid4().hex
"""In the place of a sign that a file has not changed, where a server gives none: it is fetched by every process."""


@dataclass(frozen=True, eq=False)
class Reach:
    """What may be fetched.

    Attributes:
        fetch: whether anything may be asked of a server; if not, there is what the cache holds.
        limits: what fetching may cost.
    """

    fetch: bool = True
    limits: Limits = DEFAULTS
    _expected: dict[Url, None] = field(default_factory=dict)
    _stamps: dict[Url, tuple[str, bool] | NotFetched] = field(default_factory=dict)
    _whole: dict[Url, int] = field(default_factory=dict)
    """Files that are kept as a whole -> their bytes, 0 where nobody says it."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def cache(self) -> Cache:
        """What was fetched before."""
        return Cache(folder(), self.limits.cache_bytes)

    def expect(self, url: Url) -> None:
        """Note that the stamp of a file will be asked for."""
        if url not in self._stamps:
            self._expected[url] = None

    def know(self, url: Url, stamp: str) -> None:
        """Take the stamp of a file from a listing."""
        self._stamps[url] = stamp, True

    def stamp(self, url: Url) -> tuple[str, bool]:
        """(text that is another when a file may be, whether it surely is).

        Raises:
            NotFetched: it is not there, or its server does not answer.
        """
        if not self.fetch:
            known = self.cache.stamp(key_of(url))
            if known is None:
                raise NotFetched(OFFLINE, missing=True)
            return known, True
        with self._lock:
            if url not in self._stamps:
                self._expected[url] = None
                self._look_again()
                with ThreadPoolExecutor(AT_ONCE, "stamps") as pool:
                    self._stamps.update(zip(self._expected, pool.map(self._asked, self._expected), strict=True))
                self._expected.clear()
        found = self._stamps[url]
        if isinstance(found, NotFetched):
            raise found
        return found

    def read(self, url: Url) -> bytes:
        """The bytes of a file, from the cache where they are those that its server has.

        Raises:
            NotFetched: they cannot be fetched, or may not be and are not in the cache.
        """
        if not self.fetch:
            kept = self.cache.kept(key_of(url))
            if kept is None:
                raise NotFetched(OFFLINE)
            return kept[1]
        stamp, full = self._stamps_of(url)
        return self.cache.get(key_of(url), full, lambda: patiently(lambda: b"".join(self._pieces(url, stamp))))

    def open(self, url: Url) -> tuple[BinaryIO, str]:
        """(the bytes of a file as a file of the cache, their hash): for what is read in part. Errors as of `read`."""
        if not self.fetch:
            opened = self.cache.opened(key_of(url))
            if opened is None:
                raise NotFetched(OFFLINE)
            return opened[1], opened[2]
        self.reserve([url])
        stamp, full = self._stamps_of(url)

        def written(file: BinaryIO) -> None:
            begin = file.tell()

            def once() -> None:
                file.seek(begin)
                file.truncate()
                for piece in self._pieces(url, stamp):
                    _write(file, piece)

            patiently(once)

        return self.cache.open(key_of(url), full, written)

    def reserve(self, urls: Iterable[Url]) -> None:
        """Refuse files that the cache cannot hold as a whole, beside those that it holds so already for these data.

        Raises:
            NotFetched: as said; or one of them is not there, or its server does not answer.
        """
        if not self.fetch:
            return
        urls = list(urls)
        for url in urls:
            self.expect(url)
        for url in urls:
            size = declared_size(self.stamp(url)[0])
            if size > self.limits.fetched_bytes:
                raise NotFetched(f"too large: {beyond('fetched_bytes', size, self.limits.fetched_bytes)}")
            self._whole[url] = size
        needed = math.ceil(sum(self._whole.values()) / AFTER)
        if needed > self.limits.cache_bytes:
            raise NotFetched(
                "archives, shards and Parquet files are kept in the cache as a whole, for which it needs "
                f"{beyond('cache_bytes', needed, self.limits.cache_bytes)}"
            )

    def _stamps_of(self, url: Url) -> tuple[str, str]:
        """(stamp of a file, the same as the cache keeps it: of this process where it is not sure)."""
        stamp, sure = self.stamp(url)
        return stamp, stamp if sure else f"{stamp} {_PROCESS}"

    def _look_again(self) -> None:
        from bias_audit.data.remote import stores

        for protocol in {url.protocol for url in self._expected} - set(WEB):
            stores.forget(protocol)

    def _pieces(self, url: Url, stamp: str) -> Iterator[bytes]:
        from bias_audit.data.remote import stores, web

        return web.pieces(url, self.limits) if url.protocol in WEB else stores.pieces(url, self.limits, stamp)

    def _asked(self, url: Url) -> tuple[str, bool] | NotFetched:
        from bias_audit.data.remote import stores, web

        def ask() -> tuple[str, bool]:
            if url.protocol in WEB:
                return web.stamp(url, self.limits)
            kind, stamp = stores.kind(url, self.limits)
            if kind == "directory":
                raise IsADirectoryError
            return stamp, True

        try:
            return patiently(ask)
        except NotFetched as error:
            return error


def _write(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise not_kept(error) from error


def key_of(url: Url) -> str:
    """Name of a file in the cache."""
    return f"{url}?{url.query}" if url.query else str(url)
