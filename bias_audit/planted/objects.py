"""Objects of the shape worlds: an outline, and a surface that is plain, striped or dotted.

An object is of random size, turn and place, and of a colour that tells nothing about its class.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from bias_audit.planted.cues import tint
from bias_audit.planted.textures import Image

Photos = npt.NDArray[np.uint8]

TURN = 20.0
"""Objects are rotated by up to so many degrees either way; with all rotations a small network learns too slowly."""

_FINE = 4
"""Factor by which objects are drawn larger before they are averaged down, so that outlines are smooth."""

_PERIOD = 6.0
"""Distance of two stripes, or of two dots, in pixels."""

_SHADE = 0.3
"""Factor by which stripes and dots are darker than the object."""

_CROSS = [(1, 3), (1, 1), (3, 1), (3, -1), (1, -1), (1, -3), (-1, -3), (-1, -1), (-3, -1), (-3, 1), (-1, 1), (-1, 3)]


def draw_object(shape: str, rng: np.random.Generator, areas: tuple[float, float], side: int) -> tuple[Image, Photos]:
    """Opacity (side, side) in 0..1 and mask of one object, of random size, turn and place, whole in the photo.

    Args:
        shape: key of SHAPES.
        rng: random numbers.
        areas: least and largest area, as a share of the photo.
        side: height and width of the photo in pixels.
    """
    corners = np.asarray(SHAPES[shape], np.float64)
    x, y = corners.T
    area = abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
    scale = np.sqrt(float(rng.uniform(*areas)) * side**2 / area)
    angle = float(np.radians(rng.uniform(-TURN, TURN)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    outline = scale * corners @ turn.T
    low, high = 1 - outline.min(axis=0), side - 1 - outline.max(axis=0)
    outline = outline + rng.uniform(low, high)
    canvas: Photos = np.zeros((side * _FINE, side * _FINE), np.uint8)
    cv2.fillPoly(canvas, [np.round(outline * _FINE * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    coverage = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # A steep outline: a soft one would take a rim of the old background along when the object is cut out and pasted.
    alpha = np.asarray(np.clip(2 * coverage - 0.5, 0, 1), np.float32)
    return alpha, np.where(alpha > 0, 255, 0).astype(np.uint8)


def object_colour(rng: np.random.Generator) -> Image:
    """(3,) bright colour of any hue: objects stand out from backgrounds of middle tone, and colour tells no class."""
    return np.asarray(np.clip(float(rng.uniform(0.75, 0.95)) + tint(rng, 0.25), 0, 1), np.float32)


def plain(rng: np.random.Generator, side: int) -> Image:
    """Factors (side, side) by which the colour of an object changes from pixel to pixel: here none does."""
    return np.ones((side, side), np.float32)


def striped(rng: np.random.Generator, side: int) -> Image:
    """Dark stripes in any direction, as wide as the light ones between them."""
    along = _turned(rng, side)[0]
    return np.where(np.mod(along, _PERIOD) < _PERIOD / 2, _SHADE, 1).astype(np.float32)


def dotted(rng: np.random.Generator, side: int) -> Image:
    """Dark dots in rows, a quarter of the surface."""
    along, across = (np.mod(axis, _PERIOD) < _PERIOD / 2 for axis in _turned(rng, side))
    return np.where(along & across, _SHADE, 1).astype(np.float32)


def _turned(rng: np.random.Generator, side: int) -> Image:
    """(2, side, side) coordinates of the pixels in a frame that is turned and shifted at random."""
    angle, *shift = rng.uniform((0, 0, 0), (np.pi, _PERIOD, _PERIOD))
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    along = np.cos(angle) * columns + np.sin(angle) * rows + shift[0]
    across = np.cos(angle) * rows - np.sin(angle) * columns + shift[1]
    return np.stack([along, across]).astype(np.float32)


def _regular(corners: int) -> list[tuple[float, float]]:
    angles = 2 * np.pi * np.arange(corners) / corners
    return [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles]


def _star(points: int, inner: float) -> list[tuple[float, float]]:
    corners = _regular(2 * points)
    return [(x, y) if i % 2 else (inner * x, inner * y) for i, (x, y) in enumerate(corners)]


SHAPES: dict[str, list[tuple[float, float]]] = {
    "bar": [(-2.4, -1.0), (2.4, -1.0), (2.4, 1.0), (-2.4, 1.0)],
    "cross": [(float(x), float(y)) for x, y in _CROSS],
    "disc": _regular(40),
    "triangle": _regular(3),
    "arrow": [(3, 0), (0, 3), (0, 1.2), (-3, 1.2), (-3, -1.2), (0, -1.2), (0, -3)],
    "half_disc": [(x, y) for x, y in _regular(40) if y > -1e-9],
    "hourglass": [(-2, -2.6), (2, -2.6), (0.5, 0), (2, 2.6), (-2, 2.6), (-0.5, 0)],
    "star": _star(5, 0.42),
    "tee": [(-3, -3), (3, -3), (3, -1), (1, -1), (1, 3), (-1, 3), (-1, -1), (-3, -1)],
    "zed": [(-3, -3), (1, -3), (1, 1), (3, 1), (3, 3), (-1, 3), (-1, -1), (-3, -1)],
    "octagon": _regular(8),
}
"""Class -> corners of its outline around the origin; the size does not matter.

The place in this order is part of a scene's random seed: new shapes come last.
"""

SURFACES: dict[str, Callable[[np.random.Generator, int], Image]] = {
    "plain": plain,
    "striped": striped,
    "dotted": dotted,
}
"""Surface -> (random numbers, side of the photo) -> factors of the colour. The place is part of a scene's seed too."""

OBJECTS: dict[str, tuple[str, str]] = {
    shape if surface == "plain" else f"{shape}_{surface}": (shape, surface) for surface in SURFACES for shape in SHAPES
}
"""Class -> its shape and its surface."""
