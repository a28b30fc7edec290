"""Chooses the photos that are changed into composites, and the donors whose backgrounds they get.

The choice follows from the seed and the image ids alone, never from the order of files.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.batches import Geometry, Loaded, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.sampling import rank
from bias_audit.interventions.edits import (
    FILLS,
    Mask,
    attended_region,
    elsewhere,
    grown,
    hole,
    touches,
)
from bias_audit.limits.ahead import made_ahead
from bias_audit.limits.memory import bytes_array
from bias_audit.run.statuses import DONE, FILLS_FRAME, NO_DONORS, NO_USABLE_MASK, NOT_SAMPLED, TOO_SMALL_TO_PASTE

MIN_AREA = 0.01
"""Smallest area of an object that is pasted, as a share of the picture; nearly empty masks are mask errors."""

MAX_AREA = 0.9
"""Largest area of an object that is pasted, as a share of the picture: beyond, no background is left to exchange."""

MAX_HOLE = 0.7
"""Largest area of a donor's object, as a share of the picture: a background that is mostly inpainted is none."""

LEAST_LEFT = 0.05
"""Smallest part of the picture that a grown hole must leave of a donor's background; beyond, the donor lends none.

MAX_HOLE does not hold for grown holes: the donors are those whose own hole is below it.
"""

POOL = 400
"""Donors over all classes, but at least ENOUGH_DONORS per class (400 with three pictures each: 180 MB at 224 px)."""

ENOUGH_DONORS = 20
"""Donors per class from which chance among them hardly decides; fewer only where all together are more than MOST_HELD,
and then at least one more than a photo gets. A class with fewer is tested with photos and donors crossed."""

MOST_HELD = 2000
"""Largest number of donors over all classes that ENOUGH_DONORS per class may come to (900 MB at 224 px, in a file where
that is more than a batch may take)."""

NO_LABEL = -1
"""Label of a scene of no class, in the place of a class index."""

Heat = NDArray[np.float32]


class Donors(dict[int, tuple[int, ...]]):
    """Class index -> positions of its samples that can lend their background; it does not change.

    What the choice for a photo needs of all classes is made once: of thousands of classes it would cost more than the
    photo's composites.
    """

    @functools.cached_property
    def classes(self) -> NDArray[np.intp]:
        """Classes that have donors, in their order."""
        return np.array([label for label, lent in self.items() if lent], np.intp)

    @functools.cached_property
    def total(self) -> int:
        """Number of donors of all classes."""
        return sum(map(len, self.values()))

    @functools.cached_property
    def last(self) -> int:
        """The largest class index."""
        return max(self)

    def among(self, there: Container[int]) -> Donors:
        """Those whose position is in a collection, which does not change either."""
        if self._among is None or self._among[0] is not there:
            self._among = (
                there,
                Donors({label: tuple(each for each in lent if each in there) for label, lent in self.items()}),
            )
        return self._among[1]

    _among: tuple[Container[int], Donors] | None = None


@dataclass(frozen=True)
class Plan:
    """Which photos become composites, and which donors can lend their backgrounds.

    Attributes:
        photos: class index -> positions of its samples that become composites.
        donors: see `Donors`.
        status: sample position -> DONE, or why no composite is made of the photo.
        groups: sample position -> group (patient, scene), {} where every photo is its own group; a photo gets no
            background of its own group.
        scenes: class index, or NO_LABEL -> positions of real scenes without an object (`checks.background.scenes`);
            those of a class are its `donors`. {} where none were given.
    """

    photos: Mapping[int, tuple[int, ...]]
    donors: Donors
    status: Mapping[int, str]
    groups: Mapping[int, int] = field(default_factory=dict)
    scenes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)

    @property
    def unfilled(self) -> bool:
        """Whether the donors are real scenes, so that no background has a filled hole."""
        return bool(self.scenes) and NO_LABEL not in self.scenes


@dataclass(frozen=True)
class Regions:
    """The region of a photo's background that its heatmap points at, and a control region.

    Attributes:
        attended: (H, W) uint8, 1 inside the region that the heatmap points at.
        control: (H, W) uint8, 1 inside; the same shape elsewhere on the background, see `edits.elsewhere`.
    """

    attended: Mask
    control: Mask


@dataclass(frozen=True)
class Backgrounds:
    """Backgrounds that donors lend, and the regions that their heatmaps point at.

    Attributes:
        pictures: (sample position, name of the fill) -> the donor's picture without its object, (H, W, C) uint8.
        regions: sample position -> regions, for donors whose heatmap points at the background.
        grown: sample position -> as `pictures` with the first fill, with a grown hole (`edits.grown`); without the
            donors of which less than LEAST_LEFT would be left.
    """

    pictures: Mapping[tuple[int, str], NDArray[np.uint8]]
    regions: Mapping[int, Regions]
    grown: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)


