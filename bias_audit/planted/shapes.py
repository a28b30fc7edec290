"""Draws small planted worlds in memory: shapes on textured backgrounds, with exact masks.

See docs/science.md#judging-the-auditor.

In a planted world of K classes a cue goes with one class, every class has a cue of its own, or cues are planted as
`planting.Planting` says. At rho = 1 / K a cue of one class says nothing about the class: that world is the null twin.
Scene i of a class depends on (seed, split, class, i) alone, and planting a cue changes nothing but the cue, so worlds
of one seed share everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from bias_audit.errors import ConfigError
from bias_audit.planted.cues import CUES, Scene
from bias_audit.planted.objects import OBJECTS, SHAPES, SURFACES, Photos, draw_object, object_colour
from bias_audit.planted.planting import Planting
from bias_audit.planted.textures import PLAIN, TEXTURES, Image

SIDE = 48
"""Height and width of a photo in pixels."""

SPLITS = ("train", "test", "probe")
"""Splits of a world. The truth is measured on probe scenes, which are neither trained on nor shown to the auditor."""

AREA = (0.05, 0.15)
TINY_AREA = (0.015, 0.04)
"""Least and largest area of an object, as a share of the photo; a 6 x 6 map hardly resolves objects of TINY_AREA."""

_OWNER, _SHAPE, _GROUND, _CUE, _SURFACE, _MOVE, _SECOND, _NOISE, _PLANTING = range(9)
"""What a scene's random numbers are for; each purpose has a stream of its own. Planting j takes two from _PLANTING on.

