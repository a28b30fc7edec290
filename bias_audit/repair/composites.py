"""The pictures that a refit sees: training photos as they are, and changed in the ways that the run proved to matter.

- The object on backgrounds of every class: what stands behind it says nothing of the class.
- The background without its object: evidence for no class.
- Properties of the whole photo, recurring cues and drawn regions, exchanged between photos of all classes, or erased.

What is made is planned first, so that a refit that was killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.whole_photo.exchange import PROPERTIES
from bias_audit.interventions.donors import stream
from bias_audit.interventions.edits import FILLS, Mask, Pixels, lend, paste
from bias_audit.repair.heads import NO_CLASS
from bias_audit.repair.refit import FOLDS
from bias_audit.repair.training import SEEN_FILLS, Photos, ordered

ORIGINAL, ON_BACKGROUND, EMPTIED, PROPERTY, ERASED, LENT = (
    "original", "background", "emptied", "property", "erased", "lent",
)  # fmt: skip

SHARES = {ORIGINAL: 1.0, ON_BACKGROUND: 2.0, EMPTIED: 1.0, PROPERTY: 1.0, ERASED: 1.0, LENT: 1.0}
"""How much each kind counts of a photo's weight, which is 1 for all of its pictures together."""

BACKGROUNDS = 8
"""Backgrounds that each object is pasted on, of the classes in turn."""

DONORS = 4
"""Photos whose property, cue or region each photo gets, of the classes in turn."""


@dataclass(frozen=True)
class Picture:
    """A picture that is made of a training photo.

    Attributes:
        photo: place of the photo.
        kind: what is done, one of SHARES.
        donor: place of the photo that lends; -1 = none does.
        detail: the fill, the property, or the place of the region among those that are lent; "" = nothing.
        label: class that the picture shows, or NO_CLASS.
        ground: class that lends the background, the property or the cue; that of the photo where nothing is lent.
    """

    photo: int
    kind: str
    donor: int
    detail: str
    label: int
    ground: int


@dataclass(frozen=True)
class Wanted:
    """Which kinds of pictures are made.

    Attributes:
        backgrounds: objects on other backgrounds, and emptied backgrounds.
        kept: classes whose objects stay on their own backgrounds.
        properties: properties that are exchanged.
        regions: (class whose probability the region raises, whether it may lie on the object, photo -> region): a cue
            that heatmaps point at, or a region that a reviewer drew.
    """

    backgrounds: bool
    kept: frozenset[int] = frozenset()
    properties: tuple[str, ...] = ()
    regions: tuple[tuple[int, bool, Mapping[int, Mask]], ...] = ()


def folds_of(photos: Photos, seed: int) -> NDArray[np.intp]:
    """(n,) fold of each photo: photos of a group share one, and every class is spread over all."""
    made = np.full(len(photos.samples), -1, np.intp)
    of_group: dict[int, int] = {}
    turn: dict[int, int] = {}
    for place in ordered(photos.samples, seed):
        group, label = int(photos.groups[place]), photos.samples[place].label
        if group not in of_group:
            of_group[group] = turn.get(label, 0) % FOLDS
            turn[label] = turn.get(label, 0) + 1
        made[place] = of_group[group]
    return made


def planned(photos: Photos, wanted: Wanted, folds: NDArray[np.intp], classes: int, seed: int) -> list[Picture]:
    """All pictures, those of a photo one after another. Who lends is of the photo's fold, where that has somebody."""
    lenders = _Lenders(photos, folds, classes, seed)
    made: list[Picture] = []
    for place, sample in enumerate(photos.samples):
        label = sample.label
        made.append(Picture(place, ORIGINAL, -1, "", label, label))
        rng = stream(seed, sample.image_id, "repair")
        if wanted.backgrounds and photos.usable[place] and label not in wanted.kept:
            for number, donor in enumerate(lenders.in_turn(photos.lends, place, BACKGROUNDS, rng)):
                fill = SEEN_FILLS[number % len(SEEN_FILLS)]
                made.append(Picture(place, ON_BACKGROUND, donor, fill, label, photos.samples[donor].label))
        if wanted.backgrounds and photos.lends[place] and label not in wanted.kept:
            made += [Picture(place, EMPTIED, -1, fill, NO_CLASS, label) for fill in SEEN_FILLS]
        for name in wanted.properties:
            for donor in lenders.in_turn(np.ones(len(folds), bool), place, DONORS, rng):
                made.append(Picture(place, PROPERTY, donor, name, label, photos.samples[donor].label))
        for number, (tied, _, regions) in enumerate(wanted.regions):
            if place in regions:
                made += [Picture(place, ERASED, -1, f"{number}:{fill}", label, label) for fill in SEEN_FILLS]
            if label != tied:
                lent = np.array([each in regions for each in range(len(folds))], bool)
                for donor in lenders.of_class(lent, place, tied, DONORS, rng):
                    made.append(Picture(place, LENT, donor, str(number), label, tied))
    return made


