"""Draws the animals of the planted worlds: fox, husky and wolf, with their exact outlines.

A standing animal is seen from the side and looks at the camera. All lengths are in body units, x forward and y up from
the ground. `draw_animal` scales, mirrors and places the animal, roughens its outline into fur and shades it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from bias_audit.planted.species import SPECIES, Colour, Species

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]
Points = Sequence[tuple[float, float]]

SHIFT = 4
"""Fractional bits of the coordinates given to OpenCV: outlines are drawn to a sixteenth of a pixel."""


@dataclass(frozen=True)
class Placement:
    """Where the animal stands on the canvas, in pixels.

    Attributes:
        height, width: size of the canvas.
        x, y: middle of the four paws, on the ground.
        scale: pixels per body unit.
        facing: 1 looks to the right, -1 to the left.
    """

    height: int
    width: int
    x: float
    y: float
    scale: float
    facing: int


def place(rng: np.random.Generator, height: int, width: int) -> Placement:
    """Draw a random placement with the whole animal on a canvas, from one distribution for all species."""
    scale = float(rng.uniform(0.33, 0.42)) * width
    facing = 1 if rng.random() < 0.5 else -1
    ahead, behind = 0.90 * scale, 1.12 * scale
    left, right = (behind, ahead) if facing > 0 else (ahead, behind)
    x = float(rng.uniform(left, width - right))
    y = float(rng.uniform(0.76 * height, 0.94 * height))
    return Placement(height, width, x, y, scale, facing)


def draw_animal(name: str, rng: np.random.Generator, placement: Placement) -> tuple[Image, Image]:
    """Draw one animal.

    Args:
        name: a key of SPECIES.
        rng: random numbers for pose, build, coat and fur.
        placement: where the animal stands.

    Returns:
        (H, W, 3) RGB in 0..1, multiplied by the opacity, and (H, W) opacity in 0..1.
    """
    species = _individual(SPECIES[name], rng)
    sketch = _Sketch(placement)
    _far_legs_and_tail(sketch, species, rng)
    _trunk(sketch, species, rng)
    body = sketch.alpha.copy()
    head = _head(sketch, species, rng)
    return _fur(sketch, body, head, rng)


class _Sketch:
    """A canvas for drawing in body units: colours (H, W, 3), multiplied by the opacity, and the opacity (H, W)."""

    def __init__(self, placement: Placement) -> None:
        self.place = placement
        self.colour: Mask = np.zeros((placement.height, placement.width, 3), np.uint8)
        self.alpha: Mask = np.zeros((placement.height, placement.width), np.uint8)

    def pixels(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Convert points (N, 2) from body units to pixels (x, y)."""
        xy = np.asarray(points, np.float64)
        place = self.place
        return np.stack([place.x + place.facing * place.scale * xy[:, 0], place.y - place.scale * xy[:, 1]], axis=1)

    def fill(self, points: npt.ArrayLike, colour: Colour, inside: Mask | None = None) -> Mask:
        """Fill a polygon; with `inside` only within that mask, without adding to the outline.

        Returns:
            (H, W) mask of the pixels that were covered, 0..255.
        """
        covered: Mask = np.zeros_like(self.alpha)
        corners = np.round(self.pixels(points) * (1 << SHIFT)).astype(np.int32)
        cv2.fillPoly(covered, [corners], 255, cv2.LINE_AA, SHIFT)
        return self._paint(covered, colour, inside)

    def brush(self, line: npt.ArrayLike, radii: npt.ArrayLike, colour: Colour, inside: Mask | None = None) -> Mask:
        """Paint discs of given radii along a line, so that legs and tails taper; otherwise as `fill`."""
        covered: Mask = np.zeros_like(self.alpha)
        centres = np.round(self.pixels(line) * (1 << SHIFT)).astype(int)
        sizes = np.round(np.asarray(radii) * self.place.scale * (1 << SHIFT)).astype(int)
        for (x, y), radius in zip(centres.tolist(), sizes.tolist(), strict=True):
            cv2.circle(covered, (x, y), max(radius, 1), 255, -1, cv2.LINE_AA, SHIFT)
        return self._paint(covered, colour, inside)

    def _paint(self, covered: Mask, colour: Colour, inside: Mask | None) -> Mask:
        if inside is None:
            self.alpha = np.maximum(self.alpha, covered)
        else:
            covered = np.minimum(covered, inside)
        x, y, width, height = cv2.boundingRect(covered)
        if width:
            box = np.s_[y : y + height, x : x + width]
            weight = cv2.merge([covered[box]] * 3).astype(np.float32) * np.float32(1 / 255)
            under = self.colour[box]
            self.colour[box] = under + weight * (np.array(colour, np.float32) * 255 - under) + 0.5
        return covered