The numbers are part of a scene's random seed: they stay as they are.
"""

_TRIES = 40
"""Number of places that are tried for a second object."""


@dataclass(frozen=True)
class ShapesPlan:
    """Settings of a shape world: its classes, what is planted, and how its photos come.

    Attributes:
        classes: keys of OBJECTS, in the order of the labels.
        cue: key of CUES; None = a world without any cue, or with `plantings`.
        guilty: labels of the classes that a cue goes with: one class, or all classes with a cue each.
        rho: P(own cue | guilty class), 0..1. Every other class carries that cue with (1 - rho) / (K - 1), so that the
            expected number of photos with it does not depend on rho.
        tiny: whether objects have TINY_AREA instead of AREA.
        plantings: any other cues, in place of `cue`, `guilty` and `rho`.
        weights: relative number of photos of each class; () = all alike. The photos of all classes stay as many.
        group: photos that show one object in one place, slightly moved, as those of one patient do; 1 = none do.
            Whether a photo carries a cue is decided for its whole group.
        noise: share of photos, 0..1, whose label is that of another class, drawn at random.

    Raises:
        ConfigError: unknown classes or cue, guilty classes that do not fit, or a number outside its range.
    """

    classes: tuple[str, ...] = ("bar", "cross", "disc", "triangle")
    cue: str | None = None
    guilty: tuple[int, ...] = ()
    rho: float = 0.0
    tiny: bool = False
    plantings: tuple[Planting, ...] = ()
    weights: tuple[int, ...] = ()
    group: int = 1
    noise: float = 0.0

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or not set(self.classes) <= set(OBJECTS):
            raise ConfigError(f"classes must be two or more of {', '.join(OBJECTS)}, got {self.classes!r}")
        if self.cue is not None and self.cue not in CUES:
            raise ConfigError(f"cue must be one of {', '.join(CUES)}, got {self.cue!r}")
        if len(self.guilty) not in ((0,) if self.cue is None else (1, len(self.classes))):
            raise ConfigError(f"a cue goes with one class or with all, got {self.guilty!r} for cue {self.cue!r}")
        if not 0 <= self.rho <= 1:
            raise ConfigError(f"rho is a probability and must lie in 0..1, got {self.rho!r}")
        if self.cue is not None and self.plantings:
            raise ConfigError("a world has a cue or plantings, not both")
        if any(len(planting.rates) != len(self.classes) for planting in self.plantings):
            raise ConfigError(f"a planting has a rate for each of {len(self.classes)} classes, got {self.plantings!r}")
        if self.weights and (len(self.weights) != len(self.classes) or min(self.weights) < 1):
            raise ConfigError(f"weights are one number of at least 1 per class, got {self.weights!r}")
        if self.group < 1 or not 0 <= self.noise <= 1:
            raise ConfigError(f"group is at least 1 and noise lies in 0..1, got {self.group!r} and {self.noise!r}")

    @property
    def culprits(self) -> tuple[int, ...]:
        """Labels of the classes that a cue, or its absence, goes with; () in a world without any such class."""
        if self.cue is not None:
            return () if math.isclose(self.rho, 1 / len(self.classes)) else self.guilty
        return tuple(sorted({label for planting in self.plantings for label in planting.culprits}))

    def cue_probability(self, label: int, owner: int) -> float:
        """Probability that a photo of class `label` carries the cue of class `owner`."""
        if owner not in self.guilty:
            return 0.0
        return self.rho if label == owner else (1 - self.rho) / (len(self.classes) - 1)

    def counts(self, per_class: int) -> tuple[int, ...]:
        """Photos of each class where there are `per_class` in the mean."""
        total = sum(self.weights)
        return tuple(round(per_class * len(self.weights) * weight / total) for weight in self.weights) or (
            per_class,
        ) * len(self.classes)


@dataclass(frozen=True)
class Split:
    """Photos of one split of a world.

    Attributes:
        images: (N, SIDE, SIDE, 3) uint8 RGB.
        masks: (N, SIDE, SIDE) uint8, 255 where the object is, else 0.
        labels: (N,) class of each photo; with label noise not always that of the object.
        owners: (N,) class whose cue the photo carries; -1 = no cue, or a world with plantings.
        carried: (N, P) bool, which of the P plantings of the plan the photo carries.
        groups: (N,) number of the group that each photo belongs to, unique over the classes.
    """

    images: Photos
    masks: Photos
    labels: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    carried: npt.NDArray[np.bool_]
    groups: npt.NDArray[np.int64]


def draw_split(plan: ShapesPlan, split: str, per_class: int, *, seed: int, second: float = 0.0) -> Split:
    """Draw the photos of a split, class by class, with the cues of the plan.

    Args:
        plan: settings of the world.
        split: one of SPLITS.
        per_class: photos of each class; with weights, in the mean over the classes.
        seed: seed of the world.
        second: share of photos, 0..1, with a second object of the same class, which the mask leaves out.
    """
    keys = [(label, index) for label, count in enumerate(plan.counts(per_class)) for index in range(count)]
    owners, carried, labels, shots = [], [], [], []
    for label, index in keys:
        owners.append(choose_owner(plan, split, label, index, seed=seed))
        scene = with_cue(
            plan, base_scene(plan, split, label, index, seed=seed), owners[-1], split, label, index, seed=seed
        )
        carried.append(choose_plantings(plan, split, label, index, seed=seed))
        for number in np.flatnonzero(carried[-1]).tolist():
            scene = with_planting(plan, scene, number, split, label, index, seed=seed)
        scene = with_second(plan, scene, second, split, label, index, seed=seed)
        shots.append(expose(scene))
        labels.append(_given_label(plan, split, label, index, seed=seed))
    return Split(
        np.stack([photo for photo, _ in shots]),
        np.stack([mask for _, mask in shots]),
        np.asarray(labels, np.int64),
        np.asarray(owners, np.int64),
        np.asarray(carried, np.bool_).reshape(len(keys), len(plan.plantings)),
        np.unique([(label, index // plan.group) for label, index in keys], axis=0, return_inverse=True)[1].ravel(),
    )


def base_scene(plan: ShapesPlan, split: str, label: int, index: int, *, seed: int) -> Scene:
    """Draw scene `index` of class `label` in a split, without any cue."""
    first = _first(plan, index)
    shape, ground = (_stream(plan, seed, split, label, first, purpose) for purpose in (_SHAPE, _GROUND))
    outline, surface = OBJECTS[plan.classes[label]]
    solid, mask = draw_object(outline, shape, TINY_AREA if plan.tiny else AREA, SIDE)
    colour = object_colour(shape)
    grain = 0.05 * shape.standard_normal((SIDE, SIDE, 1)).astype(np.float32)
    if surface != "plain":
        colour = colour * SURFACES[surface](_stream(plan, seed, split, label, first, _SURFACE), SIDE)[..., None]
    place = PLAIN[int(ground.integers(len(PLAIN)))]
    scene = Scene(TEXTURES[place](ground, SIDE), np.clip(colour + grain, 0, 1), solid, mask, place)
    return scene if plan.group == 1 else _moved(scene, _stream(plan, seed, split, label, index, _MOVE))


def with_cue(plan: ShapesPlan, scene: Scene, owner: int, split: str, label: int, index: int, *, seed: int) -> Scene:
    """Plant the cue of class `owner` into a scene; for -1 the scene is returned unchanged.

    `split`, `label` and `index` are those of the scene; the cue's random numbers follow from them.
    """
    if owner < 0 or plan.cue is None:
        return scene
    return CUES[plan.cue].draw(scene, _stream(plan, seed, split, label, index, _CUE), owner)


def with_planting(
    plan: ShapesPlan, scene: Scene, number: int, split: str, label: int, index: int, *, seed: int
) -> Scene:
    """Plant the cue of planting `number` of the plan into a scene; arguments as `with_cue`."""
    planting = plan.plantings[number]
    rng = _stream(plan, seed, split, label, index, _PLANTING + 2 * number + 1)
    return CUES[planting.cue].draw(scene, rng, planting.classes[0])


def with_second(
    plan: ShapesPlan, scene: Scene, share: float, split: str, label: int, index: int, *, seed: int
) -> Scene:
    """Put a second object of the same class beside the first in a share of the scenes; the mask leaves it out.

    It is drawn into the background, for what the mask leaves out counts as such. Where no place beside the first is
    found in _TRIES, the scene stays as it is. Other arguments as `with_cue`.
    """
    if not share:
        return scene
    rng = _stream(plan, seed, split, label, index, _SECOND)
    if float(rng.random()) >= share:
        return scene
    outline, surface = OBJECTS[plan.classes[label]]
    around = np.asarray(cv2.dilate(scene.mask, np.ones((3, 3), np.uint8)), np.uint8)
    for _ in range(_TRIES):
        solid, mask = draw_object(outline, rng, TINY_AREA if plan.tiny else AREA, SIDE)
        if not (mask & around).any():
            grain = 0.05 * rng.standard_normal((SIDE, SIDE, 1)).astype(np.float32)
            colour = np.clip(object_colour(rng) * SURFACES[surface](rng, SIDE)[..., None] + grain, 0, 1)
            layers = scene.background * (1 - solid[..., None]) + colour * solid[..., None]
            return replace(scene, background=np.asarray(layers, np.float32))
    return scene


def choose_owner(plan: ShapesPlan, split: str, label: int, index: int, *, seed: int) -> int:
    """Label of the class whose cue a photo carries, -1 for none.

    The photos of a guilty class that carry its cue at one rho carry it at any larger rho as well.
    """
    if plan.cue is None:
        return -1
    draw = float(_stream(plan, seed, split, label, _first(plan, index), _OWNER).random())
    for owner in sorted(plan.guilty, key=lambda owner: owner != label):
        draw -= plan.cue_probability(label, owner)
        if draw < 0:
            return owner
    # All classes own a cue: their probabilities add up to 1, but for rounding.
    return -1 if len(plan.guilty) == 1 else label


def choose_plantings(plan: ShapesPlan, split: str, label: int, index: int, *, seed: int) -> tuple[bool, ...]:
    """Which of the plan's plantings a photo carries, each chosen independently of the others."""
    first = _first(plan, index)
    return tuple(
        float(_stream(plan, seed, split, label, first, _PLANTING + 2 * number).random()) < planting.rates[label]
        for number, planting in enumerate(plan.plantings)
    )


