"""Reads the training photos with their masks, at the size of the model's input; none that the run tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.duplicates import perceptual_hash
from bias_audit.data.masks import area_of
from bias_audit.data.sampling import LOADED_AT_ONCE, rank, spread
from bias_audit.errors import DataError
from bias_audit.interventions.donors import MAX_AREA, MAX_HOLE, MIN_AREA
from bias_audit.interventions.edits import FILLS, hole
from bias_audit.limits.memory import bytes_array
from bias_audit.repair.run_photos import RunPhotos
from bias_audit.run.statuses import OK

MOST_PHOTOS = 2000
"""Most training photos over all classes: more cost minutes, and a last layer hardly gains by them."""

SEEN_FILLS = ("exemplar", "tile")
"""Fills of the backgrounds that the refit sees.

The audit reads its gaps under others (`config.FIRST_FILL`, SECOND_FILL), so a head that learned a fill is not called
repaired.
"""


@dataclass(frozen=True)
class Photos:
    """Training photos in the size of the model's input.

    Attributes:
        samples: of each photo; `label` is an index into the audited classes.
        pixels: (n, H, W, C) uint8.
        masks: (n, H, W) of BACKGROUND, FOREGROUND, VOID.
        usable: (n,) whether its object can be cut out and pasted.
        lends: (n,) whether its background can be lent.
        emptied: (n, fills, H, W, C) uint8, without the object, for each of SEEN_FILLS; zeros where not `lends`.
        groups: (n,) code of what belongs together (patient, scene); photos of one code share a fold.
        contents: hash of each photo's file.
        masked, estimated: how many have a mask or box that somebody drew, and how many an estimate.
        tested: how many photos were left out because the run tested them.
        near: how many because they are near copies of photos that the run tested.
        unread: how many could not be read.
        left: how many were left out for MOST_PHOTOS.
    """

    samples: tuple[Sample, ...]
    pixels: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    usable: NDArray[np.bool_]
    lends: NDArray[np.bool_]
    emptied: NDArray[np.uint8]
    groups: NDArray[np.intp]
    contents: tuple[str, ...]
    masked: int
    estimated: int
    tested: int
    near: int
    unread: int
    left: int

    @property
    def labels(self) -> NDArray[np.intp]:
        """(n,) class of each photo."""
        return np.array([each.label for each in self.samples], np.intp)


def read_photos(
    dataset: Dataset,
    geometry: Geometry,
    tested: RunPhotos,
    groups: NDArray[np.intp] | None,
    *,
    seed: int,
    folder: Path,
    backgrounds: bool,
    advance: Callable[[int], None],
) -> Photos:
    """Read the training photos, and empty the backgrounds that they lend.

    Args:
        dataset: the training photos with their masks.
        geometry: of the model's input, with what estimates masks.
        tested: the photos of the run.
        groups: group code of each sample; None = every photo is its own.
        seed: of the choice, where there are more than MOST_PHOTOS.
        folder: where files lie that hold what memory does not.
        backgrounds: whether backgrounds are lent; if not none are emptied.
        advance: called with the number of photos that are done.

    Raises:
        DataError: every photo that can be read is one of the run or a near copy, or a class is left without photos.
    """
    order = spread(dataset, len(dataset.samples), seed)
    chosen = sorted(order[:MOST_PHOTOS])
    shape = (len(chosen), *geometry.size)
    pixels = bytes_array((*shape, geometry.channels), geometry.limits, folder)
    masks = bytes_array(shape, geometry.limits, folder)
    kept: list[int] = []
    contents: list[str] = []
    areas: list[float] = []
    known = near = masked = estimated = unread = 0
    read = load_in_order([dataset.samples[each] for each in chosen], geometry, LOADED_AT_ONCE, then=perceptual_hash)
    for start, part in read:
        alike = tested.near([loaded.more or "" for loaded in part])
        for offset, loaded in enumerate(part):
            if loaded.content and loaded.content in tested.contents:
                known += 1
            elif alike[offset]:
                near += 1
            elif loaded.pixels is None or loaded.mask is None:
                unread += 1
            else:
                pixels[len(kept)], masks[len(kept)] = np.rint(loaded.pixels).astype(np.uint8), loaded.mask
                areas.append((area_of(loaded.mask) or 0.0) if loaded.mask_status == OK else 0.0)
                masked += loaded.drawn
                estimated += loaded.mask_status == OK and not loaded.drawn
                kept.append(chosen[start + offset])
                contents.append(loaded.content)
        advance(len(part))
    _refuse(dataset, kept, known, near)
    found = np.array(areas)
    usable = (found >= MIN_AREA) & (found <= MAX_AREA)
    lends = usable & (found <= MAX_HOLE)
    codes = np.arange(len(dataset.samples)) if groups is None else groups
    emptied = np.zeros((0, len(SEEN_FILLS), *geometry.size, geometry.channels), np.uint8)
    if backgrounds:
        emptied = bytes_array((len(kept), *emptied.shape[1:]), geometry.limits, folder)
        _empty(pixels, masks, lends, emptied)
    return Photos(
        tuple(dataset.samples[each] for each in kept), pixels[: len(kept)], masks[: len(kept)], usable, lends, emptied,
        codes[kept], tuple(contents), masked, estimated, known, near, unread,
        len(dataset.samples) - len(chosen),
    )  # fmt: skip


def _refuse(dataset: Dataset, kept: Sequence[int], known: int, near: int) -> None:
    if known + near and not kept:
        of_run = "photos of the run or near copies of them" if near else "photos of the run"
        raise DataError(
            f"all {known + near} training photos that can be read are {of_run}: a model must not be trained on what it "
            "is tested on",
            "Give the photos that the model was trained on, or audit other photos.",
        )
    classes = {dataset.samples[each].label for each in kept}
    if len(classes) < len(dataset.class_names):
        missing = [name for label, name in enumerate(dataset.class_names) if label not in classes]
        raise DataError(
            f"no training photo of {', '.join(missing[:5])} can be used",
            "A refit without a class would forget it: give training photos of every class.",
        )


def _empty(
    pixels: NDArray[np.uint8], masks: NDArray[np.uint8], lends: NDArray[np.bool_], emptied: NDArray[np.uint8]
) -> None:
    """Fill the hole of every photo that lends its background, by each of SEEN_FILLS."""

    def fill(photo: int) -> None:
        holes, own = hole(masks[photo]), pixels[photo].astype(np.float32)
        for number, name in enumerate(SEEN_FILLS):
            emptied[photo, number] = np.clip(np.rint(FILLS[name](own, holes)), 0, 255).astype(np.uint8)

    with ThreadPoolExecutor(thread_name_prefix="empty") as pool:
        list(pool.map(fill, map(int, np.flatnonzero(lends))))


def ordered(samples: Sequence[Sample], seed: int) -> list[int]:
    """Places of samples in an order that depends on the seed and their ids alone."""
    return sorted(range(len(samples)), key=lambda place: rank(seed, samples[place].image_id))
