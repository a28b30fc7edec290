"""Edits of one picture: remove its object, paste the object on another background, erase or lend a region.

All functions take pixels (H, W, C) float32 in [0, 255] in the model's input size, before preprocessing, and masks
(H, W) uint8 of BACKGROUND, FOREGROUND, VOID. A region or a hole is (H, W) uint8, 1 inside. A new way to fill a hole is
one function and one line in FILLS; a new neutral backdrop is one function and one line in BACKDROPS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.data.masks import FOREGROUND, VOID
from bias_audit.interventions.exemplar import fill_by_pieces

Pixels = NDArray[np.float32]
Mask = NDArray[np.uint8]
Scalar = TypeVar("Scalar", bound=np.generic)

HOLE_MARGIN = 0.03
"""Width of the margin around an object that is removed with it, as a share of the shorter side (7 px at 224).

A tight hole keeps the shape of the object, and shape alone leaks the class (Xiao et al. 2021).
"""

FEATHER = 0.005
"""Blur of a pasted edge, as a share of the shorter side (1 px at 224): more would dissolve thin legs and ears."""

GROWTH = 0.2
"""How far a grown hole reaches beyond a hole on every side, as a share of the shorter side (45 px at 224).

So much covers what a mask missed of an object where a third of it was cut off (docs/science.md#grown-holes).
"""

BLUR = 0.08
"""Standard deviation of the blur that fills a hole, as a share of the shorter side (18 px at 224)."""

NOISE = 0.25 * 255
"""Standard deviation of the noise of relative foreground sensitivity, in grey levels (Moayeri et al. 2022)."""

MOST_REGION = 0.15
"""Largest attended region, as a share of the picture: more than that is the background as a whole."""

MOST_OVERLAP = 0.1
"""Largest share of a moved region that may lie on what it must avoid; beyond, there is no room for a control."""


def hole(mask: Mask) -> Mask:
    """The hole that removing the object leaves: (H, W) uint8, 1 on the object and on a margin around it.

    Void pixels next to the object (the rim of a trimap) may show parts of the object, and count as object; padding
    farther off does not.
    """
    kernel = _disc(max(2, round(HOLE_MARGIN * min(mask.shape))))
    thing = (mask == FOREGROUND).astype(np.uint8)
    rim = np.asarray(cv2.dilate(thing, kernel), np.uint8) & (mask == VOID)
    return np.asarray(cv2.dilate(thing | rim, kernel), np.uint8)


def grown(holes: Mask) -> Mask:
    """The holes with all that lies within GROWTH of them, to cover what a mask may have missed of the object."""
    return near(holes, GROWTH)


def near(holes: Mask, share: float) -> Mask:
    """(H, W) 1 on the holes and on all that lies within a share of the picture's shorter side of them."""
    return np.asarray(cv2.dilate(holes, _disc(round(share * min(holes.shape)))), np.uint8)


def touches(region: Mask, holes: Mask) -> bool:
    """Whether a region lies on the holes, or borders them by a side or a corner of a pixel."""
    return bool((np.asarray(cv2.dilate(holes, np.ones((3, 3), np.uint8)), np.uint8)[region > 0] > 0).any())


def inpaint(pixels: Pixels, holes: Mask) -> Pixels:
    """Fill the hole from its border inwards (Telea 2004); the whole result is rounded to 8 bits."""
    rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    filled = cv2.inpaint(np.ascontiguousarray(rounded), holes, 5, cv2.INPAINT_TELEA)
    return filled.reshape(pixels.shape).astype(np.float32)


def blur_noise(pixels: Pixels, holes: Mask) -> Pixels:
    """Fill the hole with its blurred surroundings and noise as strong as their grain; no structure grows into the hole.

    See docs/science.md#fills.
    """
    fine = pixels - np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.5), np.float32).reshape(pixels.shape)
    grain = float(fine[holes == 0].std()) if (holes == 0).any() else 0.0
    noise = (grain * _grain(pixels.shape[:2])).astype(np.float32)
    filled = _blurred_surroundings(pixels, holes)
    filled += in_channels(noise, pixels.shape[2])
    return _inside(holes > 0, np.clip(filled, 0, 255, out=filled), pixels)


