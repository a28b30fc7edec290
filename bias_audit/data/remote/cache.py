"""What was fetched, on this disk: a file for each address, checked when it is read; the least recently used go first.

A file holds a line of JSON (stamp of what was fetched, hash of the bytes) and the bytes. Its name is the hash of the
address with its query, so that no address can be read off the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from bias_audit.errors import BiasAuditError, DataError
from bias_audit.files.text import parse_json
from bias_audit.run.atomic import sweep, write_atomically

VARIABLE = "BIAS_AUDIT_CACHE"
"""Environment variable that names the folder of the cache."""

AFTER = 0.9
"""Share of its size that the cache is emptied to when it is full, so that it is not emptied for every file."""


def folder() -> Path:
    """The folder of what was fetched."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given) / "fetched"
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "bias-audit" / "fetched"


class Cache:
    """Bytes by address. Used by several threads, and by several processes at once.

    Args:
        path: its folder, made when something is kept.
        most: most bytes of all files together.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._most = path, most
        self._total: int | None = None
        self._lock = threading.Lock()
        self._fetching = tuple(threading.Lock() for _ in range(64))

    def get(self, key: str, stamp: str, fetch: Callable[[], bytes]) -> bytes:
        """The bytes of an address as `stamp` says they are, fetched and kept where they are not here.

        Args:
            key: the address.
            stamp: text that is another when the bytes may be others.
            fetch: fetches them; called by one thread at a time for one address.
        """
        with self._fetching[int(_hash(key)[:4], 16) % len(self._fetching)]:
            kept = self.kept(key)
            if kept is not None and kept[0] == stamp:
                return kept[1]
            data = fetch()
            self.keep(key, stamp, data)
            return data

    def kept(self, key: str) -> tuple[str, bytes] | None:
        """(stamp, bytes) of an address, None where it is not here; what was damaged since is deleted."""
        file = self._file(key)
        try:
            head, _, data = file.read_bytes().partition(b"\n")
        except OSError:
            return None
        try:
            about = parse_json(head.decode(), DataError, "it is")
            if about["sha256"] != hashlib.sha256(data).hexdigest():
                raise ValueError("it is damaged")
            stamp = str(about["stamp"])
        except (DataError, ValueError, TypeError, KeyError):
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(file)  # now it is the most recently used
        return stamp, data

    def keep(self, key: str, stamp: str, data: bytes) -> None:
        """Keep the bytes of an address. A disk that is full costs another fetch, and ends nothing."""
        head = json.dumps({"stamp": stamp, "sha256": hashlib.sha256(data).hexdigest()}).encode() + b"\n"
        if len(head) + len(data) > self._most:
            return
        with contextlib.suppress(OSError, BiasAuditError):
            if not self._path.is_dir():
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(len(head) + len(data))
            write_atomically(self._file(key), head + data, "", own=True)

    def _file(self, key: str) -> Path:
        return self._path / _hash(key)

    def _make_room(self, more: int) -> None:
        with self._lock:
            if self._total is not None and self._total + more <= self._most:
                self._total += more
                return
            sweep(self._path)
            found = []
            for entry in os.scandir(self._path):
                with contextlib.suppress(OSError):
                    about = entry.stat(follow_symlinks=False)
                    found.append((about.st_mtime_ns, about.st_size, entry.path))
            total = sum(size for _, size, _ in found) + more
            if total > self._most:
                for _, size, path in sorted(found):
                    if total <= AFTER * self._most:
                        break
                    with contextlib.suppress(OSError):
                        os.unlink(path)
                        total -= size
            self._total = total


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