def _individual(species: Species, rng: np.random.Generator) -> Species:
    """Vary build and coat of a species for one animal, so that no single length or tone tells the species."""

    def about(value: float, spread: float) -> float:
        return value * float(1 + spread * rng.uniform(-1, 1))

    light = float(rng.uniform(-0.10, 0.10))
    warmth = np.array([1.0, 0.3, -0.9]) * float(rng.uniform(-0.025, 0.025))

    def coat(colour: Colour) -> Colour:
        tone = np.asarray(colour) * (1 + light) + warmth + rng.uniform(-0.025, 0.025)
        red, green, blue = (float(channel) for channel in np.clip(tone, 0.05, 0.97))
        return red, green, blue

    return replace(
        species,
        leg=about(species.leg, 0.08),
        depth=about(species.depth, 0.08),
        girth=about(species.girth, 0.08),
        head=about(species.head, 0.06),
        cheek=about(species.cheek, 0.05),
        ear=(about(species.ear[0], 0.08), about(species.ear[1], 0.08)),
        tail_width=about(species.tail_width, 0.12),
        back=coat(species.back),
        side=coat(species.side),
        belly=coat(species.belly),
        legs=coat(species.legs),
        tip=coat(species.tip),
        face=coat(species.face),
        brow=coat(species.brow),
    )


