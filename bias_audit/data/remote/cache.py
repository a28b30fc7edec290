"""What was fetched, on this disk: a file for each address, checked when it is read; the least recently used go first.

A file holds a line of JSON (stamp of what was fetched, hash of the bytes) and the bytes. Its name is the hash of the
address with its query, so that no address can be read off the folder. A photo is read at once; an archive or a Parquet
file is opened, and its hash checked once by a process.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from bias_audit.data.remote.failing import NotFetched
from bias_audit.errors import BiasAuditError, DataError
from bias_audit.files.text import parse_json
from bias_audit.limits.bounds import beyond
from bias_audit.run.atomic import begun, sweep, write_atomically

VARIABLE = "BIAS_AUDIT_CACHE"
"""Environment variable that names the folder of the cache."""

AFTER = 0.9
"""Share of its size that the cache is emptied to when it is full, so that it is not emptied for every file."""

LONGEST = 1 << 18
"""Most bytes of the line before those that were fetched."""


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
        self._checked: dict[Path, tuple[int, int, int]] = {}

    def get(self, key: str, stamp: str, fetch: Callable[[], bytes]) -> bytes:
        """The bytes of an address as `stamp` says they are, fetched and kept where they are not here.

        Args:
            key: the address.
            stamp: text that is another when the bytes may be others.
            fetch: fetches them; called by one thread at a time for one address.
        """
        with self._one(key):
            kept = self.kept(key)
            if kept is not None and kept[0] == stamp:
                return kept[1]
            data = fetch()
            self.keep(key, stamp, data)
            return data

    def open(self, key: str, stamp: str, fetch: Callable[[BinaryIO], None]) -> tuple[BinaryIO, str]:
        """(the bytes of an address as a file, their hash), fetched and kept where they are not here.

        Args:
            key, stamp: as of `get`.
            fetch: writes them from where the file is; called by one thread at a time for one address.

        Raises:
            NotFetched: they cannot be kept; or what `fetch` raises.
        """
        with self._one(key):
            opened = self.opened(key)
            if opened is not None and opened[0] != stamp:
                opened[1].close()
                opened = None
            if opened is None:
                self._fill(key, stamp, fetch)
                opened = self.opened(key)
            if opened is None:
                raise NotFetched(f"the cache {str(self._path)!r} did not keep it")
            return opened[1], opened[2]

    def opened(self, key: str) -> tuple[str, BinaryIO, str] | None:
        """(stamp, bytes as a file, their hash) of an address, None where it is not here; as of `kept`."""
        path = self._file(key)
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed by what reads it
        except OSError:
            return None
        try:
            stamp, digest = _about(file.readline(LONGEST))
            begin, about = file.tell(), os.fstat(file.fileno())
            state = (about.st_ino, about.st_size, about.st_mtime_ns)
            if self._checked.get(path) != state:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise ValueError("it is damaged")
                self._checked[path] = state
        except (DataError, ValueError, TypeError, KeyError, OSError):
            file.close()
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        _used(path)
        return stamp, io.BufferedReader(_Behind(file, begin)), digest

    def stamp(self, key: str) -> str | None:
        """The stamp of what is here of an address; None where nothing is. Its bytes are not looked at."""
        try:
            with open(self._file(key), "rb") as file:
                return _about(file.readline(LONGEST))[0]
        except (DataError, ValueError, TypeError, KeyError, OSError):
            return None

    def kept(self, key: str) -> tuple[str, bytes] | None:
        """(stamp, bytes) of an address, None where it is not here; what was damaged since is deleted."""
        file = self._file(key)
        try:
            head, _, data = file.read_bytes().partition(b"\n")
        except OSError:
            return None
        try:
            stamp, digest = _about(head)
            if digest != hashlib.sha256(data).hexdigest():
                raise ValueError("it is damaged")
        except (DataError, ValueError, TypeError, KeyError):
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        _used(file)
        return stamp, data

    def keep(self, key: str, stamp: str, data: bytes) -> None:
        """Keep the bytes of an address. A disk that is full costs another fetch, and ends nothing."""
        head = _head(stamp, hashlib.sha256(data).hexdigest())
        if len(head) + len(data) > self._most:
            return
        with contextlib.suppress(OSError, BiasAuditError):
            self._make_folder()
            self._make_room(len(head) + len(data))
            write_atomically(self._file(key), head + data, "", own=True)

    def _fill(self, key: str, stamp: str, fetch: Callable[[BinaryIO], None]) -> None:
        """Keep what `fetch` writes. While it comes it takes room beside the cache: nobody may know how much it is."""
        try:
            self._make_folder()
            with begun(self._file(key)) as file:
                begin = file.write(_head(stamp, "0" * 64))
                fetch(file)
                total = file.seek(0, os.SEEK_END)
                if total > self._most:
                    raise NotFetched(f"too large to be kept: {beyond('cache_bytes', total, self._most)}")
                file.seek(begin)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                file.seek(0)
                file.write(_head(stamp, digest))
                self._make_room(total)
        except NotFetched:
            raise
        except OSError as error:
            raise not_kept(error) from error

    def _one(self, key: str) -> threading.Lock:
        return self._fetching[int(_hash(key)[:4], 16) % len(self._fetching)]

    def _make_folder(self) -> None:
        if not self._path.is_dir():
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)

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
                if not entry.name.startswith("."):  # what is being written
                    with contextlib.suppress(OSError):
                        about = entry.stat(follow_symlinks=False)
                        found.append((about.st_atime_ns, about.st_size, entry.path))
            total = sum(size for _, size, _ in found) + more
            if total > self._most:
                for _, size, path in sorted(found):
                    if total <= AFTER * self._most:
                        break
                    with contextlib.suppress(OSError):
                        os.unlink(path)
                        total -= size
            self._total = total


class _Behind(io.RawIOBase):
    """What stands in a file from a place on, as a file of its own."""

    def __init__(self, file: BinaryIO, begin: int) -> None:
        self._opened, self._begin = file, begin
        file.seek(begin)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._opened.readinto(buffer)  # type: ignore[attr-defined, no-any-return]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = {os.SEEK_SET: self._begin, os.SEEK_CUR: self._opened.tell()}.get(whence)
        at = (os.fstat(self._opened.fileno()).st_size if at is None else at) + offset
        if at < self._begin:
            raise OSError("a place before the beginning")
        return self._opened.seek(at) - self._begin

    def close(self) -> None:
        self._opened.close()
        super().close()


def not_kept(error: OSError) -> NotFetched:
    """What is wrong where the cache cannot be written; an archive that it does not hold cannot be read."""
    return NotFetched(f"it cannot be kept in the cache ({error.strerror}); {VARIABLE} names another folder")


def _head(stamp: str, digest: str) -> bytes:
    return json.dumps({"stamp": stamp, "sha256": digest}).encode() + b"\n"


def _about(head: bytes) -> tuple[str, str]:
    """(stamp, hash) of the line before what was fetched; any error but OSError where it is none."""
    about = parse_json(head.decode(), DataError, "it is")
    return str(about["stamp"]), str(about["sha256"])


def _used(path: Path) -> None:
    """Note that a file is the most recently used, by its time of access: that of change says that it is the same."""
    with contextlib.suppress(OSError):
        os.utime(path, ns=(time.time_ns(), os.stat(path).st_mtime_ns))


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
