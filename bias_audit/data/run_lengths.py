"""Run lengths of masks as COCO files write them: a list of numbers, or a text of which each sign carries five bits.

In the text, numbers are written with the lowest bits first, signed; from the fourth on, each stands for its difference
to the last but one before it.
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.shapes import RunLengths

_FIRST_SIGN = 48
_LONGEST = 7
"""Most signs of a number: lengths have 32 bits."""


def run_lengths(size: Any, counts: Any) -> RunLengths:
    """The mask of the values `size` and `counts` of a COCO file.

    Args:
        size: [height, width].
        counts: the lengths, as a list, a text, or the bytes of one.

    Raises:
        ValueError: no such values, or lengths that do not sum up to the size; the text completes "run lengths that
            ...". Nothing of the size is allocated.
    """
    if not (isinstance(size, list | tuple) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise ValueError("have no size [height, width]")
    height, width = size
    if height * width >= 2**32:
        raise ValueError(f"are of a picture of {_told(height)}x{_told(width)}, which is too large")
    lengths = _listed(counts) if isinstance(counts, list | tuple) else _unpacked(counts)
    if not len(lengths) or lengths.min() < 0 or lengths.max() >= 2**32:
        raise ValueError("hold no lengths, or one that is none")
    if (total := int(lengths.sum())) != height * width:
        raise ValueError(f"sum up to {total:,} pixels, not to {height}x{width}")
    return RunLengths((height, width), lengths.astype(np.uint32).tobytes())


def _listed(counts: Any) -> NDArray[np.int64]:
    try:
        return np.frombuffer(array("q", counts), np.int64)
    except (TypeError, OverflowError):
        raise ValueError("hold something that is no length") from None


def _unpacked(counts: Any) -> NDArray[np.int64]:
    """Lengths of a text; those that it holds, negative ones among them."""
    try:
        text = counts.encode("ascii") if isinstance(counts, str) else bytes(memoryview(counts))
    except (TypeError, UnicodeEncodeError):
        raise ValueError("have neither a text nor a list of counts") from None
    signs = np.frombuffer(text, np.uint8).astype(np.int64) - _FIRST_SIGN
    if not len(signs):
        return signs
    if signs.min() < 0 or signs.max() > 63:
        raise ValueError("hold a sign that is none of theirs")
    last = (signs & 32) == 0
    if not last[-1]:
        raise ValueError("end within a number")
    starts = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    digits = np.diff(np.append(starts, len(signs)))
    if digits.max() > _LONGEST:
        raise ValueError("hold a number of more than 32 bits")
    place = np.arange(len(signs)) - np.repeat(starts, digits)
    numbers = np.add.reduceat((signs & 31) << (5 * place), starts)
    numbers -= np.where(signs[last] & 16, np.int64(1) << (5 * digits), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return np.asarray(numbers, np.int64)


def _told(side: int) -> str:
    return f"{side:,}" if side < 10**18 else "a number beyond 1e18"
