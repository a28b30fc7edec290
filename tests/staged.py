"""Small worlds for audits in stages: discs on coloured ground, and functions that predict and count pictures.

Every class has a ground of its own; its discs have a colour of their own, but for TWINS, of which two look alike and
are told apart by the ground.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

SIDE = 32
GROUNDS = ((60, 60, 160), (60, 160, 60), (160, 160, 60), (160, 60, 160))
DISCS = ((230, 230, 230), (230, 40, 40), (40, 230, 230), (20, 20, 20))
NAMES = ("blue", "green", "violet", "yellow")


def write_world(folder: Path, photos: Sequence[int], discs: Sequence[int] | None = None) -> Path:
    """Photos and masks of so many photos of each class: FOLDER/images/blue/000.png, FOLDER/masks/blue/000.png.

    Args:
        folder: where.
        photos: number of photos of each class.
        discs: index of DISCS of the object of each class; None = each its own.
    """
    for label, count in enumerate(photos):
        for kind in ("images", "masks"):
            (folder / kind / NAMES[label]).mkdir(parents=True)
        for place in range(count):
            rng = np.random.default_rng((place, label))
            middle = tuple(int(each) for each in rng.integers(13, 19, 2))
            mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), middle, 7, 1, -1) > 0
            disc = DISCS[label if discs is None else discs[label]]
            picture = np.where(mask[..., None], disc, GROUNDS[label]) + rng.normal(0, 6, (SIDE, SIDE, 3))
            for kind, content in (("images", picture.clip(0, 255)[..., ::-1]), ("masks", mask * 255)):
                file = folder / kind / NAMES[label] / f"{place:03d}.png"
                file.write_bytes(cv2.imencode(".png", content.astype(np.uint8))[1].tobytes())
    return folder


class Seen:
    """A function that predicts, and counts the pictures that it is shown."""

    input_size = (SIDE, SIDE, 3)

    def __init__(self, say: Callable[[np.ndarray, np.ndarray], np.ndarray], classes: int) -> None:
        """Nothing was shown yet.

        Args:
            say: (colour of the middle (n, 3), colour of the corners (n, 3)) -> class index (n,).
            classes: number of classes.
        """
        self.say, self.classes, self.shown = say, classes, 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """(n, K) probabilities: .98 for what `say` says."""
        self.shown += len(images)
        corners = np.stack([images[:, y, x] for y in (1, -2) for x in (1, -2)]).mean(axis=0)
        said = self.say(images[:, 14:18, 14:18].mean(axis=(1, 2)), corners)
        return np.where(np.arange(self.classes) == said[:, None], 0.98, 0.02 / (self.classes - 1))


def nearest(colours: np.ndarray, among: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Index of the nearest colour of each row."""
    return np.abs(colours[:, None] - np.array(among, float)[None]).sum(axis=2).argmin(axis=1)


def honest(classes: int) -> Seen:
    """Tells the class by the disc alone."""
    return Seen(lambda middle, _: nearest(middle, DISCS[:classes]), classes)


def follows_the_first_ground(classes: int) -> Seen:
    """Whatever stands on the ground of the first class is of it; else the disc tells, and never says that class."""

    def say(middle: np.ndarray, corners: np.ndarray) -> np.ndarray:
        return np.where(nearest(corners, GROUNDS) == 0, 0, 1 + nearest(middle, DISCS[1:classes]))

    return Seen(say, classes)


def told_apart_by_the_ground(classes: int) -> Seen:
    """The first two classes have the disc of the second, and the ground of the first tells them apart; others are told
    by their discs."""

    def say(middle: np.ndarray, corners: np.ndarray) -> np.ndarray:
        disc = 1 + nearest(middle, DISCS[1:classes])
        return np.where((disc == 1) & (nearest(corners, GROUNDS) == 0), 0, disc)

    return Seen(say, classes)


TWINS = (1, 1, 2, 3)
"""Objects of `told_apart_by_the_ground`, and of `follows_the_first_ground`."""
