"""Writes the composites of an audit as pictures, so that they can be predicted elsewhere.

The choice of photos and donors, and the pixels but for rounding, are those of an audit of the same data with the same
settings: neither depends on what a model says, but for photos for which its outputs are not finite.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.background.composites import Pixels, changed_photos, count_composites
from bias_audit.checks.background.measure import planned, read_scenes
from bias_audit.checks.background.outside import ARMS
from bias_audit.config import AuditConfig
from bias_audit.data.addresses import Url
from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.manifest import BLACK, ORIGINAL, Picture, file_of
from bias_audit.errors import ConfigError, DataError
from bias_audit.heatmaps.localization import foreground_area
from bias_audit.interventions import donors
from bias_audit.run.atomic import guarded, write_atomically
from bias_audit.run.progress import Progress
from bias_audit.run.statuses import OK

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach

AT_ONCE = 16
"""Photos that are decoded at once."""

WAITING = 64
"""Most pictures that wait to be written."""

_HINT = "Free space; the same command goes on where it was interrupted."


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        pictures: every picture, as the manifest lists it.
        contents: id of each readable photo -> hashes of its file and of its mask's.
        photos, composites: numbers of unchanged photos, and of changed ones.
        unreadable: photos that cannot be read.
        changed_of: class -> number of its photos of which there are composites.
    """

    pictures: list[Picture]
    contents: dict[str, tuple[str, str]]
    photos: int
    composites: int
    unreadable: int
    changed_of: dict[str, int]


def write(
    dataset: Dataset,
    geometry: Geometry,
    config: AuditConfig,
    groups: NDArray[np.intp] | None,
    backgrounds: Path | Url | None,
    folder: Path,
    progress: Progress,
    reach: Reach | None = None,
) -> Written:
    """Write the photos in input size, and all composites that need no heatmap; pictures that are there already stay.

    Args:
        dataset: the photos, with their masks.
        geometry: geometry of the model's input, with an estimate of masks where the audit has one.
        config: settings of the audit.
        groups: group code by sample position; None = every photo is a group of its own.
        backgrounds, reach: as of `scenes.open_scenes`; None = the donors are photos.
        folder: where the pictures are written, see `data.manifest`.
        progress: display of the progress.

    Raises:
        DataError: no photo can be read, or of none a composite can be made.
        ResultError: the disk is full or the folder cannot be written.
    """
    pictures: list[Picture] = []
    contents: dict[str, tuple[str, str]] = {}
    areas: dict[int, float] = {}
    progress.note(f"Photos as they are: {_cost(len(dataset.samples), geometry)}.")
    with _Writer(folder) as writer:
        with progress.stage("Photos", len(dataset.samples), "images") as advance:
            for start, group in load_in_order(dataset.samples, geometry, AT_ONCE):
                for position, loaded in enumerate(group, start):
                    if loaded.status != OK or loaded.pixels is None or loaded.mask is None:
                        continue
                    image_id = dataset.samples[position].image_id
                    contents[image_id] = loaded.content, loaded.mask_content
                    if loaded.mask_status == OK:
                        areas[position] = float(foreground_area(loaded.mask[None])[0])
                    pictures.append(Picture(file_of(ORIGINAL, position), image_id, ORIGINAL))
                    writer.put(pictures[-1].image_id, loaded.pixels)
                advance(len(group))
        if not contents:
            raise DataError(f"none of the {len(dataset.samples)} images could be read")
        todo = planned(dataset, areas, config, groups, None)
        scenes = read_scenes(backgrounds, dataset, geometry, config, progress, folder, reach)
        if scenes is not None:
            todo = planned(dataset, areas, config, groups, scenes)
        if not any(todo.photos.values()):
            reasons = [todo.status.get(position, "") for position in range(len(dataset.samples))]
            most = max(dict.fromkeys(reasons), key=reasons.count)
            raise DataError(
                f"no composite can be made of any of {len(contents)} photos; of most: {most}",
                "Composites need a mask of the object (--masks DIR, --boxes FILE, or --segmenter auto), and a second "
                "class.",
            )
        count = count_composites(todo, config.donors)
        progress.note(
            f"Composites of {sum(map(len, todo.photos.values()))} photos: {_cost(count, geometry)}; --interventions N "
            "and --donors N make fewer."
        )
        lent = 0 if todo.unfilled else sum(map(len, todo.donors.values()))
        with progress.stage("Preparing backgrounds", lent, "backgrounds") as advance:
            prepared = donors.prepare_backgrounds(dataset, todo, geometry, {}, config.seed, advance, folder)
        if scenes is not None:
            prepared = replace(prepared, pictures={**prepared.pictures, **scenes.pictures})
        todo = donors.with_backgrounds(todo, prepared)
        pictures.append(Picture(f"{BLACK}.png", "", BLACK))
        writer.put(pictures[-1].image_id, np.zeros((*geometry.size, geometry.channels), np.float32))
        whole = dataset if scenes is None else scenes.whole
        of_photos = len(pictures)
        with progress.stage("Composites", count, "pictures") as advance:
            for label in (label for label, photos in todo.photos.items() if photos):
                of_class, last = [], -1
                number: dict[tuple[str, str], int] = {}
                for position, arm, fill, donor, pixels in changed_photos(
                    whole, label, todo, prepared, geometry, {}, donors=config.donors, seed=config.seed
                ):
                    assert arm in ARMS, arm  # without heatmaps no other is made
                    number = {} if position != last else number
                    last = position
                    place = number.get((arm, fill), 0)
                    number[arm, fill] = place + 1
                    donor_id = whole.samples[donor].image_id if donor >= 0 else ""
                    name = file_of(arm, position, fill, place)
                    of_class.append(Picture(name, whole.samples[position].image_id, arm, fill, donor_id))
                    writer.put(name, pixels)
                    advance(1)
                pictures += of_class
    changed_of = {name: len(todo.photos.get(label, ())) for label, name in enumerate(dataset.class_names)}
    unreadable = len(dataset.samples) - len(contents)
    return Written(pictures, contents, len(contents), len(pictures) - of_photos, unreadable, changed_of)


def _cost(count: int, geometry: Geometry) -> str:
    height, width = geometry.size
    megabytes = count * height * width * geometry.channels / 1e6
    return f"at most {count:,} pictures of {height}x{width}, {megabytes:z,.0f} MB before PNG compresses them"


class _Writer:
    """Encodes and writes pictures in threads, as many as can wait; an error of a thread is raised by the next call."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._made = folder, set[str]()
        self._pool = ThreadPoolExecutor(2, "write")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._waiting and kind is None:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def put(self, name: str, pixels: Pixels) -> None:
        """Write a picture (H, W, C) in [0, 255], rounded to 8 bits, unless it is there."""
        target = self._folder / name
        if target.parent.name not in self._made:
            if target.parent.is_symlink():
                raise ConfigError(f"{str(target.parent)!r} is a link; nothing was written through it", "Remove it.")
            guarded(lambda: target.parent.mkdir(exist_ok=True), target.parent, _HINT)
            self._made.add(target.parent.name)
        if target.is_file() and not target.is_symlink():  # written whole, by this command before it was interrupted
            return
        while len(self._waiting) >= WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(_store, target, pixels))


def _store(target: Path, pixels: Pixels) -> None:
    rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    encoded = cv2.imencode(".png", cv2.cvtColor(rounded, cv2.COLOR_RGB2BGR))[1]
    write_atomically(target, encoded.tobytes(), _HINT, own=True)