def _curve(points: npt.ArrayLike, closed: bool, steps: int = 8) -> npt.NDArray[np.float64]:
    """Points (M, 2) of a Catmull-Rom spline through points (N, 2), with `steps` points per segment."""
    knots = np.asarray(points, np.float64)
    if closed:
        knots = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        knots = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    before, start, end, after = knots[:-3, None], knots[1:-2, None], knots[2:-1, None], knots[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    curve = start + 0.5 * t * (
        end - before + t * (2 * before - 5 * start + 4 * end - after + t * (3 * (start - end) + after - before))
    )
    flat: npt.NDArray[np.float64] = curve.reshape(-1, 2)
    return flat if closed else np.concatenate([flat, knots[-2:-1]])


def _shade(colour: Colour, factor: float) -> Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def _leg(sketch: _Sketch, species: Species, x: float, swing: float, hind: bool, light: float) -> None:
    """Draw a leg from the trunk to the paw; `swing` moves the paw forward."""
    top = species.leg + 0.12
    if hind:
        line = [(x, top), (x + 0.05, species.leg * 0.72), (x - 0.05 + swing, species.leg * 0.36), (x + swing, 0.03)]
        radii = np.array([0.115, 0.085, 0.042, 0.042])
    else:
        line = [(x, top), (x, species.leg * 0.7), (x + 0.5 * swing, species.leg * 0.36), (x + swing, 0.03)]
        radii = np.array([0.085, 0.062, 0.043, 0.042])
    curve = _curve(line, closed=False)
    share = np.linspace(0, 1, len(curve))
    widths = species.girth * np.interp(share, np.linspace(0, 1, 4), radii)
    lower = share >= 0.42
    sketch.brush(curve, widths, _shade(species.side, light))
    sketch.brush(curve[lower], widths[lower], _shade(species.legs, light))
    paw = [(x + swing + dx, 0.03) for dx in (0.0, 0.02, 0.04)]
    sketch.brush(paw, [0.042 * species.girth] * 3, _shade(species.legs, light))


def _far_legs_and_tail(sketch: _Sketch, species: Species, rng: np.random.Generator) -> None:
    swings = rng.uniform(-0.13, 0.13, 2)
    _leg(sketch, species, -0.30, float(swings[0]), hind=True, light=0.62)
    _leg(sketch, species, 0.36, float(swings[1]), hind=False, light=0.62)

    angle = float(rng.uniform(-0.22, 0.22))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    root = np.array([-0.47, species.leg + 0.78 * species.depth])
    line = _curve(np.asarray(species.tail) @ turn.T + root, closed=False)
    share = np.linspace(0, 1, len(line))
    widths = species.tail_width * np.interp(share, [0, 0.25, 0.65, 0.9, 1], [0.55, 0.85, 1.0, 0.7, 0.3])
    sketch.brush(line, widths, _shade(species.back, 1.08))
    tip = share >= 1 - species.tail_tip
    sketch.brush(line[tip], widths[tip], species.tip)


def _trunk(sketch: _Sketch, species: Species, rng: np.random.Generator) -> None:
    """Draw the trunk with saddle and belly, then the near legs."""
    low, top = species.leg, species.leg + species.depth
    middle = low + 0.5 * species.depth
    outline = _curve(
        [
            (-0.53, middle + 0.05),
            (-0.45, top - 0.04),
            (-0.18, top - 0.01),
            (0.16, top + 0.01),
            (0.38, top + 0.08),
            (0.54, middle + 0.12),
            (0.50, low + 0.06),
            (0.34, low - 0.03),
            (0.10, low - 0.01),
            (-0.16, low + 0.06),
            (-0.32, low + 0.04),
            (-0.47, low + 0.04),
        ],
        closed=True,
    )
    trunk = sketch.fill(outline, species.side)
    dip = float(rng.uniform(-0.04, 0.04))
    saddle = [(-0.60, top + 0.2), (0.62, top + 0.3), (0.46, middle + 0.12 + dip), (0.05, middle + 0.05 + dip)]
    sketch.fill(_curve([*saddle, (-0.38, middle + 0.03 + dip), (-0.58, middle)], closed=True), species.back, trunk)
    belly = [(-0.38, low - 0.1), (0.6, low - 0.1), (0.62, middle - 0.02), (0.40, low + 0.13), (-0.05, low + 0.10)]
    sketch.fill(_curve(belly, closed=True), species.belly, trunk)
    swings = rng.uniform(-0.13, 0.13, 2)
    _leg(sketch, species, -0.38, float(swings[0]), hind=True, light=0.96)
    _leg(sketch, species, 0.30, float(swings[1]), hind=False, light=0.98)


def _head(sketch: _Sketch, species: Species, rng: np.random.Generator) -> Mask:
    """Draw the neck, and the head seen from the front; returns the mask (H, W) of the head with its ears."""
    radius = species.head
    top = species.leg + species.depth
    x = 0.60 + float(rng.uniform(-0.05, 0.06))
    y = top + 0.17 + float(rng.uniform(-0.07, 0.07))
    turn = float(rng.uniform(-0.16, 0.16))
    tilt = float(rng.uniform(-0.15, 0.15))

    neck = [(0.10, top), (0.36, top + 0.10), (x - 0.09, y + 0.03), (x + 0.10, y - 0.10), (0.57, top - 0.16)]
    neck.append((0.36, top - 0.22))
    nape = sketch.fill(_curve(neck, closed=True), species.side)
    ridge = [(-0.05, top - 0.05), (0.15, top), (0.34, top + 0.08), (x - 0.12, y + 0.02)]
    sketch.brush(_curve(ridge, closed=False), [0.085] * 25, species.back, nape)
    chest = [(x - 0.10, y - 0.12), (x + 0.11, y - 0.12), (0.58, top - 0.20), (0.50, top - 0.32), (0.40, top - 0.20)]
    sketch.fill(_curve(chest, closed=True), species.belly, sketch.alpha)

    def at(points: Points) -> npt.NDArray[np.float64]:
        """Convert points from radii of the tilted head to body units."""
        uv = np.asarray(points, np.float64) * radius
        rotation = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        placed: npt.NDArray[np.float64] = uv @ rotation.T + (x, y)
        return placed

    def disc(u: float, v: float, size: float, colour: Colour, inside: Mask | None = None) -> None:
        sketch.brush(at([(u, v)]), [size * radius], colour, inside)

    before = sketch.alpha.copy()
    sketch.alpha = np.zeros_like(before)
    wide, high = species.ear
    for side in (-1, 1):
        root = 0.50 * side
        ear = [(root - wide * 1.05, 0.42), (root + 0.16 * side, 0.72 + high), (root + wide * 1.05, 0.42)]
        sketch.fill(at(ear), species.ear_rim)
        inner = [(root - wide * 0.55, 0.45), (root + 0.12 * side, 0.55 + 0.72 * high), (root + wide * 0.55, 0.45)]
        sketch.fill(at(inner), _shade(species.face, 0.82))
    cheek, chin = species.cheek, species.chin
    right = [(0.42, 0.80), (0.78, 0.42), (cheek, -0.12), (0.68, -0.52), (0.34, -0.80 * chin)]
    outline = [(0.0, 0.86), *right, (0.0, -chin), *[(-u, v) for u, v in reversed(right)]]
    skull = sketch.fill(_curve(at(outline), closed=True), species.brow)
    for side in (-1, 1):
        patch = [(0.10, -0.25), (0.20, 0.30), (0.44, 0.38), (0.72, 0.18), (cheek, -0.12), (0.6, -0.9), (0.0, -1.0)]
        if species.iris[2] < 0.5:  # fox and wolf: the light cheeks stay below the eyes
            patch = [(0.08, -0.30), (0.34, -0.06), (cheek, 0.02), (0.8, -0.7), (0.3, -1.0), (0.0, -1.05)]
        sketch.fill(_curve(at([(u * side + turn * 0.4, v) for u, v in patch]), closed=True), species.face, skull)
    muzzle = [(turn + u, v) for u, v in ((-0.30, -0.30), (0.0, 0.02), (0.30, -0.30), (0.20, -0.82), (-0.20, -0.82))]
    sketch.fill(_curve(at(muzzle), closed=True), _shade(species.face, 1.02), skull)
    bridge = [(turn - 0.10, -0.35), (turn * 0.5 - 0.14, 0.35), (turn * 0.5 + 0.14, 0.35), (turn + 0.10, -0.35)]
    sketch.fill(at(bridge), species.brow, skull)
    for side in (-1, 1):
        u = 0.36 * side + 0.7 * turn
        disc(u, 0.12, 0.155, (0.07, 0.06, 0.06), skull)
        disc(u, 0.12, 0.105, species.iris, skull)
        disc(u, 0.12, 0.060, (0.03, 0.03, 0.03), skull)
        disc(u + 0.04, 0.17, 0.030, (0.97, 0.97, 0.97), skull)
    nose = [(turn - 0.17, -0.40), (turn + 0.17, -0.40), (turn + 0.06, -0.58), (turn - 0.06, -0.58)]
    sketch.fill(_curve(at(nose), closed=True), (0.08, 0.07, 0.07), skull)
    mouth = [(turn - 0.22, -0.72), (turn, -0.64), (turn + 0.22, -0.72)]
    sketch.brush(_curve(at(mouth), closed=False), [0.028 * radius] * 17, (0.25, 0.20, 0.18), skull)
    head = sketch.alpha
    sketch.alpha = np.maximum(before, head)
    return head


def _dome(mask: Mask, scale: float) -> Image:
    """(H, W) shading of a rounded body with this outline, lit from above: about -1 (below) to 1 (above)."""
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 3)
    height = cv2.GaussianBlur(np.sqrt(np.minimum(depth, 0.14 * scale)), (0, 0), 0.022 * scale)
    slope = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) - 0.35 * cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3)
    return np.asarray(np.tanh(slope / 2), np.float32)


