"""What the statistics ask of their arrays, and how much of them they hold in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

CHUNK = 2_000_000
"""Resampled values held in memory at once (16 MB)."""

ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Relative size below which a spread or a difference of sums is rounding."""


def vector(values: ArrayLike, name: str) -> Floats:
    """(n,) floats; ValueError for another shape."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    return array


def finite(values: ArrayLike, name: str) -> Floats:
    """(n,) finite floats; ValueError for another shape, NaN or infinity."""
    array = vector(values, name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} of {array.size} that are not")
    return array
