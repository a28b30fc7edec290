"""How much memory there is, and arrays that lie on disk where they would take too much of it."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.errors import ResultError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bias_audit.limits.bounds import Limits

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")

UNKNOWN = 8 * 2**30
"""Memory that is assumed where the system does not say how much there is."""


def main_memory() -> int | None:
    """Bytes of main memory that this process may use: those of the machine or of its container; None = unknown."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    limits = [Path(each).read_text().strip() for each in _LIMITS if Path(each).is_file()]
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])


def batch_bytes(limits: Limits) -> int:
    """Most bytes that what belongs together may take in memory: the limit batch_bytes, or half of the memory."""
    return limits.batch_bytes if limits.batch_bytes is not None else (main_memory() or UNKNOWN) // 2


def at_once(each: int, most: int, limits: Limits) -> int:
    """How many of `most` equal things of `each` bytes are held at once, at least 1."""
    return max(1, min(most, batch_bytes(limits) // max(each, 1)))


def bytes_array(shape: tuple[int, ...], limits: Limits, folder: Path) -> NDArray[Any]:
    """An array of uint8 zeros, in memory, or in a file that has no name where it is larger than a batch may be.

    Args:
        shape: of the array.
        limits: what a batch may take.
        folder: where such a file lies; it vanishes with the array, and with the process.

    Raises:
        ResultError: there is no room on the disk.
    """
    import numpy as np

    size = math.prod(shape)
    if size <= batch_bytes(limits):
        return np.zeros(shape, np.uint8)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, size)  # writing to a mapped file on a full disk would end the process
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        raise ResultError(
            f"{size:,} bytes of pictures do not fit into memory, nor into {str(folder)!r}: {error.strerror or error}",
            "Free space, or audit fewer photos per class (--interventions, --probes).",
        ) from error
