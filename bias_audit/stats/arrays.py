"""Checks of the arrays that the statistics get, and the constants of rounding and memory that they share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

CHUNK = 2_000_000
"""Most resampled values that are held in memory at once (16 MB)."""

ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Relative size below which a spread, or a difference of sums, counts as rounding error and so as 0."""


def vector(values: ArrayLike, name: str) -> Floats:
    """Values as an array of floats (n,); raises ValueError for another shape."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    return array


def finite(values: ArrayLike, name: str) -> Floats:
    """Values as an array of floats (n,); raises ValueError for another shape, NaN or infinity."""
    array = vector(values, name)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} of {array.size} that are not")
    return array
