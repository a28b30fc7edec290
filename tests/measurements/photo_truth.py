"""What a model really does with exchanged backgrounds, photo by photo: the truth that an audit is held against.

Uses nothing of bias_audit: its own reading, holes and edges, every background instead of a sample, and the sign-flip
test alone. Composites as Xiao et al. 2021, "Noise or Signal"; holes filled by Telea 2004.
The unit is the photo, never the composite.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Predict = Callable[[Pixels], NDArray[np.int64]]
"""(n, H, W, 3) float32 RGB in 0..255 -> (n,) class indices."""

AREAS = (0.01, 0.9)
"""Objects outside this range of picture shares cannot be pasted: mask errors, and pictures without background."""

MAX_HOLE = 0.7
"""A background of which more was invented than this is no background."""

DILATION, FEATHER = 5, 1.5
"""Pixels at 224: radius by which a hole is widened, and standard deviation of a pasted edge's blur."""

EXACT = 20
"""Photos up to which all sign flips are enumerated (a million)."""

FLIPS = 10_000
BATCH = 32
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Photos:
    """Photos of a folder per class, stretched to the model's input.

    Attributes:
        pixels: (n, H, W, 3) uint8 RGB.
        masks: (n, H, W) uint8, 1 = object.
        labels: (n,) class indices.
        classes: names by index.
    """

    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def lend(self) -> dict[int, NDArray[np.uint8]]:
        """Backgrounds with their object inpainted, by position, of the photos whose background can be lent."""
        areas = self.masks.mean(axis=(1, 2))
        positions = np.flatnonzero((areas >= AREAS[0]) & (areas <= MAX_HOLE))
        return {int(i): without_object(self.pixels[i], self.masks[i]) for i in positions}

    def pasteable(self) -> NDArray[np.bool_]:
        """(n,) whether the object can be put on another background."""
        areas = self.masks.mean(axis=(1, 2))
        return np.asarray((areas >= AREAS[0]) & (areas <= AREAS[1]))


@dataclass(frozen=True)
class Truth:
    """What exchanging the background does to one class.

    Attributes:
        n: photos.
        same, other: mean over photos of the share recognised on backgrounds of the same class and of other classes.
        p: two-sided sign-flip test of the photos' differences.
    """

    n: int
    same: float
    other: float
    p: float

    @property
    def gap(self) -> float:
        """Same minus other."""
        return self.same - self.other


def read_photos(images: Path, masks: Path, size: tuple[int, int]) -> Photos:
    """Read a folder per class with masks of the same tree and stems (any value but 0 is object)."""
    classes = tuple(sorted(folder.name for folder in images.iterdir() if folder.is_dir()))
    paths = [path for name in classes for path in sorted((images / name).iterdir()) if path.suffix.lower() in SUFFIXES]
    pixels, shown = [], []
    for path in paths:
        mask = (masks / path.relative_to(images)).with_suffix(".png")
        photo, drawn = decode(path, cv2.IMREAD_COLOR), decode(mask, cv2.IMREAD_GRAYSCALE)
        pixels.append(cv2.resize(cv2.cvtColor(photo, cv2.COLOR_BGR2RGB), size[::-1], interpolation=cv2.INTER_LINEAR))
        shown.append((cv2.resize(drawn, size[::-1], interpolation=cv2.INTER_NEAREST) > 0).astype(np.uint8))
    labels = np.array([classes.index(path.parent.name) for path in paths], np.int64)
    return Photos(np.stack(pixels), np.stack(shown), labels, classes)


def decode(path: Path, mode: int) -> NDArray[np.uint8]:
    """A photo (H, W, 3) BGR or a mask (H, W) as stored: the masks were drawn on pixels that no tag had turned."""
    values = cv2.imread(str(path), mode | cv2.IMREAD_IGNORE_ORIENTATION)
    if values is None:
        raise SystemExit(f"cannot read {path}")
    return np.asarray(values, np.uint8)


def without_object(pixels: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) the photo with its object and a margin around it inpainted (Telea 2004)."""
    radius = max(1, round(DILATION * min(mask.shape) / 224))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.inpaint(pixels, cv2.dilate(mask, kernel), 3, cv2.INPAINT_TELEA), np.uint8)


def paste(pixels: NDArray[np.uint8], mask: NDArray[np.uint8], background: NDArray[np.uint8]) -> Pixels:
    """(H, W, 3) the object at its own place on another background, with a feathered edge."""
    sigma = FEATHER * min(mask.shape) / 224
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)[..., None]
    return np.asarray(pixels * alpha + background * (1 - alpha), np.float32)


def photo_level_truth(photos: Photos, predict: Predict, most: int | None = None, seed: int = 0) -> dict[str, Truth]:
    """Put every usable photo on every other usable photo's background.

    Args:
        photos: the test photos.
        predict: the model.
        most: backgrounds per photo and arm, drawn at random; None = all.
        seed: of the draw and of the random flips.
    """
    backgrounds, usable = photos.lend(), np.flatnonzero(photos.pasteable())
    rng = np.random.default_rng(seed)
    pairs = [
        (int(photo), donor)
        for photo in usable
        for donors in _arms(photos, int(photo), backgrounds)
        for donor in (donors if most is None or len(donors) <= most else rng.permutation(donors)[:most].tolist())
    ]
    made = (paste(photos.pixels[photo], photos.masks[photo], backgrounds[donor]) for photo, donor in pairs)
    predicted = np.concatenate([predict(np.stack(batch)) for batch in _batches(made)])
    objects, donors = np.array(pairs).T
    right = predicted == photos.labels[objects]
    same_class = photos.labels[objects] == photos.labels[donors]
    result = {}
    for label, name in enumerate(photos.classes):
        rates = [
            (right[(objects == photo) & same_class].mean(), right[(objects == photo) & ~same_class].mean())
            for photo in usable[photos.labels[usable] == label]
        ]
        same, other = np.array(rates).T
        result[name] = Truth(len(rates), float(same.mean()), float(other.mean()), sign_flip(same - other, seed))
    return result


def sign_flip(differences: NDArray[np.float64], seed: int = 0) -> float:
    """Two-sided p of the mean difference when each sign is a coin: exact up to EXACT differences, else sampled.

    Zero differences are left out: flipping them changes nothing, so p stays the same.
    """
    values = differences[differences != 0]
    observed = abs(values.sum()) - 1e-9
    if len(values) <= EXACT:
        sums = np.zeros(1)
        for value in values:
            sums = np.concatenate([sums + value, sums - value])
        return float((np.abs(sums) >= observed).mean())
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (FLIPS, len(values)))
    return float((1 + (np.abs(signs @ values) >= observed).sum()) / (1 + FLIPS))


def accuracy(photos: Photos, predict: Predict) -> float:
    """Share of the photos recognised as they are."""
    batches = _batches(pixels.astype(np.float32) for pixels in photos.pixels)
    return float((np.concatenate([predict(np.stack(batch)) for batch in batches]) == photos.labels).mean())


def _arms(photos: Photos, photo: int, backgrounds: Collection[int]) -> tuple[list[int], list[int]]:
    label = photos.labels[photo]
    same = [donor for donor in backgrounds if donor != photo and photos.labels[donor] == label]
    return same, [donor for donor in backgrounds if photos.labels[donor] != label]


def _batches(images: Iterator[Pixels]) -> Iterator[Sequence[Pixels]]:
    while batch := list(itertools.islice(images, BATCH)):
        yield batch
