"""How many images fit into one pass."""

from __future__ import annotations

import os
from pathlib import Path

from bias_audit.models.framework import gpu_memory

PER_PASS, PER_PASS_GPU = 32, 128
"""Images per pass, at most. On two cores larger batches were no faster; a GPU wants more at once."""

SHARE = 0.25
"""Of the memory, for what the layers put out: the rest is for weights, decoded images and other programs."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def fitting_batch(image_bytes: int) -> int:
    """Images per pass: a power of two, halved from the most until a pass takes no more than SHARE of the memory.

    Depends on the network and on the machine's whole memory, not on what is free at the moment, so that the same
    audit takes the same batches.

    Args:
        image_bytes: what all layers put out for one image together. A forward pass holds less, since it frees
            what is used up; gradients down to the pixels hold all of it.
    """
    on_gpu = gpu_memory()
    size, memory = (PER_PASS, main_memory()) if on_gpu is None else (PER_PASS_GPU, on_gpu)
    while size > 1 and memory is not None and size * image_bytes > SHARE * memory:
        size //= 2
    return size


def main_memory() -> int | None:
    """Bytes of memory that this process may use: of the machine, or of its container; None = unknown."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    limits = [Path(each).read_text().strip() for each in _LIMITS if Path(each).is_file()]
    return min([machine, *(int(limit) for limit in limits if limit.isdigit())])
