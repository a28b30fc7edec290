"""One writer per run folder: a lock of the operating system, which is lost with its process however that ends.

The lock lies on a file in the folder that nothing but the holder of the lock deletes. Where there are no such locks
(Windows, some network file systems), nobody is refused: two audits must not be given one folder there.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import json
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bias_audit.errors import BiasAuditError, ResultError
from bias_audit.files.text import parse_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
"""File of a run folder that is locked while somebody writes the run; a folder with nothing else counts as empty."""

PATIENCE = 10.0
"""Seconds that a command waits which itself takes moments, such as `name`."""

LOOK = 0.2
"""Seconds that somebody waits for the lock of a single file, which `look_at` may hold for a moment."""

_HELD: ContextVar[tuple[contextlib.ExitStack, set[Path]] | None] = ContextVar("_HELD", default=None)
_WITHOUT = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)

P = ParamSpec("P")
R = TypeVar("R")


def gives_back(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: locks that the function takes by `hold` are given back when it ends, however it ends."""

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        with contextlib.ExitStack() as stack:
            token = _HELD.set((stack, set()))
            try:
                return function(*args, **kwargs)
            finally:
                _HELD.reset(token)

    return called


def hold(folder: Path, doing: str, patience: float = 0.0, *, shared: bool = False) -> None:
    """Lock a folder until the function around it ends that is decorated by `gives_back`; without one, do nothing.

    Args:
        folder: an existing folder.
        doing: what the folder is locked for, told to others: "audit".
        patience: seconds to wait for another holder.
        shared: others may hold it as well, if they share it, too.

    Raises:
        ResultError: another process, or another audit of this one, writes the folder, and which.
    """
    held = _HELD.get()
    if held is not None and (place := Path(os.path.realpath(folder))) not in held[1]:
        held[0].enter_context(locked(folder, doing, patience, shared=shared))
        held[1].add(place)


def at_end(action: Callable[[], object]) -> None:
    """Call a function when the function around ends that is decorated by `gives_back`, while it holds its locks."""
    if (held := _HELD.get()) is not None:
        held[0].callback(action)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that holds nothing but its lock; called while it is locked."""
    lock = folder / LOCK
    with contextlib.suppress(OSError):
        # Whoever waits for the lock of a folder that is gone finds that its file is another one, or none.
        if os.listdir(folder) == [LOCK]:  # else somebody's files lie in it
            lock.unlink()
        folder.rmdir()


def locked(
    folder: Path, doing: str, patience: float = 0.0, *, shared: bool = False
) -> contextlib.AbstractContextManager[None]:
    """Context in which a folder is locked; arguments and errors as in `hold`. The lock's file is deleted at its end."""
    return _locked(folder / LOCK, folder, doing, patience, shared)


def locked_file(file: Path, doing: str) -> contextlib.AbstractContextManager[None]:
    """Context in which a single file is locked, by a hidden file beside it; arguments and errors as in `hold`."""
    return _locked(_lock_of(file), file, doing, LOOK, shared=False)


@contextlib.contextmanager
def _locked(file: Path, named: Path, doing: str, patience: float, shared: bool) -> Iterator[None]:
    """Context in which `named` is locked by a lock on `file`."""
    if fcntl is None:
        yield
        return
    descriptor = _taken(file, named, time.monotonic() + patience, shared)
    try:
        with contextlib.suppress(OSError):  # a full disk: only what others are told is lost
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _about(doing))
        yield
    finally:
        if (not shared or _is_last(descriptor)) and _is_at(file, descriptor):
            with contextlib.suppress(OSError):
                file.unlink()
        os.close(descriptor)


def _is_last(descriptor: int) -> bool:
    """Whether nobody else holds a lock that was shared; it is held alone from then on."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _taken(file: Path, named: Path, until: float, shared: bool) -> int:
    """Descriptor of the locked file."""
    while True:
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError as error:
            raise ResultError(f"cannot write {str(file)!r}: {error.strerror}", "Make the folder writable.") from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ResultError(f"cannot write {str(file)!r}: it is no regular file", "Remove it.")
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise ResultError(
                        f"{str(named)!r} is being written by {_holder(descriptor)}; nothing in it was changed",
                        "Wait until that has ended, or choose another folder.",
                    ) from error
            except OSError as error:
                if error.errno in _WITHOUT:
                    return descriptor
                raise ResultError(f"cannot lock {str(file)!r}: {error.strerror}") from error
            else:
                if _is_at(file, descriptor):  # else it was deleted by its holder in between
                    return descriptor
                until += 0.05
            time.sleep(0.05)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(file: Path, descriptor: int) -> bool:
    try:
        there, held = os.stat(file, follow_symlinks=False), os.fstat(descriptor)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)


def _about(doing: str) -> bytes:
    since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    about = {"doing": doing, "process": os.getpid(), "host": socket.gethostname(), "since": since}
    return json.dumps(about).encode()


def _holder(descriptor: int) -> str:
    """Who holds a lock: "another process: an audit (process 12 on host, since ...)"."""
    if (told := _told(descriptor)) is None:
        return "another process"
    return "another process: {} (process {} on {}, since {})".format(*told)


def _told(descriptor: int) -> list[str] | None:
    """[doing, process, host, since] as a holder of a lock wrote it into its file; None where that cannot be read."""
    try:
        text = os.pread(descriptor, 2000, 0).decode("utf-8", "replace")
        about: Any = parse_json(text, ResultError, "it is")
        words = [str(about[name])[:80] for name in ("doing", "process", "host", "since")]
    except (OSError, BiasAuditError, KeyError, TypeError):
        return None
    return ["".join(c for c in word if c.isprintable()) for word in words]


@dataclass(frozen=True)
class Lock:
    """The lock of a single file that somebody makes, or has begun to make.

    Attributes:
        holder: who: "share 1/3 of an audit (process 12 on host)".
        begun: when, in seconds since the epoch, by the clock of the file system.
        held: whether the process runs; True also where nobody can tell.
    """

    holder: str
    begun: float
    held: bool


def look_at(file: Path) -> Lock | None:
    """The lock of a single file (`locked_file`); None = nobody has begun the file."""
    try:
        descriptor = os.open(_lock_of(file), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    try:
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode):
            return None
        told = _told(descriptor)
        holder = "another process" if told is None else "{} (process {} on {})".format(*told)
        return Lock(holder, there.st_mtime, _is_held(descriptor))
    finally:
        os.close(descriptor)


def _is_held(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # for a moment: who wants the lock waits LOOK
    except OSError:
        return True
    return False


def _lock_of(file: Path) -> Path:
    return file.with_name(f".{file.stem}{LOCK}")