def _fur(sketch: _Sketch, body: Mask, head: Mask, rng: np.random.Generator) -> tuple[Image, Image]:
    """Shade the flat drawing, lay hairs over it and fray the outline: (colours, opacity) as `draw_animal`."""
    scale = sketch.place.scale
    shape = sketch.alpha.shape
    x, y, width, height = cv2.boundingRect(sketch.alpha)
    margin = int(0.05 * scale) + 4
    top, left = max(y - margin, 0), max(x - margin, 0)
    box = np.s_[top : y + height + margin, left : x + width + margin]  # all else stays transparent

    on_head = head[box].astype(np.float32) / 255
    light = _dome(body[box], scale) * (1 - on_head) + (_dome(head[box], scale) * 0.7 + 0.08) * on_head
    under = cv2.GaussianBlur(on_head, (0, 0), 0.05 * scale) * (1 - on_head)  # the head's shadow on the neck

    grain = rng.standard_normal(on_head.shape, np.float32)
    hairs = np.asarray(cv2.GaussianBlur(grain, (0, 0), 2.2, sigmaY=0.7) * 2.4, np.float32)
    clumps = cv2.GaussianBlur(grain[::-1], (0, 0), 0.030 * scale) * 0.085 * scale
    gain = 1 + 0.27 * light - 0.30 * under + 0.085 * hairs * (1 - 0.45 * on_head) + 0.07 * clumps
    flat = cv2.GaussianBlur(sketch.colour[box], (0, 0), 0.8).astype(np.float32) * np.float32(1 / 255)

    ys, xs = np.mgrid[0 : on_head.shape[0], 0 : on_head.shape[1]].astype(np.float32)
    fray = 0.0085 * scale * (1 - 0.55 * on_head)
    wave = cv2.GaussianBlur(grain[:, ::-1], (0, 0), 1.1) * 3.4
    there = (xs + fray * 0.8 * wave, ys + fray * hairs)
    opacity = cv2.GaussianBlur(sketch.alpha[box], (0, 0), 0.8).astype(np.float32) * np.float32(1 / 255)
    frayed = cv2.remap(opacity, *there, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    furry = cv2.remap(flat * cv2.merge([gain] * 3), *there, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)

    colour = np.zeros((*shape, 3), np.float32)
    alpha = np.zeros(shape, np.float32)
    colour[box] = np.clip(furry, 0, cv2.merge([frayed] * 3))
    alpha[box] = frayed
    return colour, alpha
