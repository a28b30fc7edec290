"""Masks that are drawn of shapes: polygons, boxes and run lengths, as annotations list them.

A polygon is drawn as the COCO API draws it, pixel by pixel: its corners are rounded to fifths of a pixel, and a pixel
is inside by the sides that cross its column.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bias_audit.data.dataset import Box, Part
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID, Mask, first_centre, resize_nearest, same_aspect
from bias_audit.limits.room import decoding
from bias_audit.run.statuses import MASK_TOO_LARGE, OK, WRONG_SIZE

Positions = NDArray[np.int64]
"""Pixels of a picture of (H, W) by their place from 0 when its columns are read one after the other, downwards."""

MOST_RUNS = 4_000_000
"""Most places at which the shapes of one mask begin or end. A shape has two in most columns that it covers."""

MOST_OVERPAINTED = 200
"""How often the shapes of one mask may cover its picture."""

MOST_PAINTED = 1_000_000_000
"""Pixels that the shapes of one mask may cover however small its picture is."""

FURTHEST = 1_000_000.0
"""Largest coordinate of a polygon in pixels, on either side of 0."""

MOST_POINTS = 1_000_000
"""Most points of a polygon."""

_SCALE = 5
"""Parts of a pixel that corners are rounded to."""

_PIXEL_BYTES = 4
"""Bytes that drawing takes for each pixel of the picture at most."""


class TooManyRuns(ValueError):
    """A shape, or those of a mask together, that take too long to draw."""


class Shape(Protocol):
    """A shape in a picture; equal shapes are equal and have one hash."""

    @property
    def content(self) -> bytes:
        """Bytes that identify the shape."""

    def runs(self, size: tuple[int, int], most: int) -> Positions:
        """Where the shape begins and ends: pixels of a picture of `size` from the first position up to, but not with,
        the second, from the third up to the fourth, and so on. Ascending; an even number.

        Raises:
            TooManyRuns: more than `most` positions.
            ValueError: the shape is one of pictures of another size.
        """


@dataclass(frozen=True, slots=True)
class Polygon:
    """A polygon; lines that cross each other leave out what they enclose twice.

    Attributes:
        data: x, y of each corner in pixels as 64-bit floats, at least three corners.
    """

    data: bytes

    @classmethod
    def of(cls, coordinates: Sequence[float]) -> Polygon:
        """The polygon of corners x, y, x, y, ... in pixels.

        Raises:
            ValueError: no such numbers; the text completes "a polygon ...".
        """
        return cls.measured(coordinates)[0]

    @classmethod
    def measured(cls, coordinates: Sequence[float]) -> tuple[Polygon, Box]:
        """The same, and the box around it. Files have a million: nothing is looked at twice."""
        if len(coordinates) % 2:
            raise ValueError(f"has an odd number of coordinates ({len(coordinates)})")
        if len(coordinates) < 6:
            raise ValueError(f"has {len(coordinates) // 2} points, and needs 3")
        if len(coordinates) > 2 * MOST_POINTS:
            raise ValueError(f"has more than {MOST_POINTS:,} points")
        try:
            data = array("d", coordinates).tobytes()
            x, y = coordinates[0::2], coordinates[1::2]
            box = (min(x), min(y), max(x), max(y))
            total = sum(coordinates)  # NaN where a number is, which is neither smallest nor largest
        except (TypeError, OverflowError):
            raise ValueError("holds something that is no number") from None
        if min(box) < -FURTHEST or max(box) > FURTHEST or math.isnan(total):
            raise ValueError(f"has coordinates beyond {FURTHEST:z,.0f} pixels, or that are not finite")
        return cls(data), box

    @property
    def content(self) -> bytes:
        return b"polygon" + self.data

    @property
    def corners(self) -> NDArray[np.float64]:
        """(n, 2) of x, y in pixels."""
        return np.frombuffer(self.data, np.float64).reshape(-1, 2)

    def runs(self, size: tuple[int, int], most: int) -> Positions:
        return polygon_runs(self.corners, size, most)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box of x_min, y_min, x_max, y_max in pixels: a pixel is inside when its centre is, as in `boxes_to_mask`."""

    box: Box

    @property
    def content(self) -> bytes:
        return b"box" + array("d", self.box).tobytes()

    def runs(self, size: tuple[int, int], most: int) -> Positions:
        height, width = size
        left, top, right, bottom = (first_centre(edge) for edge in self.box)
        columns = np.arange(left, min(right, width), dtype=np.int64)
        if top >= min(bottom, height) or not len(columns):
            return np.empty(0, np.int64)
        _bound(2 * len(columns), most)
        return np.asarray(columns[:, None] * height + [top, min(bottom, height)], np.int64).reshape(-1)


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask in run lengths: so many pixels outside, then so many inside, and so on, column by column.

    Attributes:
        size: (H, W) of its picture.
        data: the lengths as unsigned 32-bit integers, which sum up to H * W.
    """

    size: tuple[int, int]
    data: bytes

    @property
    def content(self) -> bytes:
        return f"runs {self.size}".encode() + self.data

    @property
    def counts(self) -> NDArray[np.uint32]:
        """The lengths."""
        return np.frombuffer(self.data, np.uint32)

    @property
    def box(self) -> Box | None:
        """The box around it; None where it has no pixel."""
        height, width = self.size
        runs = _paired(np.cumsum(self.counts, dtype=np.int64)[:-1], height * width)
        starts, stops = runs[0::2], runs[1::2]
        starts, lasts = starts[stops > starts], stops[stops > starts] - 1
        if not len(starts):
            return None
        columns = (float(starts[0] // height), float(lasts[-1] // height + 1))
        if (starts // height != lasts // height).any():  # a run into the next column has the lowest row and the highest
            return columns[0], 0.0, columns[1], float(height)
        return columns[0], float((starts % height).min()), columns[1], float((lasts % height).max() + 1)

    def runs(self, size: tuple[int, int], most: int) -> Positions:
        if size != self.size:
            raise ValueError(f"a mask of {self.size} in a picture of {size}")
        _bound(len(self.data) // 4, most)
        return _paired(np.cumsum(self.counts, dtype=np.int64)[:-1], size[0] * size[1])


class Shapes:
    """Shapes in a picture, any number, identified once: many masks share the same shapes.

    Args:
        shapes: the shapes.
    """

    __slots__ = ("_content", "shapes")

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self.shapes = tuple(shapes)
        self._content = ""

    @property
    def content(self) -> str:
        """Text that identifies the shapes and their order."""
        if not self._content:
            digest = hashlib.sha256()
            for shape in self.shapes:
                content = shape.content
                digest.update(len(content).to_bytes(8, "little"))
                digest.update(content)
            self._content = digest.hexdigest()[:16]
        return self._content


class DrawnMask:
    """A mask of shapes. Where shapes of both kinds lie, the foreground is above.

    Args:
        foreground: shapes of the object.
        void: shapes of what is neither object nor background.
        size: (H, W) of the picture that the shapes lie in; None = the picture's, whatever it is.
        part: the part of a picture that the mask is for, with the picture's size; None = all of it.
    """

    __slots__ = ("_foreground", "_part", "_size", "_void")

    def __init__(
        self,
        foreground: Shapes,
        void: Shapes,
        size: tuple[int, int] | None = None,
        part: Part | None = None,
    ) -> None:
        self._foreground, self._void, self._part = foreground, void, part
        self._size = size if part is None else part.size

    @property
    def content(self) -> str:
        """Text that identifies the mask."""
        told = repr((self._foreground.content, self._void.content, self._size, self._part))
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def kind(self) -> str:
        """ "mask", or "box" where boxes alone are foreground."""
        shapes = self._foreground.shapes
        return "box" if shapes and all(isinstance(shape, Rectangle) for shape in shapes) else "mask"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DrawnMask) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)

    def __repr__(self) -> str:
        return f"DrawnMask({self.content})"

    def draw(self, size: tuple[int, int]) -> tuple[Mask | None, str]:
        """Draw the mask, see `Drawn`. In a picture of another size than the shapes' it is resized as a mask file is."""
        whole = self._size or size
        own = whole if self._part is None else (self._part.height, self._part.width)
        if not same_aspect(own, size):
            return None, WRONG_SIZE
        with decoding.taken(_PIXEL_BYTES * whole[0] * whole[1]):
            canvas = np.full(whole[0] * whole[1], BACKGROUND, np.uint8)
            try:
                left = _paint(canvas, self._void, whole, VOID, MOST_RUNS)
                _paint(canvas, self._foreground, whole, FOREGROUND, left)
            except TooManyRuns:
                return None, MASK_TOO_LARGE
            except ValueError:
                return None, WRONG_SIZE
            mask = _upright(canvas, whole)
            if self._part is not None:
                mask = self._part.of(mask)
            return np.ascontiguousarray(mask if own == size else resize_nearest(mask, size)), OK


