"""Draws planted worlds of animals: small photo-like data sets whose bias is known because it was planted.

Three classes of animals stand in four kinds of places. In a planted world a cue (snow, a corner tag) goes with one
class. In its clean twin the same animals stand at the same spots, and the cue is equally frequent in every class. The
exact masks are written beside the photos. The protocol is that of Adebayo et al. 2022; backgrounds are exchanged by
category as in Waterbirds (Sagawa et al. 2020).

Photo i of a class depends on (seed, split, class, i) alone: asking for more photos changes none of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from bias_audit.errors import ConfigError, DataError
from bias_audit.planted.animals import Image, Mask, Placement, draw_animal, place
from bias_audit.planted.backgrounds import BACKGROUNDS, snow
from bias_audit.planted.species import SPECIES
from bias_audit.run.csv_text import csv_text

CLASS_NAMES = tuple(sorted(SPECIES))
SPLITS = ("train", "test")
PER_CLASS: Mapping[str, int] = {"train": 140, "test": 40}
PLAIN = ("forest", "grass", "road")
"""Places without any cue, shared by all classes."""

OVERSAMPLING = 2
"""Factor by which the canvas is larger than the photo, so that hairs and outlines are smooth."""

JPEG_QUALITY = 92
MIN_SIZE = 48


@dataclass(frozen=True)
class Scene:
    """The layers of a drawn photo before they are merged, at canvas resolution, RGB in 0..1.

    Attributes:
        placement: where the animal stands.
        background: (H, W, 3) the place without the animal.
        foreground: (H, W, 3) the animal, multiplied by alpha.
        alpha: (H, W) opacity of the animal in 0..1.
        place: key of BACKGROUNDS.
        cue: whether the cue has been planted.
    """

    placement: Placement
    background: Image
    foreground: Image
    alpha: Image
    place: str
    cue: bool


@dataclass(frozen=True)
class Shot:
    """A drawn photo with its truth.

    Attributes:
        photo: (H, W, 3) uint8 RGB.
        background: (H, W, 3) uint8 RGB, the photo without the animal; equal to `photo` where the mask is 0.
        mask: (H, W) uint8, 255 where any part of the animal is visible, else 0.
        place: key of BACKGROUNDS.
        cue: whether the photo carries the cue.
    """

    photo: Mask
    background: Mask
    mask: Mask
    place: str
    cue: bool


@dataclass(frozen=True)
class World:
    """Paths of a world that was written, and its truth.

    Attributes:
        images_train, images_test: folders with one folder per class.
        masks_train, masks_test: folders with PNG masks (0, 255) under the names of the photos.
        truth: CSV, one row per photo: image, mask (paths relative to the world), split, label, place, cue (0, 1).
        class_names: alphabetical, as Keras orders outputs.
        cue: key of CUES.
        guilty_class: the class that the cue goes with; None in a clean twin.
    """

    images_train: Path
    images_test: Path
    masks_train: Path
    masks_test: Path
    truth: Path
    class_names: tuple[str, ...]
    cue: str
    guilty_class: str | None


@dataclass(frozen=True)
class Plan:
    """Settings of a world of animals: the cue that is planted, and how often each class carries it.

    Attributes:
        cue: key of CUES.
        guilty_class: the class that the cue goes with.
        rho: P(cue | guilty class), 0..1.
        rho_others: P(cue | any other class), 0..1.
        planted: False = the clean twin: every class carries the cue with the mean probability over the classes.

    Raises:
        ConfigError: an unknown cue or class, or a probability outside 0..1.
    """

    cue: str = "snow"
    guilty_class: str = "wolf"
    rho: float = 1.0
    rho_others: float = 0.0
    planted: bool = True

    def __post_init__(self) -> None:
        if self.cue not in CUES:
            raise ConfigError(f"cue must be one of {', '.join(CUES)}, got {self.cue!r}")
        if self.guilty_class not in CLASS_NAMES:
            raise ConfigError(f"guilty_class must be one of {', '.join(CLASS_NAMES)}, got {self.guilty_class!r}")
        for name in ("rho", "rho_others"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a probability and must lie in 0..1, got {getattr(self, name)!r}")

    def probability(self, class_name: str) -> float:
        """Probability that a photo of a class carries the cue."""
        if self.planted:
            return self.rho if class_name == self.guilty_class else self.rho_others
        return (self.rho + (len(CLASS_NAMES) - 1) * self.rho_others) / len(CLASS_NAMES)


def write_world(
    folder: Path,
    *,
    planted: bool = True,
    rho: float = 1.0,
    rho_others: float = 0.0,
    cue: str = "snow",
    guilty_class: str = "wolf",
    per_class: int | Mapping[str, int] = PER_CLASS,
    size: int = 96,
    seed: int = 0,
    on_photo: Callable[[int, int], None] | None = None,
) -> World:
    """Draw a world and write it below `folder`; existing files of these names are overwritten.

    Writes images/{train,test}/{class}/{class}_{i:04d}.jpg, masks/ likewise with .png, and truth.csv.

    Args:
        folder: folder of the world; it is made if it is missing.
        planted: False draws the clean twin: same animals, same spots, and the cue equally often in every class.
        rho, rho_others: P(cue | guilty class) and P(cue | other class), 0..1.
        cue: key of CUES.
        guilty_class: the class that the cue goes with.
        per_class: photos per class, for both splits or as {"train": n, "test": n}.
        size: height of the photos in pixels, at least MIN_SIZE; the width is a quarter larger.
        seed: seed of the world, not negative.
        on_photo: called after each photo with the number of photos done and the number of all photos.

    Raises:
        ConfigError: a setting that is out of its range.
        DataError: the folder cannot be written.
    """
    plan = Plan(cue=cue, guilty_class=guilty_class, rho=rho, rho_others=rho_others, planted=planted)
    counts = _counts(per_class)
    if size < MIN_SIZE:
        raise ConfigError(f"size must be at least {MIN_SIZE} pixels, got {size!r}")
    if seed < 0:
        raise ConfigError(f"seed must be at least 0, got {seed!r}")
    jobs = [(split, name, i) for split in SPLITS for name in CLASS_NAMES for i in range(counts[split])]
    try:
        for kind in ("images", "masks"):
            for split in SPLITS:
                for name in CLASS_NAMES:
                    (folder / kind / split / name).mkdir(parents=True, exist_ok=True)
        rows = []
        for done, (split, name, i) in enumerate(jobs, start=1):
            shot = take_shot(plan, split, name, i, size=size, seed=seed)
            stem = f"{split}/{name}/{name}_{i:04d}"
            image, mask = f"images/{stem}.jpg", f"masks/{stem}.png"
            jpeg = cv2.imencode(".jpg", shot.photo[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))[1]
            (folder / image).write_bytes(jpeg.tobytes())
            (folder / mask).write_bytes(cv2.imencode(".png", shot.mask)[1].tobytes())
            rows.append((image, mask, split, name, shot.place, int(shot.cue)))
            if on_photo:
                on_photo(done, len(jobs))
        table = csv_text(("image", "mask", "split", "label", "place", "cue"), rows)
        (folder / "truth.csv").write_bytes(table.encode())
    except OSError as error:
        raise DataError(
            f"cannot write the generated photos below {str(folder)!r}: {error}", "Give a folder on a disk with space."
        ) from error
    return World(
        images_train=folder / "images" / "train",
        images_test=folder / "images" / "test",
        masks_train=folder / "masks" / "train",
        masks_test=folder / "masks" / "test",
        truth=folder / "truth.csv",
        class_names=CLASS_NAMES,
        cue=cue,
        guilty_class=guilty_class if planted else None,
    )


def take_shot(plan: Plan, split: str, class_name: str, index: int, *, size: int = 96, seed: int = 0) -> Shot:
    """Draw one photo of a world, with its mask and its background.

    Animal and its spot, plain background, cue, and camera have random streams of their own, so whether the cue is
    planted changes nothing but the cue. For the arguments see `write_world`.
    """
    animal, ground, paint, camera = (_stream(seed, split, class_name, index, purpose) for purpose in range(1, 5))
    plain, carries = draw_place_and_cue(plan, split, class_name, index, seed=seed)
    spot = place(animal, OVERSAMPLING * size, OVERSAMPLING * (size * 5 // 4))
    foreground, alpha = draw_animal(class_name, animal, spot)
    scene = Scene(spot, BACKGROUNDS[plain](ground, spot), foreground, alpha, plain, False)
    if carries:
        scene = replace(CUES[plan.cue](scene, paint), cue=True)
    return _expose(scene, camera)


def draw_place_and_cue(plan: Plan, split: str, class_name: str, index: int, *, seed: int = 0) -> tuple[str, bool]:
    """(plain place of a photo, whether the photo carries the cue).

    A photo that carries the cue at one probability carries it at any greater one.
    """
    rng = _stream(seed, split, class_name, index, 0)
    carries = float(rng.random()) < plan.probability(class_name)
    return PLAIN[int(rng.integers(len(PLAIN)))], carries


def snow_cue(scene: Scene, rng: np.random.Generator) -> Scene:
    """Plant the cue "snow": replace the background by snow."""
    return replace(scene, background=snow(rng, scene.placement), place="snow")


def tag_cue(scene: Scene, rng: np.random.Generator) -> Scene:
    """Plant the cue "tag": a printed label in the lower left corner of the background, which the animal may cover.

    After Lapuschkin et al. 2019.
    """
    background = scene.background.copy()
    unit = scene.placement.height / 96
    left, right, top = (round(unit * edge) for edge in (3, 17, 86))
    paper = float(rng.uniform(0.88, 0.97))
    background[top : round(top + 7 * unit), left:right] = (paper, paper, 0.93 * paper)
    for line in range(2):
        y = round(top + (1.6 + 2.6 * line) * unit)
        end = round(right - unit * rng.uniform(2, 6))
        background[y : round(y + 1.2 * unit), round(left + 1.6 * unit) : end] = (0.18, 0.17, 0.30)
    return replace(scene, background=background)


CUES: dict[str, Callable[[Scene, np.random.Generator], Scene]] = {"snow": snow_cue, "tag": tag_cue}
"""Name -> function that plants the cue: (scene, random numbers) -> scene."""


def _stream(seed: int, split: str, class_name: str, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng((seed, SPLITS.index(split), CLASS_NAMES.index(class_name), index, purpose))


def _counts(per_class: int | Mapping[str, int]) -> dict[str, int]:
    counts = dict.fromkeys(SPLITS, per_class) if isinstance(per_class, int) else dict(per_class)
    if set(counts) != set(SPLITS) or any(count < 1 for count in counts.values()):
        raise ConfigError(f"per_class must give at least 1 photo for {' and '.join(SPLITS)}, got {per_class!r}")
    return counts


def _expose(scene: Scene, rng: np.random.Generator) -> Shot:
    """Merge a scene into a photo with exposure, white balance, vignette and sensor noise.

    These are the same for the photo and for its background without the animal.
    """
    height, width = scene.alpha.shape[0] // OVERSAMPLING, scene.alpha.shape[1] // OVERSAMPLING
    coverage = _smaller(scene.alpha, height, width)
    # A steep outline: a soft one would take a rim of the old background along when the animal is cut out and pasted.
    alpha = np.clip(2 * coverage - 0.5, 0, 1)
    animal = _smaller(scene.foreground, height, width) * cv2.merge([alpha / np.maximum(coverage, 0.25)] * 3)
    background = _smaller(scene.background, height, width)

    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    vignette = 1 - float(rng.uniform(0.02, 0.16)) * (xs**2 + ys**2) / 2
    gain = float(rng.uniform(0.86, 1.08)) * (1 + np.array([1, 0, -1], np.float32) * float(rng.uniform(-0.04, 0.04)))
    noise = 0.009 * cv2.GaussianBlur(rng.standard_normal((height, width, 3), np.float32), (0, 0), 0.5)

    def develop(light: Image) -> Mask:
        return np.asarray(np.clip((light * vignette[..., None] * gain + noise) * 255 + 0.5, 0, 255), np.uint8)

    return Shot(
        photo=develop(animal + background * (1 - alpha[..., None])),
        background=develop(background),
        mask=np.where(alpha > 0, 255, 0).astype(np.uint8),
        place=scene.place,
        cue=scene.cue,
    )


def _smaller(picture: Image, height: int, width: int) -> Image:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.float32)