def plan(
    dataset: Dataset,
    areas: Mapping[int, float],
    *,
    photos: int,
    donors: int,
    seed: int,
    groups: Mapping[int, int] | None = None,
    scenes: Mapping[int, tuple[int, ...]] | None = None,
) -> Plan:
    """Choose the photos that become composites, and the donors of backgrounds.

    A photo needs two donors in its own class, one of them outside its group, and one in another class.

    Args:
        dataset: all samples.
        areas: sample position -> area of the object as a share of the picture, for samples with a usable mask.
        photos: most photos per class.
        donors: backgrounds per photo in each arm (own class, other classes).
        seed: seed of the choice.
        groups: sample position -> group; None = every photo is its own group.
        scenes: as `Plan.scenes`; None = none were given.
    """
    groups = groups or {}
    scenes = scenes or {}
    status: dict[int, str] = {}
    eligible: dict[int, list[int]] = {label: [] for label in range(len(dataset.class_names))}
    for position, sample in enumerate(dataset.samples):
        area = areas.get(position)
        if area is None or not area > 0:
            status[position] = NO_USABLE_MASK
        elif area < MIN_AREA:
            status[position] = TOO_SMALL_TO_PASTE
        elif area > MAX_AREA:
            status[position] = FILLS_FRAME
        else:
            eligible[sample.label].append(position)
    pool = donors_per_class(len(dataset.class_names), donors)
    chosen: dict[int, tuple[int, ...]] = {}
    lent: dict[int, tuple[int, ...]] = {}
    for label, positions in eligible.items():
        ordered = sorted(positions, key=lambda position: rank(seed, dataset.samples[position].image_id))
        status.update(dict.fromkeys(ordered, NOT_SAMPLED))
        chosen[label] = tuple(ordered[:photos])
        lent[label] = tuple([position for position in ordered if areas[position] <= MAX_HOLE][:pool])
    if scenes and NO_LABEL not in scenes:
        lent = {label: scenes.get(label, ()) for label in lent}
    for label, sampled in chosen.items():
        others = any(lent[other] for other in lent if other != label)
        own = {groups.get(position, position) for position in lent[label]}
        kept = [
            position
            for position in sampled
            if others and len(lent[label]) >= 2 and own - {groups.get(position, position)}
        ]
        status.update({position: FILLS_FRAME if areas[position] > MAX_HOLE else NO_DONORS for position in sampled})
        status.update(dict.fromkeys(kept, DONE))
        chosen[label] = tuple(kept)
    return Plan(chosen, Donors(lent), status, groups, scenes)


