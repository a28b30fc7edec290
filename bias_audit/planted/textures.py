"""Textures that serve as backgrounds of the shape worlds: four of middle tone, which differ in structure.

They differ a little in colour as well. Each function returns (side, side, 3) RGB in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]


def marble(rng: np.random.Generator, side: int) -> Image:
    """Soft clouds, as in marble."""
    return _dye(rng, _noise(rng, side, (3, 3), 3), (0.50, 0.46, 0.52))


def gravel(rng: np.random.Generator, side: int) -> Image:
    """Pebbles: rough at the smallest scale."""
    return _dye(rng, _noise(rng, side, (16, 16), 2), (0.48, 0.48, 0.42))


def bark(rng: np.random.Generator, side: int) -> Image:
    """Streaks from top to bottom."""
    return _dye(rng, _noise(rng, side, (2, 14), 2), (0.52, 0.44, 0.38))


def water(rng: np.random.Generator, side: int) -> Image:
    """Waves from side to side, a little blue."""
    phase = 2.5 * _noise(rng, side, (3, 3), 2)
    rows = np.arange(side, dtype=np.float32)[:, None]
    waves = np.sin(rows * float(rng.uniform(0.9, 1.3)) + 2 * np.pi * phase)
    return _dye(rng, np.asarray(0.5 + 0.4 * waves, np.float32), (0.36, 0.46, 0.60))


def _noise(rng: np.random.Generator, side: int, cells: tuple[int, int], octaves: int) -> Image:
    """(side, side) fractal value noise around 0.5, with `cells` = (rows, columns) in its coarsest octave."""
    total = np.zeros((side, side), np.float32)
    weight = 1.0
    for octave in range(octaves):
        rows, columns = cells[0] * 2**octave, cells[1] * 2**octave
        grid = rng.random((min(rows + 1, side), min(columns + 1, side)), np.float32)
        total += weight * (cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) - 0.5)
        weight /= 2
    return 0.5 + total


def _dye(rng: np.random.Generator, tone: Image, colour: tuple[float, float, float]) -> Image:
    """(side, side, 3) light and dark of one hue by `tone` (side, side); the hue varies randomly around `colour`."""
    mean = np.asarray(colour, np.float32) + rng.uniform(-0.12, 0.12, 3).astype(np.float32)
    contrast = float(rng.uniform(0.25, 0.5))
    return np.asarray(np.clip(mean + contrast * (tone[..., None] - 0.5), 0, 1), np.float32)


TEXTURES: dict[str, Callable[[np.random.Generator, int], Image]] = {
    "bark": bark,
    "gravel": gravel,
    "marble": marble,
    "water": water,
}
PLAIN = ("bark", "gravel", "marble")
"""Textures without any cue, shared by all classes; water occurs only as a cue."""