def tile(pixels: Pixels, holes: Mask) -> Pixels:
    """Fill the hole by repeating the largest strip beside its bounding box (Only-BG-T, Xiao et al. 2021)."""
    rows, columns = np.flatnonzero(holes.any(axis=1)), np.flatnonzero(holes.any(axis=0))
    if not rows.size:
        return pixels.copy()
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    strips = (pixels[:top], pixels[bottom:], pixels[:, :left], pixels[:, right:])
    strip = max(strips, key=lambda part: part.shape[0] * part.shape[1])
    if not strip.size:
        return constant(pixels, holes)
    ys, xs = np.arange(pixels.shape[0]) % strip.shape[0], np.arange(pixels.shape[1]) % strip.shape[1]
    return _inside(holes > 0, strip[ys][:, xs], pixels)


def constant(pixels: Pixels, holes: Mask) -> Pixels:
    """Fill the hole with the mean colour of the pixels outside the hole."""
    outside = holes == 0
    colour = pixels[outside].mean(axis=0) if outside.any() else pixels.mean(axis=(0, 1))
    filled = pixels.astype(np.float32)
    filled[~outside] = colour
    return filled


def exemplar(pixels: Pixels, holes: Mask) -> Pixels:
    """Fill the hole with pieces of the picture's own background that fit its border, so that texture goes on.

    Where no piece of it is free of the hole, the border grows inwards as in `inpaint`. See `exemplar.fill_by_pieces`.
    """
    filled = fill_by_pieces(pixels, holes)
    return inpaint(pixels, holes) if filled is None else filled


Fill = Callable[[Pixels, Mask], Pixels]
"""A fill: (pixels, hole) -> pixels with the hole filled; a backdrop: (pixels, mask of the object) -> its pixels."""

FILLS: dict[str, Fill] = {
    "inpaint": inpaint,
    "blur_noise": blur_noise,
    "tile": tile,
    "constant": constant,
    "exemplar": exemplar,
}


def black(pixels: Pixels, mask: Mask) -> Pixels:
    """A black backdrop (Only-FG, Xiao et al. 2021)."""
    return np.zeros_like(pixels)


def grey(pixels: Pixels, mask: Mask) -> Pixels:
    """A backdrop of mid grey, 127.5."""
    return np.full_like(pixels, 127.5)


def blurred(pixels: Pixels, mask: Mask) -> Pixels:
    """The photo's own background, blurred: its colours stay, its texture goes, and the object does not bleed in."""
    return np.clip(_blurred_surroundings(pixels, hole(mask)), 0, 255).astype(np.float32)


def noise(pixels: Pixels, mask: Mask) -> Pixels:
    """A backdrop of uniform noise, the same for every photo."""
    return _noise_of(pixels.shape)


BACKDROPS: dict[str, Fill] = {"black": black, "grey": grey, "blurred": blurred, "noise": noise}


def background_only(pixels: Pixels, mask: Mask, fill: str = "inpaint") -> Pixels:
    """The picture with its object removed; `fill` is a key of FILLS."""
    return FILLS[fill](pixels, hole(mask))


def foreground_only(pixels: Pixels, mask: Mask, backdrop: str = "black") -> Pixels:
    """The object on a neutral backdrop; `backdrop` is a key of BACKDROPS."""
    return paste(pixels, mask, BACKDROPS[backdrop](pixels, mask))


def paste(pixels: Pixels, mask: Mask, background: Pixels) -> Pixels:
    """Composite: the object of a picture, at its own place, on another background (H, W, C), with feathered edges."""
    return Cutout.of(pixels, mask).onto(background)


