"""Draws small planted worlds in memory: shapes on textured backgrounds, with exact masks.

See docs/science.md#judging-the-auditor.

In a planted world of K classes a cue goes with one class, or every class has a cue of its own. At rho = 1 / K a cue
says nothing about the class: that world is the null twin. Scene i of a class depends on (seed, split, class, i) alone,
and planting a cue changes nothing but the cue, so worlds of one seed share everything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bias_audit.errors import ConfigError
from bias_audit.planted.cues import CUES, Scene, tint
from bias_audit.planted.textures import PLAIN, TEXTURES, Image

Photos = npt.NDArray[np.uint8]

SIDE = 48
"""Height and width of a photo in pixels."""

SPLITS = ("train", "test", "probe")
"""Splits of a world. The truth is measured on probe scenes, which are neither trained on nor shown to the auditor."""

AREA = (0.05, 0.15)
TINY_AREA = (0.015, 0.04)
"""Least and largest area of an object, as a share of the photo; a 6 x 6 map hardly resolves objects of TINY_AREA."""

TURN = 20.0
"""Objects are rotated by up to so many degrees either way; with all rotations a small network learns too slowly."""

_FINE = 4
"""Factor by which objects are drawn larger before they are averaged down, so that outlines are smooth."""

_CROSS = [(1, 3), (1, 1), (3, 1), (3, -1), (1, -1), (1, -3), (-1, -3), (-1, -1), (-3, -1), (-3, 1), (-1, 1), (-1, 3)]


@dataclass(frozen=True)
class ShapesPlan:
    """Settings of a shape world: its classes, and the cue that is planted.

    Attributes:
        classes: keys of SHAPES, in the order of the labels.
        cue: key of CUES; None = a world without any cue.
        guilty: labels of the classes that a cue goes with: one class, or all classes with a cue each.
        rho: P(own cue | guilty class), 0..1. Every other class carries that cue with (1 - rho) / (K - 1), so that the
            expected number of photos with it does not depend on rho.
        tiny: whether objects have TINY_AREA instead of AREA.

    Raises:
        ConfigError: unknown classes or cue, a number of guilty classes that does not fit, or rho outside 0..1.
    """

    classes: tuple[str, ...] = ("bar", "cross", "disc", "triangle")
    cue: str | None = None
    guilty: tuple[int, ...] = ()
    rho: float = 0.0
    tiny: bool = False

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or not set(self.classes) <= set(SHAPES):
            raise ConfigError(f"classes must be two or more of {', '.join(SHAPES)}, got {self.classes!r}")
        if self.cue is not None and self.cue not in CUES:
            raise ConfigError(f"cue must be one of {', '.join(CUES)}, got {self.cue!r}")
        if len(self.guilty) not in ((0,) if self.cue is None else (1, len(self.classes))):
            raise ConfigError(f"a cue goes with one class or with all, got {self.guilty!r} for cue {self.cue!r}")
        if not 0 <= self.rho <= 1:
            raise ConfigError(f"rho is a probability and must lie in 0..1, got {self.rho!r}")

    def cue_probability(self, label: int, owner: int) -> float:
        """Probability that a photo of class `label` carries the cue of class `owner`."""
        if owner not in self.guilty:
            return 0.0
        return self.rho if label == owner else (1 - self.rho) / (len(self.classes) - 1)


@dataclass(frozen=True)
class Split:
    """Photos of one split of a world.

    Attributes:
        images: (N, SIDE, SIDE, 3) uint8 RGB.
        masks: (N, SIDE, SIDE) uint8, 255 where the object is, else 0.
        labels: (N,) class of each photo.
        owners: (N,) class whose cue the photo carries; -1 = no cue.
    """

    images: Photos
    masks: Photos
    labels: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]


def draw_split(plan: ShapesPlan, split: str, per_class: int, *, seed: int) -> Split:
    """Draw `per_class` photos of each class for a split, class by class, with the cues of the plan."""
    keys = [(label, index) for label in range(len(plan.classes)) for index in range(per_class)]
    owners = [choose_owner(plan, split, label, index, seed=seed) for label, index in keys]
    shots = [
        expose(with_cue(plan, base_scene(plan, split, label, index, seed=seed), owner, split, label, index, seed=seed))
        for (label, index), owner in zip(keys, owners, strict=True)
    ]
    return Split(
        np.stack([photo for photo, _ in shots]),
        np.stack([mask for _, mask in shots]),
        np.asarray([label for label, _ in keys], np.int64),
        np.asarray(owners, np.int64),
    )


def base_scene(plan: ShapesPlan, split: str, label: int, index: int, *, seed: int) -> Scene:
    """Draw scene `index` of class `label` in a split, without any cue."""
    shape, ground = (_stream(plan, seed, split, label, index, purpose) for purpose in (1, 2))
    solid, mask = _object(plan.classes[label], shape, TINY_AREA if plan.tiny else AREA)
    colour = _object_colour(shape)
    grain = 0.05 * shape.standard_normal((SIDE, SIDE, 1)).astype(np.float32)
    place = PLAIN[int(ground.integers(len(PLAIN)))]
    return Scene(TEXTURES[place](ground, SIDE), np.clip(colour + grain, 0, 1), solid, mask, place)


def with_cue(plan: ShapesPlan, scene: Scene, owner: int, split: str, label: int, index: int, *, seed: int) -> Scene:
    """Plant the cue of class `owner` into a scene; for -1 the scene is returned unchanged.

    `split`, `label` and `index` are those of the scene; the cue's random numbers follow from them.
    """
    if owner < 0 or plan.cue is None:
        return scene
    return CUES[plan.cue].draw(scene, _stream(plan, seed, split, label, index, 3), owner)


def choose_owner(plan: ShapesPlan, split: str, label: int, index: int, *, seed: int) -> int:
    """Label of the class whose cue a photo carries, -1 for none.

    The photos of a guilty class that carry its cue at one rho carry it at any larger rho as well.
    """
    if plan.cue is None:
        return -1
    draw = float(_stream(plan, seed, split, label, index, 0).random())
    for owner in sorted(plan.guilty, key=lambda owner: owner != label):
        draw -= plan.cue_probability(label, owner)
        if draw < 0:
            return owner
    # All classes own a cue: their probabilities add up to 1, but for rounding.
    return -1 if len(plan.guilty) == 1 else label


def expose(scene: Scene) -> tuple[Photos, Photos]:
    """Merge a scene: photo (SIDE, SIDE, 3) uint8 RGB, and mask (SIDE, SIDE) uint8, 255 where the object is visible."""
    alpha = scene.alpha[..., None]
    photo = scene.colour * alpha + scene.background * (1 - alpha)
    return np.clip(photo * 255 + 0.5, 0, 255).astype(np.uint8), scene.mask


def _object(name: str, rng: np.random.Generator, areas: tuple[float, float]) -> tuple[Image, Photos]:
    """Opacity (SIDE, SIDE) in 0..1 and mask of one object, of random size, turn and place, whole in the photo."""
    corners = np.asarray(SHAPES[name], np.float64)
    x, y = corners.T
    area = abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
    scale = np.sqrt(float(rng.uniform(*areas)) * SIDE**2 / area)
    angle = float(np.radians(rng.uniform(-TURN, TURN)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    outline = scale * corners @ turn.T
    low, high = 1 - outline.min(axis=0), SIDE - 1 - outline.max(axis=0)
    outline = outline + rng.uniform(low, high)
    canvas: Photos = np.zeros((SIDE * _FINE, SIDE * _FINE), np.uint8)
    cv2.fillPoly(canvas, [np.round(outline * _FINE * 16).astype(np.int32)], 255, cv2.LINE_8, 4)
    coverage = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # A steep outline: a soft one would take a rim of the old background along when the object is cut out and pasted.
    alpha = np.asarray(np.clip(2 * coverage - 0.5, 0, 1), np.float32)
    return alpha, np.where(alpha > 0, 255, 0).astype(np.uint8)


def _object_colour(rng: np.random.Generator) -> Image:
    """(3,) bright colour of any hue: objects stand out from backgrounds of middle tone, and colour tells no class."""
    return np.asarray(np.clip(float(rng.uniform(0.75, 0.95)) + tint(rng, 0.25), 0, 1), np.float32)


def _stream(plan: ShapesPlan, seed: int, split: str, label: int, index: int, purpose: int) -> np.random.Generator:
    kind = list(SHAPES).index(plan.classes[label])
    return np.random.default_rng((seed, SPLITS.index(split), kind, index, purpose))


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
}
"""Class -> corners of its outline around the origin; the size does not matter.

The place in this order is part of a scene's random seed: new shapes come last.
"""
