"""Chooses the number of images per pass, so that a pass fits into memory."""

from __future__ import annotations

import os
from pathlib import Path

from bias_audit.models.framework import gpu_memory

PER_PASS, PER_PASS_GPU = 32, 128
"""Most images per pass, on a CPU and on a GPU. On two cores larger batches were no faster; a GPU needs more at once."""

SHARE = 0.25
"""Share of the memory for the outputs of layers: the rest is for weights, decoded images and other programs."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def fitting_batch(image_bytes: int) -> int:
    """Images per pass: a power of two, halved from the largest until a pass takes at most SHARE of the memory.

    The number depends on the network and on the machine's whole memory, not on the memory that is free at the moment,
    so that an audit uses the same batches when it is repeated.

    Args:
        image_bytes: bytes of the outputs of all layers together for one image. A forward pass holds less, since it
            frees outputs that are used up; a gradient with respect to the pixels holds them all.
    """
    on_gpu = gpu_memory()
    size, memory = (PER_PASS, main_memory()) if on_gpu is None else (PER_PASS_GPU, on_gpu)
    while size > 1 and memory is not None and size * image_bytes > SHARE * memory:
        size //= 2
    return size


def main_memory() -> int | None:
    """Bytes of main memory that this process may use: those of the machine or of its container; None = unknown."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    limits = [Path(each).read_text().strip() for each in _LIMITS if Path(each).is_file()]
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])
