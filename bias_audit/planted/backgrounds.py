"""Draws the places of the planted worlds: snow, grass, forest floor and gravel road.

Each place is a ground plane in perspective before a blurred distance, as a lens focused on the animal would show it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from bias_audit.planted.animals import Image, Placement
from bias_audit.planted.species import Colour


def snow(rng: np.random.Generator, placement: Placement) -> Image:
    """Bright bluish drifts that sparkle, firs in the mist. (H, W, 3) RGB in 0..1."""
    horizon = _horizon(rng, placement)
    picture = _sky(rng, placement, (0.70, 0.79, 0.90), (0.90, 0.93, 0.97))
    _firs(picture, rng, horizon, (0.42, 0.50, 0.56), frost=True)
    picture = _far(picture, placement)
    drift = _plane(rng, placement, horizon, 1.3, octaves=3)
    fine = _plane(rng, placement, horizon, 14.0, octaves=3)
    tone = np.clip(0.62 + 1.5 * (drift - 0.5) + 0.45 * (fine - 0.5), 0, 1)
    ground = _mix((0.66, 0.76, 0.91), (0.97, 0.98, 1.0), tone)
    _dots(ground, rng, placement, horizon, 160, (1.0, 1.0, 1.0), size=0.004, spread=0.0)
    picture = _join(picture, ground, placement, horizon)
    for x, y, size in rng.random((14, 3)) * (placement.width, placement.height, 0.008 * placement.width):
        cv2.circle(picture, (int(x), int(y)), 1 + int(size), (0.97, 0.98, 1.0), -1, cv2.LINE_AA)
    return _shadow(picture, placement, (0.55, 0.66, 0.84))


def grass(rng: np.random.Generator, placement: Placement) -> Image:
    """A meadow with a hedge behind it. (H, W, 3) RGB in 0..1."""
    horizon = _horizon(rng, placement)
    picture = _sky(rng, placement, (0.55, 0.70, 0.86), (0.82, 0.87, 0.88))
    _crowns(picture, rng, horizon, ((0.22, 0.36, 0.16), (0.35, 0.47, 0.20), (0.28, 0.40, 0.22)))
    picture = _far(picture, placement)
    hue = rng.uniform(-0.05, 0.07)
    ground = _mix((0.22 + hue, 0.34, 0.11), (0.50 + hue, 0.60, 0.22), _plane(rng, placement, horizon, 5.0, octaves=4))
    _blades(ground, rng, placement, horizon, 900, ((0.20, 0.36, 0.08), (0.44, 0.58, 0.18), (0.62, 0.68, 0.32)))
    petals = ((0.93, 0.90, 0.86), (0.93, 0.80, 0.25), (0.78, 0.55, 0.80))[int(rng.integers(3))]
    _dots(ground, rng, placement, horizon, int(rng.integers(0, 26)), petals, size=0.010, spread=0.05)
    return _shadow(_join(picture, ground, placement, horizon), placement, (0.10, 0.17, 0.05))


def forest(rng: np.random.Generator, placement: Placement) -> Image:
    """Leaf litter and moss between trunks. (H, W, 3) RGB in 0..1."""
    horizon = _horizon(rng, placement)
    picture = _sky(rng, placement, (0.23, 0.33, 0.18), (0.42, 0.50, 0.30))
    height, width = placement.height, placement.width
    for _ in range(40):  # light between the leaves
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, horizon)))
        bright = float(rng.uniform(0.5, 1.0))
        colour = (0.75 * bright, 0.82 * bright, 0.48 * bright)
        cv2.circle(picture, centre, int(rng.uniform(0.006, 0.022) * width), colour, -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(4, 9))):
        x, thick = rng.uniform(0, width), rng.uniform(0.015, 0.06) * width
        bark = float(rng.uniform(0.55, 1.25))
        corners = np.array([[x - 0.8 * thick, 0], [x + 0.8 * thick, 0], [x + thick, height], [x - thick, height]])
        cv2.fillPoly(picture, [corners.astype(np.int32)], (0.26 * bark, 0.20 * bark, 0.14 * bark), cv2.LINE_AA)
    picture = _far(picture, placement)
    ground = _mix((0.20, 0.14, 0.08), (0.46, 0.33, 0.19), _plane(rng, placement, horizon, 6.0, octaves=4))
    moss = np.clip(4 * (_plane(rng, placement, horizon, 1.6, octaves=2) - 0.58), 0, 0.8)
    ground += (np.array([0.26, 0.36, 0.12], np.float32) - ground) * cv2.merge([moss] * 3)
    for colour in ((0.55, 0.36, 0.16), (0.38, 0.25, 0.13), (0.66, 0.47, 0.22), (0.25, 0.17, 0.10)):
        _dots(ground, rng, placement, horizon, 95, colour, size=0.020, spread=0.10)
    return _shadow(_join(picture, ground, placement, horizon), placement, (0.09, 0.06, 0.04))


def road(rng: np.random.Generator, placement: Placement) -> Image:
    """A gravel road before rocky hills. (H, W, 3) RGB in 0..1."""
    horizon = _horizon(rng, placement)
    picture = _sky(rng, placement, (0.58, 0.63, 0.70), (0.80, 0.78, 0.74))
    height, width = placement.height, placement.width
    for share, tone in ((1.0, 1.15), (0.6, 0.9), (0.3, 0.7)):
        ridge = _noise(rng, 1, width, (1, 5), 3)[0] * 0.55 * share
        top = horizon - (ridge + 0.08 * share) * horizon * 1.5
        corners = np.stack([np.arange(width), top], axis=1)
        hill = np.concatenate([corners, [[width, height], [0, height]]]).astype(np.int32)
        cv2.fillPoly(picture, [hill], (0.45 * tone, 0.41 * tone, 0.36 * tone), cv2.LINE_AA)
    picture = _far(picture, placement)
    hue = rng.uniform(-0.03, 0.03)
    ground = _mix((0.31 + hue, 0.30, 0.29), (0.57 + hue, 0.54, 0.50), _plane(rng, placement, horizon, 9.0, octaves=5))
    for tone in (0.30, 0.42, 0.56, 0.66):
        _dots(ground, rng, placement, horizon, 70, (tone + 0.02, tone, tone - 0.03), size=0.013, spread=0.06)
    return _shadow(_join(picture, ground, placement, horizon), placement, (0.12, 0.12, 0.13))


BACKGROUNDS: dict[str, Callable[[np.random.Generator, Placement], Image]] = {
    "forest": forest,
    "grass": grass,
    "road": road,
    "snow": snow,
}


def _horizon(rng: np.random.Generator, placement: Placement) -> float:
    """Row of the horizon in pixels from the top; the horizon is always behind the animal's trunk."""
    return float(np.clip(placement.y - rng.uniform(0.42, 0.80) * placement.scale, 0.22 * placement.height, None))


