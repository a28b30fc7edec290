"""Does the prediction follow the object or the background? Paired composites, run through the same model.

Each photo's object is put on backgrounds of its own class and of other classes, both pasted, so that the cost of
pasting cancels (Xiao et al. 2021); the background is shown without the object and the object without background.
Holes are filled in two ways of different family: what only one of them shows comes from the fill (SCIENCE C3).
Which photos and donors are used follows from the seed and the image ids alone, never from the order of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.batches import Geometry, Loaded, load, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.interventions import background_only, foreground_only, paste
from bias_audit.models.base import Predictions

Pixels = NDArray[np.float32]
Backgrounds = Mapping[tuple[int, str], NDArray[np.uint8]]
_Name = tuple[int, str, str, int]
"""photo, arm, fill, donor."""

SAME, OTHER, BACKGROUND, FOREGROUND = "same", "other", "background_only", "foreground_only"

CHECKS = 3
"""Backgrounds per photo and arm under the second fill, at most; odd, as `AuditConfig.donors`."""

MIN_AREA = 0.01
"""Smallest object worth pasting, as a share of the picture; nearly empty masks are mask errors."""

MAX_AREA = 0.9
"""Largest object: beyond, there is no background to exchange."""

MAX_HOLE = 0.7
"""A donor's object may cover this much: a background that is mostly inpainted is no background."""

POOL = 400
"""Donors kept in memory over all classes, at least `donors` + 1 per class (two backgrounds each: 120 MB at 224 px)."""

DONE = "done"
NOT_SAMPLED = "not sampled"
NO_USABLE_MASK = "no usable mask"
TOO_SMALL = "object too small to paste"
FILLS_FRAME = "object fills the frame"
NO_DONORS = "no donor backgrounds"


@dataclass(frozen=True)
class Plan:
    """Which photos are intervened on, and which backgrounds they can get.

    Attributes:
        photos: class index -> sample positions, at most `interventions` each.
        donors: class index -> sample positions whose background can be lent.
        status: sample position -> DONE, or why no composite is made of it.
    """

    photos: Mapping[int, tuple[int, ...]]
    donors: Mapping[int, tuple[int, ...]]
    status: Mapping[int, str]


@dataclass(frozen=True)
class Composite:
    """One changed picture and what the model says about it.

    Attributes:
        photo, donor: sample positions; donor -1 where there is none.
        arm: SAME, OTHER, BACKGROUND or FOREGROUND.
        fill: key of FILLS; "" where no hole was filled.
        donor_label: class index of the donor, -1 where there is none.
        predicted: class index.
        probability: of the photo's label, 0..1.
        probability_predicted: of the predicted class, 0..1.
    """

    photo: int
    arm: str
    fill: str
    donor: int
    donor_label: int
    predicted: int
    probability: float
    probability_predicted: float


