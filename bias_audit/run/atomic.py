"""Atomic writing of files: a file is complete or does not exist. All files of a run folder are written this way.

Where a user names a device, a pipe or an open file (/dev/stdout) as the target, it is written into, never replaced.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from bias_audit.errors import ResultError

T = TypeVar("T")
_COUNT = itertools.count(secrets.randbits(40))
_TEMPORARY = re.compile(r"\..*\.(\d+)(?:-\d+)?\.tmp", re.DOTALL)
_UNLINKED = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""Errors where a file can have no second name: on another disk, not one's own, or on a file system without links."""

_DESCRIPTORS = re.compile(r"/proc/(\d+)/(?:task/\d+/)?fd|/dev/fd")


def write_atomically(target: Path, content: bytes, hint: str, *, own: bool = False) -> Path:
    """Write a file under a temporary name, flush it to disk and rename it; the temporary file is always removed.

    A link stays, and what it leads to is replaced. A device, a named pipe and an open file of a process (/dev/stdout,
    /dev/fd/3) are written into.

    Args:
        target: path of the file.
        content: its bytes.
        hint: what the user can do if writing fails.
        own: the file lies in a run folder, which somebody else may have made: a link there is replaced, so that nothing
            outside is written, and what is no regular file is an error.

    Returns:
        `target`.

    Raises:
        ResultError: the disk is full or the folder cannot be written; an earlier target is not changed.
    """

    def store() -> None:
        if own:
            _store(target, content)
        elif (descriptor := _descriptor(target)) is not None:
            _into(descriptor, content)
        elif _is_special(target):
            _into(os.open(target, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)), content)
        else:
            _store(Path(os.path.realpath(target)) if target.is_symlink() else target, content)

    guarded(store, target, hint)
    return target


def create(target: Path, content: bytes, hint: str) -> bool:
    """Write a file unless there is one already, also where several processes try it at once: one of them does.

    Args:
        target: path of the file.
        content: its bytes.
        hint: what the user can do if writing fails.

    Returns:
        whether this call wrote it.

    Raises:
        ResultError: the disk is full or the folder cannot be written.
    """
    made = False

    def store() -> None:
        nonlocal made
        temporary = _beside(target)
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(temporary, target)  # complete from its first moment on, and never over another
                made = True
            except FileExistsError:
                pass
            except OSError as error:
                if error.errno not in _UNLINKED:
                    raise
                with contextlib.suppress(FileExistsError), open(target, "xb") as file:  # at first it is empty
                    file.write(content)
                    made = True
        finally:
            temporary.unlink(missing_ok=True)

    guarded(store, target, hint)
    return made


def place(target: Path, source: Path, hint: str) -> None:
    """Put a file at a second path too, as a hard link where there can be one, else as a copy; `source` is not changed.

    Args:
        target: the second path; what lies there is replaced, at once.
        source: a regular file.
        hint: what the user can do if writing fails.

    Raises:
        ResultError: the disk is full or the folder cannot be written; an earlier target is not changed.
    """

    def store() -> None:
        with contextlib.suppress(FileNotFoundError):
            if target.samefile(source):
                return
        temporary = _beside(target)
        try:
            os.link(source, temporary)
            temporary.replace(target)
        except OSError as error:
            if error.errno not in _UNLINKED:
                raise
            with begun(target) as copy, source.open("rb") as file:
                shutil.copyfileobj(file, copy)
        finally:
            temporary.unlink(missing_ok=True)

    guarded(store, target, hint)


def _beside(target: Path) -> Path:
    """Path of a temporary file, which `sweep` knows.

    It has a number of its own, because two threads of a server may write the same file; the number begins anywhere,
    because two computers that share a folder may have a process of the same number.
    """
    return target.with_name(f".{target.name}.{os.getpid()}-{next(_COUNT)}.tmp")


def guarded(action: Callable[[], T], path: Path, hint: str) -> T:
    """What a function gives that writes to `path`; an error of the operating system becomes a sentence for the user.

    Args:
        action: the function.
        path: file or folder that the sentence names.
        hint: what the user can do.

    Raises:
        ResultError: the operating system refused.
    """
    try:
        return action()
    except OSError as error:
        raise ResultError(f"cannot write {str(path)!r}: {error.strerror or error}", hint) from error
    except ValueError as error:  # a NUL character in the name
        raise ResultError(f"cannot write {str(path)!r}: {error}", hint) from error


def sweep(folder: Path) -> None:
    """Delete the temporary files that ended processes left in a folder; those of running ones stay."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            named = _TEMPORARY.fullmatch(entry.name)
            if named and entry.is_file(follow_symlinks=False) and not _runs(int(named[1])):
                os.unlink(entry)


def _store(target: Path, content: bytes) -> None:
    with begun(target) as file:
        file.write(content)


@contextlib.contextmanager
def begun(target: Path) -> Iterator[io.BufferedRandom]:
    """A file that is written piece by piece under a temporary name, and renamed when the block ends without an error.

    Raises:
        OSError: the disk is full, the folder cannot be written, or what lies there is no regular file.
    """
    with contextlib.suppress(FileNotFoundError):
        mode = target.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):  # renaming onto a folder fails
            raise OSError(errno.EINVAL, "it is no regular file")
    temporary = _beside(target)
    try:
        temporary.unlink(missing_ok=True)
        with open(temporary, "x+b") as file:  # a link that somebody put there is not followed
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _is_special(target: Path) -> bool:
    """True for what is neither file nor folder behind all links; OSError for links in a circle."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _descriptor(target: Path) -> int | None:
    """A new descriptor of the open file that a path such as /dev/stdout names, also where it is a regular file."""
    name = os.path.abspath(target)
    for _ in range(40):
        folder, last = os.path.split(name)
        named = _DESCRIPTORS.fullmatch(os.path.realpath(folder))
        if named and last.isdecimal():
            if (named[1] or str(os.getpid())) != str(os.getpid()):
                return os.open(name, os.O_WRONLY | os.O_APPEND)
            for stream in (sys.stdout, sys.stderr):  # what was printed before comes before
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            return os.dup(int(last))
        if not os.path.islink(name):
            return None
        name = os.path.join(folder, os.readlink(name))
    return None


def _into(descriptor: int, content: bytes) -> None:
    os.set_blocking(descriptor, True)  # it was opened without waiting: a pipe that nobody reads is an error
    with open(descriptor, "wb") as file:
        file.write(content)


def _runs(process: int) -> bool:
    if sys.platform == "win32":  # os.kill would send it Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