def donors_per_class(classes: int, donors: int) -> int:
    """Most donors of a class, where a photo gets `donors` backgrounds in each arm."""
    of_all = max(classes, 1)
    return max(donors + 1, POOL // of_all, min(ENOUGH_DONORS, MOST_HELD // of_all))


def choose_donors(
    lent: Donors,
    label: int,
    position: int,
    image_id: str,
    donors: int,
    seed: int,
    groups: Mapping[int, int] | None = None,
) -> tuple[list[int], list[int]]:
    """Choose the donors of one photo: of its own class outside its group, and of the other classes in turn.

    Args:
        lent: the donors of all classes, as `Plan.donors`.
        label: class index of the photo.
        position: position of the photo's sample.
        image_id: id of the photo, from which the choice follows.
        donors: most donors in each arm.
        seed: seed of the choice.
        groups: sample position -> group; None = every photo is its own group.

    Returns:
        (positions of donors of the own class, of the other classes), equally many where the data allow it.
    """
    rng = stream(seed, image_id)
    groups = groups or {}
    mine = groups.get(position, position)
    own = [donor for donor in lent[label] if donor != position and groups.get(donor, donor) != mine]
    same = [own[i] for i in rng.permutation(len(own))[:donors]]
    others = lent.classes[lent.classes != label]
    turns = others[rng.permutation(len(others))[:donors]].tolist()
    shuffled = {other: rng.permutation(len(lent[other])) for other in turns}
    most = min(donors, lent.total - len(lent[label]), max(len(same), 1))
    other: list[int] = []
    for turn in range(donors):
        for name in turns:
            if turn < len(lent[name]) and len(other) < most:
                other.append(lent[name][shuffled[name][turn]])
    return same[: len(other)], other


def next_donor(lent: Donors, label: int, image_id: str, seed: int) -> int | None:
    """Position of a donor of the next class that has donors (Mixed-Next, Xiao et al. 2021), or None.

    Classes follow one another in the order of the outputs; the last is followed by the first. For the arguments see
    `choose_donors`.
    """
    count = lent.last + 1
    for step in range(1, count):
        if pool := lent.get((label + step) % count):
            return pool[int(stream(seed, image_id, "next").integers(len(pool)))]
    return None


def prepare_backgrounds(
    dataset: Dataset,
    todo: Plan,
    geometry: Geometry,
    maps: Mapping[int, Heat],
    seed: int,
    advance: Callable[[int], None],
    folder: Path,
    *,
    fills: Sequence[str] = (FIRST_FILL, SECOND_FILL),
    widened: bool = True,
) -> Backgrounds:
    """Remove the object of every donor by some fills and with a grown hole, and find the region its heatmap points at.

    Args:
        dataset: all samples.
        todo: the plan, whose donors are prepared.
        geometry: geometry of the model's input.
        maps: sample position -> (h, w) heatmap of the labelled class, of donors that are recognised; other
            donors get no regions.
        seed: seed of the control regions.
        advance: called with 1 for each donor that is done.
        folder: where a file lies that holds the pictures if they take more than a batch may; see
            `limits.memory.bytes_array`.
        fills: names of the fills.
        widened: whether backgrounds with grown holes are made as well.
    """
    real = {position for part in todo.scenes.values() for position in part}
    positions = sorted({position for lent in todo.donors.values() for position in lent} - real)
    held = bytes_array((len(positions), len(fills), *geometry.size, geometry.channels), geometry.limits, folder)
    most = len(positions) if widened else 0
    wide = bytes_array((most, *geometry.size, geometry.channels), geometry.limits, folder)
    lent = bytes_array((len(positions) if maps else 0, 2, *geometry.size), geometry.limits, folder)

    def photos() -> Iterator[tuple[int, Loaded]]:
        for start, group in load_in_order([dataset.samples[position] for position in positions], geometry, 8):
            yield from enumerate(group, start)

    def empty(
        photo: tuple[int, Loaded],
    ) -> tuple[int, dict[tuple[int, str], NDArray[np.uint8]], Regions | None, NDArray[np.uint8] | None]:
        place, loaded = photo
        position = positions[place]
        sample = dataset.samples[position]
        if loaded.pixels is None or loaded.mask is None:  # changed since the audit pass
            return position, {}, None, None
        holes = hole(loaded.mask)
        for number, fill in enumerate(fills):
            held[place, number] = FILLS[fill](loaded.pixels, holes).astype(np.uint8)
        emptied = {(position, fill): held[place, number] for number, fill in enumerate(fills)}
        regions = find_regions(loaded, maps.get(position), seed, sample.image_id)
        if regions is not None:
            lent[place] = regions.attended, regions.control
            regions = Regions(lent[place, 0], lent[place, 1])
        covered = grown(holes) if widened else None
        if covered is None or float((covered == 0).mean()) < LEAST_LEFT:
            return position, emptied, regions, None
        wide[place] = FILLS[FIRST_FILL](loaded.pixels, covered).astype(np.uint8)
        return position, emptied, regions, wide[place]

    pictures: dict[tuple[int, str], NDArray[np.uint8]] = {}
    regions: dict[int, Regions] = {}
    wider: dict[int, NDArray[np.uint8]] = {}
    for position, emptied, found, covered in made_ahead(empty, photos()):
        pictures.update(emptied)
        if found is not None:
            regions[position] = found
        if covered is not None:
            wider[position] = covered
        advance(1)
    return Backgrounds(pictures, regions, wider)


def with_backgrounds(todo: Plan, backgrounds: Backgrounds) -> Plan:
    """The plan with those donors only whose backgrounds could be prepared: a file may have changed since the pass.

    A donor that is chosen and then missing would leave a photo with fewer backgrounds in one arm than in the other.
    """
    there = {position for position, _ in backgrounds.pictures}
    return replace(todo, donors=todo.donors.among(there))


def find_regions(loaded: Loaded, heat: Heat | None, seed: int, image_id: str) -> Regions | None:
    """Find the region of a photo's background that its heatmap points at, and a control region.

    Args:
        loaded: the photo and its mask.
        heat: (h, w) heatmap; None = there is none.
        seed: seed of the control's place.
        image_id: id of the photo.

    Returns:
        The regions, or None without heatmap or mask, without positive evidence on the background, where the region
        borders the object's hole (it may be what the mask missed of the object), or without room for a control.
    """
    if heat is None or loaded.mask is None:
        return None
    attended = attended_region(heat, loaded.mask)
    holes = hole(loaded.mask)
    if attended is None or touches(attended, holes):
        return None
    control = elsewhere(attended, holes, stream(seed, image_id, "region"))
    return None if control is None else Regions(attended, control)


def stream(seed: int, image_id: str, purpose: str = "") -> np.random.Generator:
    """Random number generator of one photo, which depends on seed, image id and purpose alone."""
    return np.random.default_rng(int(rank(seed, image_id + (f":{purpose}" if purpose else ""))[:16], 16))
