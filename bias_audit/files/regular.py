"""Opens regular files only: a pipe, a device or a socket under a picture's name would block the audit, or never end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from bias_audit.errors import reason_of

_KINDS = (
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file, or one that a link leads to, for reading; nothing else is opened, not even for a moment.

    Raises:
        OSError: no such file, one that may not be read, or no regular file.
        ValueError: a NUL character in the name.
    """
    _refuse_others(os.stat(path).st_mode, path)  # before it is opened: opening a device may do something
    # What lies there may have been exchanged since: not blocking, and looked at once more.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = open(os.open(path, flags), "rb")  # noqa: SIM115
    try:
        _refuse_others(os.fstat(file.fileno()).st_mode, path)
    except OSError:
        file.close()
        raise
    return file


def read_regular(path: Path) -> bytes:
    """Bytes of a regular file. Errors as in `open_regular`."""
    with open_regular(path) as file:
        return file.read()


def _refuse_others(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "special file")
        raise OSError(errno.EINVAL, f"not a regular file but a {kind}", str(path))


def unreachable(path: Path) -> str:
    """Why nothing can be said to lie at a path, as the end of a sentence; "" where there simply is nothing."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        return f": {reason_of(error)}"
    return ""