def _noise(rng: np.random.Generator, height: int, width: int, cells: tuple[int, int], octaves: int) -> Image:
    """(height, width) fractal value noise around 0.5, with `cells` = (rows, columns) in its coarsest octave."""
    total = np.zeros((height, width), np.float32)
    weight, sum_of_weights = 1.0, 0.0
    rows, columns = cells
    for _ in range(octaves):
        grid = rng.random((rows + 1, columns + 1), np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        sum_of_weights += weight
        weight, rows, columns = weight * 0.55, rows * 2, columns * 2
    return np.asarray(total / sum_of_weights, np.float32)


def _plane(rng: np.random.Generator, placement: Placement, horizon: float, frequency: float, octaves: int) -> Image:
    """(H, W) noise around 0.5 that lies on the ground, finer and flatter towards the horizon; undefined above it."""
    side = 256
    texture = _noise(rng, side, side, (8, 8), octaves)
    ys, xs = np.mgrid[0 : placement.height, 0 : placement.width].astype(np.float32)
    below = np.maximum(ys - horizon, 0) / placement.height + 0.06
    across = (xs / placement.width - 0.5) / below * frequency * side / 40
    along = 1 / below * frequency * side / 30
    seen = cv2.remap(texture, across, along, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    close = np.clip(below / 0.22, 0, 1)  # far off, the texture is finer than a pixel: only its mean is left
    return np.asarray(0.5 + (seen - 0.5) * close, np.float32)


def _mix(dark: Colour, light: Colour, share: Image) -> Image:
    """(H, W, 3) mixture of two colours by the share (H, W) of `light`, in 0..1."""
    part = np.clip(share, 0, 1)
    return np.asarray(cv2.merge([low + (high - low) * part for low, high in zip(dark, light, strict=True)]), np.float32)


def _sky(rng: np.random.Generator, placement: Placement, top: Colour, bottom: Colour) -> Image:
    fall = np.linspace(0, 1.6, placement.height, dtype=np.float32)[:, None]
    cloud = _noise(rng, placement.height, placement.width, (3, 4), 3) - 0.5
    return _mix(top, bottom, fall + 0.7 * cloud)


def _far(picture: Image, placement: Placement) -> Image:
    """Blur a picture as a lens does that is focused on the animal."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.011 * placement.width), np.float32)


def _join(far: Image, ground: Image, placement: Placement, horizon: float) -> Image:
    """Join the distance above the horizon and the ground below; the ground loses focus towards the horizon."""
    first, last = int(horizon), min(int(horizon + 0.18 * placement.height), placement.height)
    rows = np.arange(first, last, dtype=np.float32)[:, None, None] - horizon
    soft = cv2.GaussianBlur(ground[first:last], (0, 0), 0.006 * placement.width)
    near = np.clip(rows / (0.16 * placement.height), 0, 1)
    edge = np.clip(rows / (0.02 * placement.height), 0, 1)
    band = soft + (ground[first:last] - soft) * near
    return np.concatenate([far[:first], far[first:last] + (band - far[first:last]) * edge, ground[last:]])


def _shadow(picture: Image, placement: Placement, colour: Colour) -> Image:
    """Draw a soft shadow where an animal stands, in place; its shape is the same for every species."""
    top, bottom = int(placement.y - 0.25 * placement.scale), int(placement.y + 0.25 * placement.scale)
    dark = np.zeros((placement.height, placement.width), np.float32)
    centre = (placement.x, placement.y - 0.015 * placement.scale)
    cv2.ellipse(dark, (centre, (1.16 * placement.scale, 0.12 * placement.scale), 0.0), 0.62, -1, cv2.LINE_AA)
    rows = np.s_[max(top, 0) : bottom]
    weight = cv2.merge([cv2.GaussianBlur(dark[rows], (0, 0), 0.05 * placement.scale)] * 3)
    picture[rows] += (np.array(colour, np.float32) - picture[rows]) * weight
    return picture


def _scatter(rng: np.random.Generator, placement: Placement, horizon: float, count: int) -> npt.NDArray[np.float64]:
    """(count, 3) random points on the ground, far ones first: x, y in pixels, and nearness, 1 at the lower edge."""
    nearness = np.sort(rng.uniform(0.12, 1.0, count))
    y = horizon + nearness * (placement.height - horizon)
    return np.stack([rng.uniform(0, placement.width, count), y, nearness], axis=1)


def _dots(
    ground: Image,
    rng: np.random.Generator,
    placement: Placement,
    horizon: float,
    count: int,
    colour: Colour,
    size: float,
    spread: float,
) -> None:
    """Draw leaves, pebbles, flowers or sparkles as flat ellipses that shrink with distance."""
    angles = rng.uniform(-25, 25, count)
    tones = 1 + spread * rng.standard_normal(count) * 2
    sizes = size * rng.uniform(0.5, 1.1, count)
    for (x, y, near), angle, tone, part in zip(
        _scatter(rng, placement, horizon, count).tolist(), angles.tolist(), tones.tolist(), sizes.tolist(), strict=True
    ):
        radius = part * placement.width * (0.25 + 0.75 * near)
        box = ((x, y), (2 * radius, 1.1 * radius), angle)
        cv2.ellipse(ground, box, (colour[0] * tone, colour[1] * tone, colour[2] * tone), -1, cv2.LINE_AA)


def _blades(
    ground: Image,
    rng: np.random.Generator,
    placement: Placement,
    horizon: float,
    count: int,
    colours: tuple[Colour, ...],
) -> None:
    leans = rng.uniform(-0.6, 0.6, count)
    kinds = rng.integers(len(colours), size=count)
    for (x, y, near), lean, kind in zip(
        _scatter(rng, placement, horizon, count).tolist(), leans.tolist(), kinds.tolist(), strict=True
    ):
        length = (0.02 + 0.06 * near) * placement.height
        tip = (int(x + lean * length), int(y - length))
        cv2.line(ground, (int(x), int(y)), tip, colours[kind], 1 + int(near > 0.8), cv2.LINE_AA)


def _firs(picture: Image, rng: np.random.Generator, horizon: float, colour: Colour, frost: bool) -> None:
    width = picture.shape[1]
    for x in np.sort(rng.uniform(-0.05, 1.05, int(rng.integers(6, 16)))) * width:
        tall, tone = rng.uniform(0.3, 1.0) * horizon, float(rng.uniform(0.8, 1.25))
        for layer in range(4):
            base, half = horizon - 0.22 * tall * layer, (0.16 - 0.032 * layer) * tall
            corners = np.array([[x - half, base + 2], [x, base - 0.36 * tall], [x + half, base + 2]]).astype(np.int32)
            cv2.fillPoly(picture, [corners], (colour[0] * tone, colour[1] * tone, colour[2] * tone), cv2.LINE_AA)
            if frost:
                crest = ((corners + corners[1]) // 2).astype(np.int32)
                cv2.fillPoly(picture, [crest], (0.86, 0.90, 0.95), cv2.LINE_AA)


def _crowns(picture: Image, rng: np.random.Generator, horizon: float, colours: tuple[Colour, ...]) -> None:
    """Draw a hedge of overlapping crowns, high ones first."""
    width = picture.shape[1]
    rise = float(rng.uniform(0.2, 0.6)) * horizon
    outline = rise * (0.55 + 0.9 * (_noise(rng, 1, width, (1, 4), 2)[0] - 0.5))
    for level in np.linspace(1, 0, 90):
        x = float(rng.uniform(0, width - 1))
        y, tone = horizon - level * float(outline[int(x)]), float(rng.uniform(0.75, 1.15))
        red, green, blue = colours[int(rng.integers(len(colours)))]
        radius = int(rng.uniform(0.035, 0.075) * width)
        cv2.circle(picture, (int(x), int(y)), radius, (red * tone, green * tone, blue * tone), -1, cv2.LINE_AA)