def expose(scene: Scene) -> tuple[Photos, Photos]:
    """Merge a scene: photo (SIDE, SIDE, 3) uint8 RGB, and mask (SIDE, SIDE) uint8, 255 where the object is visible."""
    alpha = scene.alpha[..., None]
    photo = scene.colour * alpha + scene.background * (1 - alpha)
    return np.clip(photo * 255 + 0.5, 0, 255).astype(np.uint8), scene.mask


def _given_label(plan: ShapesPlan, split: str, label: int, index: int, *, seed: int) -> int:
    """The label that a photo of class `label` is given: in a share `noise` of the photos that of another class."""
    if not plan.noise:
        return label
    rng = _stream(plan, seed, split, label, index, _NOISE)
    if float(rng.random()) >= plan.noise:
        return label
    return (label + int(rng.integers(1, len(plan.classes)))) % len(plan.classes)


def _moved(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene as the next photo of the same object shows it: turned, scaled and shifted a little, in other light."""
    angle, scale, *shift = rng.uniform((-6, 0.95, -2, -2), (6, 1.05, 2, 2)).tolist()
    matrix = cv2.getRotationMatrix2D(((SIDE - 1) / 2, (SIDE - 1) / 2), angle, scale)
    matrix[:, 2] += shift
    light = float(rng.uniform(0.93, 1.07))

    def warped(layer: Image, border: int) -> Image:
        return np.asarray(cv2.warpAffine(layer, matrix, (SIDE, SIDE), borderMode=border), np.float32)

    grain = 0.02 * rng.standard_normal((SIDE, SIDE, 1)).astype(np.float32)
    # As steep an outline as that of the first photo.
    alpha = np.clip(2 * warped(scene.alpha, cv2.BORDER_CONSTANT) - 0.5, 0, 1)
    return replace(
        scene,
        background=np.clip(light * warped(scene.background, cv2.BORDER_REFLECT) + grain, 0, 1),
        colour=np.clip(light * warped(scene.colour, cv2.BORDER_REFLECT) + grain, 0, 1),
        alpha=alpha,
        mask=np.where(alpha > 0, 255, 0).astype(np.uint8),
    )


def _first(plan: ShapesPlan, index: int) -> int:
    """Index of the first photo of a photo's group, from which the group takes its random numbers."""
    return index - index % plan.group


def _stream(plan: ShapesPlan, seed: int, split: str, label: int, index: int, purpose: int) -> np.random.Generator:
    shape, surface = OBJECTS[plan.classes[label]]
    kind, rank = list(SHAPES).index(shape), list(SURFACES).index(surface)
    return np.random.default_rng((seed, SPLITS.index(split), kind, index, purpose, *([rank] if rank else [])))