@dataclass(frozen=True)
class Cutout:
    """The object of a picture, cut out to be pasted on several backgrounds, see `paste`.

    Attributes:
        object: (H, W, C) float32, pixels times their opacity.
        rest: (H, W, C) float32, the share of the background in each pixel, 0..1.
    """

    object: Pixels
    rest: Pixels

    @classmethod
    def of(cls, pixels: Pixels, mask: Mask) -> Cutout:
        """Cut the object out of a picture; arguments as of `paste`."""
        alpha = in_channels(_alpha(mask), pixels.shape[2])
        return cls(pixels * alpha, 1 - alpha)

    def onto(self, background: NDArray[np.float32] | NDArray[np.uint8]) -> Pixels:
        """The object on a background (H, W, C) in [0, 255]."""
        made = np.multiply(background, self.rest, dtype=np.float32)
        made += self.object
        return made


def with_noise(pixels: Pixels, mask: Mask, rng: np.random.Generator, *, on_object: bool) -> Pixels:
    """Add Gaussian noise (standard deviation NOISE) to the object, or to all but the object (Moayeri et al. 2022)."""
    where = (mask == FOREGROUND) == on_object
    changed = pixels + rng.normal(0, NOISE, pixels.shape).astype(np.float32)
    return _inside(where, np.clip(changed, 0, 255, out=changed), pixels)


def attended_region(heat: NDArray[np.float32], mask: Mask) -> Mask | None:
    """The connected region of background around the hottest pixel of a heatmap, down to half its heat.

    Args:
        heat: (h, w) signed heatmap; its positive part is brought to the picture (half-pixel bilinear).
        mask: mask of the picture. The object, a margin around it and void pixels are left out.

    Returns:
        (H, W) region, cut to the hottest MOST_REGION of the picture (pixels that tie at that bound stay in), or None
        without positive evidence on the background.
    """
    height, width = mask.shape
    upsampled = np.maximum(cv2.resize(np.maximum(heat, 0).astype(np.float32), (width, height)), 0)
    upsampled = np.where((hole(mask) > 0) | (mask == VOID), 0, upsampled)
    peak = float(upsampled.max())
    if not np.isfinite(peak) or peak <= 0:
        return None
    most = int(MOST_REGION * mask.size)
    bound = max(peak / 2, float(np.partition(upsampled.ravel(), -most)[-most]))
    _, parts = cv2.connectedComponents((upsampled >= bound).astype(np.uint8))
    return np.asarray(parts == parts.ravel()[int(upsampled.argmax())], np.uint8)


def elsewhere(region: Mask, avoid: Mask, rng: np.random.Generator, scales: tuple[float, ...] = (1.0,)) -> Mask | None:
    """Move a region to where it overlaps least with `avoid` and with its old place, to serve as a control.

    Args:
        region: (H, W) the region.
        avoid: (H, W), above 0 where the control must not lie.
        rng: chooses among places that are equally free.
        scales: factors by which the region is resized, tried in turn until there is room; 1 = its own size.

    Returns:
        (H, W) the moved region without the pixels that still overlap, or None for an empty region or where more than
        MOST_OVERLAP of the region would overlap.
    """
    placed = placed_elsewhere(region, avoid, rng, scales)
    return None if placed is None else placed[0]


