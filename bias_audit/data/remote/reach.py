"""What may be fetched for one data set, and what is known of its files: stamps are asked for many at once."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from bias_audit.data.addresses import WEB, Url
from bias_audit.data.remote.cache import Cache, folder
from bias_audit.data.remote.failing import NotFetched, patiently
from bias_audit.limits.bounds import DEFAULTS, Limits

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
            kept = self.cache.kept(key_of(url))
            if kept is None:
                raise NotFetched(OFFLINE, missing=True)
            return kept[0], True
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
        stamp, sure = self.stamp(url)
        return self.cache.get(key_of(url), stamp if sure else f"{stamp} {_PROCESS}", lambda: self._fetched(url, stamp))

    def _look_again(self) -> None:
        from bias_audit.data.remote import stores

        for protocol in {url.protocol for url in self._expected} - set(WEB):
            stores.forget(protocol)

    def _fetched(self, url: Url, stamp: str) -> bytes:
        from bias_audit.data.remote import stores, web

        if url.protocol in WEB:
            return patiently(lambda: web.fetch(url, self.limits))
        return patiently(lambda: stores.fetch(url, self.limits, stamp))

    def _asked(self, url: Url) -> tuple[str, bool] | NotFetched:
        from bias_audit.data.remote import stores, web

        def ask() -> tuple[str, bool]:
            if url.protocol in WEB:
                return web.stamp(url, self.limits)
            return stores.kind(url, self.limits)[1], True

        try:
            return patiently(ask)
        except NotFetched as error:
            return error


def key_of(url: Url) -> str:
    """Name of a file in the cache."""
    return f"{url}?{url.query}" if url.query else str(url)