def plan(dataset: Dataset, areas: Mapping[int, float], *, photos: int, donors: int, seed: int) -> Plan:
    """Choose photos and donors.

    Args:
        dataset: all samples.
        areas: sample position -> foreground area in 0..1, of the readable samples that have a usable mask.
        photos: photos per class, at most.
        donors: backgrounds per photo and arm.
        seed: of the choice.
    """
    status: dict[int, str] = {}
    eligible: dict[int, list[int]] = {label: [] for label in range(len(dataset.class_names))}
    for position, sample in enumerate(dataset.samples):
        area = areas.get(position)
        if area is None or not area > 0:
            status[position] = NO_USABLE_MASK
        elif area < MIN_AREA:
            status[position] = TOO_SMALL
        elif area > MAX_AREA:
            status[position] = FILLS_FRAME
        else:
            eligible[sample.label].append(position)
    pool = max(donors + 1, POOL // max(len(dataset.class_names), 1))
    chosen: dict[int, tuple[int, ...]] = {}
    lent: dict[int, tuple[int, ...]] = {}
    for label, positions in eligible.items():
        ordered = sorted(positions, key=lambda position: _rank(seed, dataset.samples[position].image_id))
        status.update(dict.fromkeys(ordered, NOT_SAMPLED))
        chosen[label] = tuple(ordered[:photos])
        lent[label] = tuple([position for position in ordered if areas[position] <= MAX_HOLE][:pool])
    for label, sampled in chosen.items():
        others = any(lent[other] for other in lent if other != label)
        enough = len(lent[label]) >= 2 and others
        status.update(dict.fromkeys(sampled, DONE if enough else NO_DONORS))
        if not enough:
            chosen[label] = ()
    return Plan(chosen, lent, status)


def prepare_backgrounds(
    dataset: Dataset, todo: Plan, geometry: Geometry, advance: Callable[[int], None]
) -> Backgrounds:
    """Empty every donor once by either fill: (sample position, fill) -> (H, W, C) uint8."""
    positions = sorted({position for lent in todo.donors.values() for position in lent})

    def empty(position: int) -> dict[tuple[int, str], NDArray[np.uint8]]:
        loaded = load(dataset.samples[position], geometry)
        if loaded.pixels is None or loaded.mask is None:  # it was readable a minute ago
            return {}
        return {
            (position, fill): background_only(loaded.pixels, loaded.mask, fill).astype(np.uint8)
            for fill in (FIRST_FILL, SECOND_FILL)
        }

    backgrounds: dict[tuple[int, str], NDArray[np.uint8]] = {}
    with ThreadPoolExecutor(thread_name_prefix="empty") as pool:
        for emptied in pool.map(empty, positions):
            backgrounds.update(emptied)
            advance(1)
    return backgrounds


def intervene(
    dataset: Dataset,
    label: int,
    todo: Plan,
    backgrounds: Backgrounds,
    geometry: Geometry,
    predict: Callable[[Pixels], Predictions],
    *,
    batch: int,
    donors: int,
    seed: int,
    keep: Callable[[int, str, int, Pixels], None],
) -> Iterator[list[Composite]]:
    """Make and predict all composites of one class.

    Args:
        label: the class.
        predict: (n, H, W, C) float32 in [0, 255] -> predictions.
        keep: called with (photo, arm, donor, pixels) of the first composite of each arm of a photo, for the report;
            first fill only.

    Yields:
        the composites of one batch.
    """
    names: list[_Name] = []
    images: list[Pixels] = []
    positions = todo.photos[label]
    for start, group in load_in_order([dataset.samples[position] for position in positions], geometry, 8):
        for position, loaded in zip(positions[start : start + 8], group, strict=True):
            first: set[str] = set()
            for arm, fill, donor, pixels in _composites(dataset, position, loaded, todo, backgrounds, donors, seed):
                if arm not in first and fill != SECOND_FILL:
                    keep(position, arm, donor, pixels)
                    first.add(arm)
                names.append((position, arm, fill, donor))
                images.append(pixels)
                if len(images) == batch:
                    yield _predicted(dataset, label, names, predict(np.stack(images)))
                    names, images = [], []
    if images:
        yield _predicted(dataset, label, names, predict(np.stack(images)))


def count_composites(todo: Plan, donors: int) -> int:
    """Composites that a plan makes, at most."""
    return sum(len(photos) for photos in todo.photos.values()) * (2 * donors + 2 * min(donors, CHECKS) + 3)


def _composites(
    dataset: Dataset,
    position: int,
    loaded: Loaded,
    todo: Plan,
    backgrounds: Backgrounds,
    donors: int,
    seed: int,
) -> Iterator[tuple[str, str, int, Pixels]]:
    if loaded.pixels is None or loaded.mask is None:
        return
    sample = dataset.samples[position]
    same, other = choose_donors(todo.donors, sample.label, position, sample.image_id, donors, seed)
    for fill, most in ((FIRST_FILL, donors), (SECOND_FILL, CHECKS)):
        for arm, chosen in ((SAME, same), (OTHER, other)):
            for donor in chosen[:most]:
                if (donor, fill) in backgrounds:
                    background = backgrounds[donor, fill].astype(np.float32)
                    yield arm, fill, donor, paste(loaded.pixels, loaded.mask, background)
        own = backgrounds.get((position, fill))
        removed = background_only(loaded.pixels, loaded.mask, fill) if own is None else own.astype(np.float32)
        yield BACKGROUND, fill, -1, removed
    yield FOREGROUND, "", -1, foreground_only(loaded.pixels, loaded.mask)


def choose_donors(
    lent: Mapping[int, Sequence[int]], label: int, position: int, image_id: str, donors: int, seed: int
) -> tuple[list[int], list[int]]:
    """Donors of one photo: of its own class without itself, and of the other classes in turn.

    Returns:
        (same-class positions, other-class positions), equally many where the data allow it.
    """
    rng = np.random.default_rng(int(_rank(seed, image_id)[:16], 16))
    own = [donor for donor in lent[label] if donor != position]
    same = [own[i] for i in rng.permutation(len(own))[:donors]]
    classes = [other for other in lent if other != label and lent[other]]
    turns = [classes[i] for i in rng.permutation(len(classes))]
    shuffled = {other: rng.permutation(len(lent[other])) for other in turns[:donors]}
    available = sum(len(lent[other]) for other in turns)
    most = min(donors, available, max(len(same), 1))
    other: list[int] = []
    for turn in range(donors):
        for name in turns[:donors]:
            if turn < len(lent[name]) and len(other) < most:
                other.append(lent[name][shuffled[name][turn]])
    return same[: len(other)], other


def _predicted(dataset: Dataset, label: int, names: Sequence[_Name], predictions: Predictions) -> list[Composite]:
    rows = []
    for i, (photo, arm, fill, donor) in enumerate(names):
        predicted = int(predictions.predicted[i])
        rows.append(
            Composite(
                photo,
                arm,
                fill,
                donor,
                dataset.samples[donor].label if donor >= 0 else -1,
                predicted,
                float(predictions.probabilities[i, label]),
                float(predictions.probabilities[i, predicted]),
            )
        )
    return rows


def _rank(seed: int, image_id: str) -> str:
    """A place in a random order that depends on the seed and the name alone."""
    return hashlib.sha256(f"{seed}:{image_id}".encode()).hexdigest()