def polygons_to_mask(polygons: Iterable[ArrayLike], size: tuple[int, int]) -> Mask:
    """(H, W) mask of the union of polygons: FOREGROUND inside, else BACKGROUND.

    Args:
        polygons: each (n, 2) or (2n,) of x, y in pixels, n >= 3; what lies beyond the picture is cut off.
        size: (H, W) of the picture.

    Raises:
        ValueError: no such numbers.
        TooManyRuns: it would take too long to draw.
    """
    shapes = Shapes(Polygon.of(np.asarray(each, np.float64).reshape(-1).tolist()) for each in polygons)
    canvas = np.full(size[0] * size[1], BACKGROUND, np.uint8)
    _paint(canvas, shapes, size, FOREGROUND, MOST_RUNS)
    return np.ascontiguousarray(_upright(canvas, size))


def _upright(canvas: NDArray[np.uint8], size: tuple[int, int]) -> Mask:
    return canvas.reshape(size[1], size[0]).T


def _paint(canvas: NDArray[np.uint8], shapes: Shapes, size: tuple[int, int], value: int, most: int) -> int:
    """Set the pixels of shapes to a value; return how many of the `most` positions are left for others."""
    painted = max(MOST_OVERPAINTED * len(canvas), MOST_PAINTED)
    for shape in shapes.shapes:
        runs = shape.runs(size, most)
        most -= len(runs)
        starts, stops = runs[0::2], runs[1::2]
        painted -= int((stops - starts).sum())
        if painted < 0:
            raise TooManyRuns
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            canvas[start:stop] = value
    return most


