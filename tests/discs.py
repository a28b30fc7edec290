"""Discs on coloured ground, in memory and as a folder, and a function that is told their class by the ground."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy import special

from bias_audit.data.dataset import Dataset
from bias_audit.data.in_memory.keeping import Given, keep
from bias_audit.data.pictures import decode
from bias_audit.data.sources import open_dataset

SIDE, PHOTOS = 48, 12
NAMES = ("blue", "green")
GROUNDS = {"blue": ((60, 60, 160), (220, 220, 220)), "green": (((60, 160, 60)), (220, 40, 40))}
"""Class -> RGB of its ground and of its discs."""


@dataclass(frozen=True)
class Discs:
    """Photos in the order of their ids: images (N, 48, 48, 3) uint8 RGB, masks (N, 48, 48) bool, and classes."""

    images: np.ndarray
    masks: np.ndarray
    labels: list[str]
    ids: list[str]

    @property
    def numbers(self) -> np.ndarray:
        return np.array([NAMES.index(label) for label in self.labels])

    def write(self, folder: Path) -> Path:
        """The same photos and masks as a folder: FOLDER/images/blue/00.png, FOLDER/masks/blue/00.png."""
        for image, mask, name in zip(self.images, self.masks, self.ids, strict=True):
            for kind, content in (("images", image[..., ::-1]), ("masks", mask.astype(np.uint8) * 255)):
                file = folder / kind / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(cv2.imencode(".png", content)[1].tobytes())
        return folder


def make_discs(photos: int = PHOTOS) -> Discs:
    """So many photos of each class."""
    images, masks, labels, ids = [], [], [], []
    for number, (name, (ground, disc)) in enumerate(GROUNDS.items()):
        for place in range(photos):
            rng = np.random.default_rng((place, number))
            mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (24, 24), 10, 1, -1) > 0
            picture = np.where(mask[..., None], disc, ground) + rng.normal(0, 8, (SIDE, SIDE, 3))
            images.append(picture.clip(0, 255).astype(np.uint8))
            masks.append(mask)
            labels.append(name)
            ids.append(f"{name}/{place:02d}.png")
    return Discs(np.stack(images), np.stack(masks), labels, ids)


def opened(data: Any, folder: Path, **said: Any) -> Dataset:
    """What an audit is given in memory, kept in a folder and listed again."""
    return open_dataset(keep(Given(data, **said), folder, most=None).listing, None)


def found(dataset: Dataset) -> list[tuple[bytes, str]]:
    """Pixels and class of every photo, in no order."""
    pixels = [decode(sample.path, 3)[0] for sample in dataset.samples]
    names = [dataset.class_names[sample.label] for sample in dataset.samples]
    return sorted((each.tobytes(), name) for each, name in zip(pixels, names, strict=True))


def by_ground(images: np.ndarray) -> np.ndarray:
    """Probabilities of blue and green by the corner of the picture, where the ground is."""
    greener = (images[:, :8, :8, 1] - images[:, :8, :8, 2]).mean(axis=(1, 2))
    green = special.expit(greener / 10)
    return np.stack([1 - green, green], axis=1)


by_ground.input_size = (SIDE, SIDE, 3)  # type: ignore[attr-defined]

QUICK = {"discovery": 0, "probes": 0, "leakage": 0, "donors": 1}
"""Settings that leave out what takes long and says nothing about how data are read."""