def placed_elsewhere(
    region: Mask, avoid: Mask, rng: np.random.Generator, scales: tuple[float, ...] = (1.0,)
) -> tuple[Mask, tuple[int, int]] | None:
    """As `elsewhere`, and by how much the upper left corner of the region was moved, (down, right) in pixels."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not rows.size:
        return None
    whole = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    taken = ((region > 0) | (avoid > 0)).astype(np.float32)
    for scale in scales:
        shape = whole if scale == 1 else _scaled(whole, scale)
        overlap = cv2.matchTemplate(taken, shape.astype(np.float32), cv2.TM_CCORR)
        if float(overlap.min()) <= MOST_OVERLAP * float(shape.sum()):
            break
    else:
        return None
    free = np.argwhere(overlap <= overlap.min() + 0.5)  # matchTemplate counts in float32, by FFT
    y, x = free[int(rng.integers(len(free)))]
    moved = np.zeros_like(region)
    moved[y : y + shape.shape[0], x : x + shape.shape[1]] = shape
    return np.where(taken > 0, 0, moved).astype(np.uint8), (int(y - rows[0]), int(x - columns[0]))


def shifted(pixels: NDArray[Scalar], offset: tuple[int, int]) -> NDArray[Scalar]:
    """A picture or mask moved (down, right); what leaves it on one side comes in on the other."""
    moved: NDArray[Scalar] = np.roll(pixels, offset, axis=(0, 1))
    return moved


def lend(host: Pixels, mask: Mask, lender: Pixels, region: Mask) -> Pixels:
    """Put a region of another picture on the host's background, behind the host's object, with a soft edge.

    Args:
        host: (H, W, C) picture that gets the region.
        mask: (H, W) mask of the host.
        lender: (H, W, C) picture that the region is taken from.
        region: (H, W) the region, at the same place in both pictures.
    """
    open_ground = ((region > 0) & (mask != FOREGROUND)).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(open_ground, (0, 0), max(1.0, FEATHER * min(mask.shape))), np.float32)
    alpha = in_channels(np.minimum(2 * soft, 1) * open_ground, host.shape[2])
    return np.asarray(lender * alpha + host * (1 - alpha), np.float32)


def in_channels(values: NDArray[Scalar], channels: int) -> NDArray[Scalar]:
    """(H, W) -> (H, W, C), the same in every channel, in memory of its own.

    NumPy takes five times as long where it has to repeat a value for each of three channels itself.
    """
    return np.repeat(values, channels).reshape(*values.shape, channels)


def _alpha(mask: Mask) -> Pixels:
    """(H, W) opacity of the object in 0..1: blurred inwards only, so that no rim of the old background comes along."""
    inside = (mask == FOREGROUND).astype(np.float32)
    soft = cv2.GaussianBlur(inside, (0, 0), max(1.0, FEATHER * min(mask.shape)))
    return np.asarray(np.clip(2 * soft - 1, 0, 1) * inside, np.float32)


def _blurred_surroundings(pixels: Pixels, holes: Mask) -> Pixels:
    """(H, W, C) blur of the pixels outside the hole alone; deep inside a large hole it is their mean colour."""
    outside = (holes == 0).astype(np.float32)
    sigma = BLUR * min(holes.shape)
    weight = np.asarray(cv2.GaussianBlur(outside, (0, 0), sigma), np.float32)
    seen = pixels * in_channels(outside, pixels.shape[2])
    smooth = np.asarray(cv2.GaussianBlur(seen, (0, 0), sigma), np.float32).reshape(pixels.shape)
    mean = seen.sum(axis=(0, 1)) / max(float(outside.sum()), 1.0)
    smooth += np.broadcast_to(1e-3 * mean, smooth.shape[1:]).copy()
    smooth /= in_channels(weight + np.float32(1e-3), pixels.shape[2])
    return smooth


def _inside(where: NDArray[np.bool_], inside: Pixels, outside: Pixels) -> Pixels:
    """The pixels of one picture (H, W, C) where (H, W) is true, and of another elsewhere."""
    return np.where(in_channels(where, outside.shape[2]), inside, outside).astype(np.float32, copy=False)


@functools.lru_cache(maxsize=4)
def _grain(size: tuple[int, int]) -> NDArray[np.float64]:
    """(H, W) noise of standard deviation 1, the same for every picture."""
    return _constant(np.random.default_rng(0).standard_normal(size))


@functools.lru_cache(maxsize=4)
def _noise_of(shape: tuple[int, int, int]) -> Pixels:
    return _constant(np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32))


def _constant(values: NDArray[Scalar]) -> NDArray[Scalar]:
    values.setflags(write=False)
    return values


def _scaled(shape: Mask, scale: float) -> Mask:
    size = tuple(max(1, round(side * scale)) for side in shape.shape[::-1])
    return np.asarray(cv2.resize(shape, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def _disc(radius: int) -> Mask:
    size = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), np.uint8)