class _Lenders:
    """Who lends something to whom."""

    def __init__(self, photos: Photos, folds: NDArray[np.intp], classes: int, seed: int) -> None:
        self._labels, self._groups, self._folds, self._classes = photos.labels, photos.groups, folds, classes

    def in_turn(self, able: NDArray[np.bool_], place: int, count: int, rng: np.random.Generator) -> list[int]:
        """`count` lenders of the classes in turn, each class as often as the others; fewer where there are fewer."""
        order = [int(each) for each in rng.permutation(self._classes)]
        pools = {label: self.of_class(able, place, label, count, rng) for label in order}
        turns = [pools[label][turn] for turn in range(count) for label in order if turn < len(pools[label])]
        return turns[:count]

    def of_class(
        self, able: NDArray[np.bool_], place: int, label: int, count: int, rng: np.random.Generator
    ) -> list[int]:
        """At most `count` lenders of a class, in random order, of other groups; those of the photo's fold if any."""
        there = able & (self._labels == label) & (self._groups != self._groups[place])
        near = there & (self._folds == self._folds[place])
        pool = np.flatnonzero(near if near.any() else there)
        return [int(each) for each in rng.permutation(pool)[:count]]


def draw(picture: Picture, photos: Photos, wanted: Wanted) -> Pixels:
    """(H, W, C) float32 in [0, 255] of a picture."""
    own, mask = photos.pixels[picture.photo].astype(np.float32), photos.masks[picture.photo]
    if picture.kind == ORIGINAL:
        return np.asarray(own)
    if picture.kind == ON_BACKGROUND:
        ground = photos.emptied[picture.donor, SEEN_FILLS.index(picture.detail)]
        return paste(own, mask, ground.astype(np.float32))
    if picture.kind == EMPTIED:
        return np.asarray(photos.emptied[picture.photo, SEEN_FILLS.index(picture.detail)], np.float32)
    if picture.kind == PROPERTY:
        return PROPERTIES[picture.detail](own, photos.pixels[picture.donor].astype(np.float32))
    if picture.kind == ERASED:
        number, _, fill = picture.detail.partition(":")
        return FILLS[fill](own, wanted.regions[int(number)][2][picture.photo])
    _, on_object, regions = wanted.regions[int(picture.detail)]
    behind = np.zeros_like(mask) if on_object else mask
    return lend(own, behind, photos.pixels[picture.donor].astype(np.float32), regions[picture.donor])


def drawn(pictures: Sequence[Picture], photos: Photos, wanted: Wanted, batch: int) -> Iterator[tuple[int, Pixels]]:
    """(place of the first, (n, H, W, C)) batches of pictures, in their order."""
    for start in range(0, len(pictures), batch):
        yield start, np.stack([draw(each, photos, wanted) for each in pictures[start : start + batch]])


def weights_of(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """(n,) weight of each picture: those of a photo have the sum 1, shared out by SHARES over the kinds that it has."""
    counts: dict[tuple[int, str], int] = {}
    for each in pictures:
        counts[each.photo, each.kind] = counts.get((each.photo, each.kind), 0) + 1
    whole: dict[int, float] = {}
    for photo, kind in counts:
        whole[photo] = whole.get(photo, 0.0) + SHARES[kind]
    return np.array([SHARES[each.kind] / counts[each.photo, each.kind] / whole[each.photo] for each in pictures])


def groups_of(pictures: Sequence[Picture], classes: int) -> NDArray[np.intp]:
    """(n,) code of class, kind and what lies behind; -1 for pictures of no class."""
    kinds = list(SHARES)
    return np.array(
        [
            -1 if each.label == NO_CLASS else (kinds.index(each.kind) * classes + each.label) * classes + each.ground
            for each in pictures
        ],
        np.intp,
    )


def digest_of(pictures: Sequence[Picture], photos: Photos) -> str:
    """SHA-256 over all pictures and what they are made of; 64 hex digits."""
    made = hashlib.sha256(repr(photos.contents).encode())
    for each in pictures:
        made.update(repr(astuple(each)).encode())
    made.update(hashlib.sha256(photos.masks.tobytes()).digest())
    return made.hexdigest()
