"""Cues of the shape worlds: functions that plant a cue into a scene.

Each takes the scene, random numbers and the label of the class that owns the cue, and returns the scene with the cue.
Cues of the background never cover the object. Two hard cases are no cues of the background: a tag on the object, which
a background audit must not flag, and a blur of the whole photo, which no heatmap can point at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from bias_audit.planted.textures import TEXTURES, Image

TAG = 8
"""Side of a tag in pixels."""


@dataclass(frozen=True)
class Scene:
    """The layers of a drawn photo before they are merged, RGB in 0..1.

    Attributes:
        background: (S, S, 3) the place without the object.
        colour: (S, S, 3) surface of the object, defined on all pixels.
        alpha: (S, S) opacity of the object in 0..1.
        mask: (S, S) uint8, 255 where the object is visible, else 0.
        place: key of TEXTURES.
    """

    background: Image
    colour: Image
    alpha: Image
    mask: npt.NDArray[np.uint8]
    place: str


@dataclass(frozen=True)
class Cue:
    """A cue: the function that plants it, and the part of the photo that it changes.

    Attributes:
        draw: (scene, random numbers, label of the class that owns the cue) -> scene with the cue.
        where: part that changes: "background", "object" or "photo".
    """

    draw: Callable[[Scene, np.random.Generator, int], Scene]
    where: str = "background"


def corner_tag(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """A printed tag in the lower left corner, or in the next corner without object (after Lapuschkin et al. 2019)."""
    last = len(scene.mask) - TAG - 1
    corners = [(last, 1), (last, last), (1, last), (1, 1)]
    free = [(top, left) for top, left in corners if not scene.mask[top : top + TAG, left : left + TAG].any()]
    return replace(scene, background=_stamp(scene.background, rng, *(free or corners)[0]))


def wandering_tag(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """A printed tag at a random place off the object."""
    kernel = np.ones((TAG, TAG), np.uint8)
    # With the anchor at the upper left corner, `covered` is where a tag with that corner would meet the object.
    covered = cv2.dilate(scene.mask, kernel, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    places = np.argwhere(covered[1:-TAG, 1:-TAG] == 0) + 1
    top, left = places[int(rng.integers(len(places)))]
    return replace(scene, background=_stamp(scene.background, rng, int(top), int(left)))


def ruler(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """A ruler along one edge, behind the object, as beside skin lesions (Narla et al. 2018)."""
    side = len(scene.mask)
    strip = np.full((side, 5, 3), float(rng.uniform(0.85, 0.95)), np.float32)
    start = int(rng.integers(4))
    strip[start::4, :3] = 0.1
    background = np.rot90(scene.background, turns := int(rng.integers(4))).copy()
    background[:, :5] = strip
    return replace(scene, background=np.rot90(background, -turns).copy())


def snow(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """The whole background under snow in the shade, lighter and bluer: a cue that no single spot shows."""
    depth = float(rng.uniform(0.40, 0.55))
    shade = np.array([0.60, 0.74, 0.96], np.float32)
    return replace(scene, background=(1 - depth) * scene.background + depth * shade)


def place(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """A background of another category, water, as in Waterbirds (Sagawa et al. 2020)."""
    return replace(scene, background=TEXTURES["water"](rng, len(scene.mask)), place="water")


def own_place(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """A background of the category that belongs to the class `owner`, another for every class."""
    name = list(TEXTURES)[owner]
    return replace(scene, background=TEXTURES[name](rng, len(scene.mask)), place=name)


def on_object(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """A tag printed on the object, around its innermost point."""
    depth = cv2.distanceTransform(scene.mask, cv2.DIST_L2, 3)
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    top, left = (int(np.clip(at - TAG // 2, 0, len(depth) - TAG)) for at in (row, column))
    return replace(scene, colour=_stamp(scene.colour, rng, top, left))


def blur(scene: Scene, rng: np.random.Generator, owner: int) -> Scene:
    """The whole photo out of focus, object and background."""
    sigma = float(rng.uniform(0.9, 1.2))
    alpha, colour, background = (
        np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma), np.float32)
        for layer in (scene.alpha, scene.colour, scene.background)
    )
    return replace(scene, alpha=alpha, colour=colour, background=background)


def tint(rng: np.random.Generator, most: float) -> Image:
    """(3,) offset of a colour, up to `most` in each channel."""
    return rng.uniform(-most, most, 3).astype(np.float32)


def _stamp(picture: Image, rng: np.random.Generator, top: int, left: int) -> Image:
    """A copy of the picture with a tag of dark red ink on yellow paper."""
    picture = picture.copy()
    paper = float(rng.uniform(0.85, 0.98))
    picture[top : top + TAG, left : left + TAG] = (paper, 0.85 * paper, 0.1)
    picture[top + 1 : top + TAG - 1, left + 1 : left + TAG - 1 : 2] = (0.6, 0.05, 0.15)
    return picture


CUES: dict[str, Cue] = {
    "corner_tag": Cue(corner_tag),
    "wandering_tag": Cue(wandering_tag),
    "ruler": Cue(ruler),
    "snow": Cue(snow),
    "place": Cue(place),
    "own_place": Cue(own_place),
    "on_object": Cue(on_object, "object"),
    "blur": Cue(blur, "photo"),
}
"""Cues by name."""