def polygon_runs(corners: NDArray[np.float64], size: tuple[int, int], most: int = MOST_RUNS) -> Positions:
    """Where a polygon begins and ends in the columns of a picture, see `Shape.runs`.

    The COCO API walks along the sides in steps of a fifth of a pixel, and notes a place wherever it goes over the
    middle of a column. Here these places are found side by side, with the same roundings.

    Args:
        corners: (n, 2) of x, y in pixels.
        size: (H, W) of the picture.
        most: most positions.
    """
    height, width = size
    begin = (_SCALE * corners + 0.5).astype(np.int64)  # towards 0, as C does
    end = np.roll(begin, -1, axis=0)
    flat = np.abs(end - begin)[:, 0] >= np.abs(end - begin)[:, 1]
    axis = np.where(flat, 0, 1)
    rows = np.arange(len(begin))
    flip = (begin[rows, axis] > end[rows, axis])[:, None]
    begin, end = np.where(flip, end, begin), np.where(flip, begin, end)
    # Column c is crossed between 5c + 2 and 5c + 3.
    low, high = np.minimum(begin[:, 0], end[:, 0]), np.maximum(begin[:, 0], end[:, 0])
    first = np.maximum(-((2 - low) // _SCALE), 0)
    last = np.minimum((high - 3) // _SCALE, width - 1)
    crossed = np.maximum(last - first + 1, 0)
    total = int(crossed.sum())
    _bound(total, most)
    side = np.repeat(rows, crossed)
    column = first[side] + np.arange(total) - np.repeat(np.cumsum(crossed) - crossed, crossed)
    places = np.empty(total, np.int64)
    for which, found in ((flat[side], _of_flat), (~flat[side], _of_steep)):
        chosen = side[which]
        places[which] = found(column[which], begin[chosen], end[chosen])
    row = np.ceil(np.clip((places + 0.5) / _SCALE - 0.5, 0, height)).astype(np.int64)
    return _paired(np.sort(column * height + row), height * width)


def _of_flat(column: Positions, begin: Positions, end: Positions) -> Positions:
    """y in fifths where sides that are wider than high cross the middle of columns; x grows from begin to end."""
    slope = (end[:, 1] - begin[:, 1]) / (end[:, 0] - begin[:, 0])
    step = _SCALE * column + 2 - begin[:, 0]
    before, after = ((begin[:, 1] + slope * each + 0.5).astype(np.int64) for each in (step, step + 1))
    return np.asarray(np.minimum(before, after), np.int64)


def _of_steep(column: Positions, begin: Positions, end: Positions) -> Positions:
    """The same of sides that are higher than wide; y grows from begin to end."""
    slope = (end[:, 0] - begin[:, 0]) / (end[:, 1] - begin[:, 1])
    right = _SCALE * column + 3
    guess = np.floor((right - 0.5 - begin[:, 0]) / slope).astype(np.int64)
    # The step that is first beyond the middle; the guess is off by one at most, by rounding.
    steps = guess[:, None] + np.arange(-1, 3)
    x = (begin[:, :1] + slope[:, None] * steps + 0.5).astype(np.int64)
    beyond = np.where(slope[:, None] > 0, x >= right[:, None], x < right[:, None])
    return np.asarray(begin[:, 1] + steps[np.arange(len(steps)), beyond.argmax(axis=1)] - 1, np.int64)


def _paired(positions: Positions, end: int) -> Positions:
    """Positions, with the end of the picture as a last one where they are odd."""
    return positions if len(positions) % 2 == 0 else np.append(positions, end)


def _bound(found: int, most: int) -> None:
    if found > most:
        raise TooManyRuns(f"{found} positions")
