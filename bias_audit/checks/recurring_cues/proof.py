"""Does the net rely on what a group shows? Its spots are erased, and pasted onto images of other classes.

Each picture is its own control: an equal piece elsewhere in it is erased in the same way, and another piece of it is
pasted at its place, so that neither a filled hole nor a foreign patch counts as an effect
(docs/science.md#proof-of-a-cue). The control can come from the same photo, since many photos average over what happens
to lie beside a spot; for a region that is drawn on one photo it comes from others (`checks.drawn_regions.measure`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.examples import in_proportion
from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.checks.recurring_cues.lending import dealt
from bias_audit.config import FIRST_FILL
from bias_audit.data.batches import Geometry, Loaded, load_in_order
from bias_audit.data.central_object import estimated
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import BACKGROUND
from bias_audit.data.sampling import in_turn, rank
from bias_audit.interventions.edits import (
    Mask,
    Pixels,
    attended_region,
    hole,
    lend,
    near,
    placed_elsewhere,
    shifted,
)
from bias_audit.interventions.erase_and_paste import (
    Answer,
    Asked,
    Predict,
    control_of,
    erased,
    of_weaker_fill,
    turned_rate,
)
from bias_audit.limits.ahead import made_ahead

Indices = NDArray[np.intp]

Change = tuple[int, int, str]
"""(image, host or -1 for the image itself, arm): images and hosts count as in `Seen`."""

PHOTOS = 20
"""Most typical images of a group that are changed; each is also pasted onto HOSTS others."""

ENOUGH = stats.ENOUGH_GROUPS
"""Images, or groups of images (patients, scenes), that a proof needs: fewer give no interval."""

RIMS = (0.5, 0.25, 0.0)
"""Cells around the attended piece that go with it, tried in turn until a control has room. A map places a thing within
half a cell; without that rim a fifth of a tag was pasted, and did nothing."""

NEAR_OBJECT = 0.1
"""How near an object a piece counts as possibly a part of it, as a share of the picture's shorter side.

Masks that are drawn a little too small or beside their object leave its rim on the background, in photo after photo, as
a cue would lie; what is erased and pasted keeps so far off the object (docs/science.md#proof-of-a-cue).
"""

MOST_NEAR = 0.5
"""Share of an attended piece that may lie near the object; of a photo with more the rest is no longer what was seen."""

HOSTS = 2
"""Images of other classes that each spot is pasted onto."""

ORIGINAL, PASTED = "original", "pasted"
"""Arms beside those of the fills."""

KEPT = (ORIGINAL, FIRST_FILL, PASTED)
"""Arms whose pictures the report may show."""


@dataclass(frozen=True)
class CuePicture:
    """A changed picture that is kept for the report, and what the model says of it.

    Attributes:
        position: of its image in the data set.
        host: position of the image that it is pasted onto; -1 = none.
        arm: what was done, one of KEPT.
        pixels: (H, W, C) float32 in [0, 255].
        probability: of the tied class, 0..1.
        turned: it is taken for the tied class.
    """

    position: int
    host: int
    arm: str
    pixels: Pixels
    probability: float
    turned: bool


@dataclass(frozen=True)
class Proof:
    """What erasing and pasting a group's spots does.

    Attributes:
        n: photos whose spot could be changed with a control beside it; 0 = none, and no effects.
        groups: groups of these photos (patients, scenes) that count as one each; `n` where no photos belong together.
        blocks: units of the test of pasting: sets of photos that share neither a host nor a group (`lending`).
        erased: by how much the tied class's probability falls when the spot goes, beyond the control; of the two fills
            the one with the smaller effect; None below ENOUGH groups.
        pasted: by how much it rises on images of other classes that get the spot, beyond those that get another piece;
            None below ENOUGH blocks.
        turned, turned_control: share of such images that are then taken for the tied class.
        hosts: how many such images there were.
        shots: a few of the pictures, turned in the proportion of all.
        invalid: photos some of whose changed pictures have no valid prediction, and were left out.
    """

    n: int
    groups: int = 0
    blocks: int = 0
    erased: stats.PairedEffect | None = None
    pasted: stats.PairedEffect | None = None
    turned: float = float("nan")
    turned_control: float = float("nan")
    hosts: int = 0
    shots: tuple[CuePicture, ...] = ()
    invalid: int = 0


def prove(
    dataset: Dataset,
    seen: Seen,
    spots: Indices,
    tied: int,
    predict: Predict,
    geometry: Geometry,
    *,
    off_object: bool,
    batch: int,
    seed: int,
    keep: int = 3,
    groups: Indices | None = None,
) -> Proof:
    """Erase and paste the spots of a group.

    Lenders and hosts are taken from as many groups as possible.

    Args:
        dataset: all samples.
        seen: what was looked at.
        spots: of the group, the most typical first; several of one image are changed together.
        tied: class index that the group is tied to.
        predict: (n, H, W, C) float32 in [0, 255] -> predictions.
        geometry: how pictures become model inputs.
        off_object: the group lies on the background, so that what is changed must keep off the object.
        batch: pictures per call of `predict`.
        seed: of hosts, places and intervals.
        keep: photos whose pictures are kept.
        groups: group code by sample position (patient, scene); None = every photo is a group of its own.
    """
    codes = seen.positions if groups is None else groups[seen.positions]
    of_image: dict[int, list[int]] = {}
    for spot in spots:
        image = int(seen.spots.image[spot])
        if seen.predicted[image] == tied:
            of_image.setdefault(image, []).append(int(spot))
    lenders = in_turn(list(of_image), codes)[:PHOTOS]
    others = np.flatnonzero((seen.predicted != tied) & (seen.labels != tied))
    others = np.setdiff1d(others, np.unique(seen.spots.image[spots]))  # they carry it already
    if len(np.unique(codes[lenders])) < ENOUGH:
        return Proof(0)
    names = [dataset.samples[int(seen.positions[image])].image_id for image in others]
    ordered = [int(others[i]) for i in sorted(range(len(others)), key=lambda i: rank(seed, names[i]))]
    onto, blocks = dealt(lenders, ordered, codes, HOSTS)
    chosen = sorted({host for pairs in onto.values() for host in pairs})
    hosts = {image: (pixels, mask) for image, pixels, mask in _pictures(dataset, seen, chosen, geometry)}
    asked: Asked[Change] = Asked(predict, tied, batch)

    def changed(lender: tuple[int, Pixels, Mask]) -> tuple[int, list[tuple[int, str, Pixels]]]:
        image, pixels, mask = lender
        made = _composites(seen, image, of_image[image], pixels, mask, onto[image], hosts, seed, off_object=off_object)
        return image, made

    for image, made in made_ahead(changed, _pictures(dataset, seen, lenders, geometry)):
        for host, arm, picture in made:
            asked.ask((image, host, arm), picture, keep=arm in KEPT)
    asked.finish()
    said = {change: answers[-1] for change, answers in asked.answers.items()}
    # NaN is no answer: without it goes what it is compared with, on this host, or all of this photo.
    lost = {change[:2] for change, answer in said.items() if not answer.valid}
    said = {change: answer for change, answer in said.items() if change[:2] not in lost and (change[0], -1) not in lost}
    shown = _shown(said, keep)
    shots = [
        CuePicture(
            int(seen.positions[image]),
            int(seen.positions[host]) if host >= 0 else -1,
            arm,
            pixels,
            said[image, host, arm].probability,
            said[image, host, arm].turned,
        )
        for (image, host, arm), pixels in asked.pictures.items()
        if image in shown and (image, host, arm) in said
    ]
    invalid = len({image for image, _ in lost})
    return dataclasses.replace(_proof(said, shots, codes, blocks, seed), invalid=invalid)


def _shown(said: Mapping[Change, Answer], keep: int) -> list[int]:
    """Images whose pictures are kept: what they are pasted onto turns as often as it does in all."""
    pasted = {change: answer.turned for change, answer in said.items() if change[2] == PASTED}
    if not pasted:
        return list(dict.fromkeys(image for image, _, _ in said))[:keep]
    first: dict[int, dict[str, bool]] = {}
    for (image, _, arm), turned in pasted.items():  # of several hosts the page shows the first
        first.setdefault(image, {arm: turned})
    return in_proportion(first, {PASTED: sum(pasted.values()) / len(pasted)}, keep)


def _composites(
    seen: Seen,
    image: int,
    spots: Sequence[int],
    pixels: Pixels,
    mask: Mask,
    pairs: Sequence[int],
    hosts: Mapping[int, tuple[Pixels, Mask]],
    seed: int,
    *,
    off_object: bool,
) -> list[tuple[int, str, Pixels]]:
    """(host or -1, arm, picture) of one photo; none where its spot has no control beside it."""
    found = _region(seen, image, spots, mask, seed, off_object=off_object)
    if found is None:
        return []
    region, control, offset = found
    another, there = shifted(pixels, offset), shifted(control, offset)
    made = [(-1, ORIGINAL, pixels)]
    made += [(-1, arm, changed) for arm, changed in erased(pixels, region, [control])]
    for host in pairs:
        if host in hosts:
            other, other_mask = hosts[host]
            made.append((host, PASTED, lend(other, other_mask, pixels, region)))
            made.append((host, control_of(PASTED), lend(other, other_mask, another, there)))
    return made


def _region(
    seen: Seen, image: int, spots: Sequence[int], mask: Mask, seed: int, *, off_object: bool
) -> tuple[Mask, Mask, tuple[int, int]] | None:
    """What is erased and pasted, an equal piece elsewhere, and the way (down, right) from there to the region's place.

    None without room for such a piece, and where most of what was looked at lies near the object.
    """
    ground = mask if off_object else np.full_like(mask, BACKGROUND)
    attended = np.zeros_like(mask)
    for spot in spots:
        # A ruler goes on beyond its spot: all that is connected with it counts, but nothing for being hotter.
        cell = seen.spots.row[spot], seen.spots.column[spot]
        peak = float(seen.maps[image][cell])
        heat = np.minimum(seen.maps[image], peak)
        heat[cell] = 1.001 * peak
        part = attended_region(heat, ground)
        if part is not None:
            attended |= part
    covered = near(hole(ground), NEAR_OBJECT)
    seen_at = int(attended.sum())
    attended = np.where(covered > 0, 0, attended).astype(np.uint8)
    if not attended.any() or attended.sum() < (1 - MOST_NEAR) * seen_at:
        return None
    hot = _attended(seen, image, mask.shape)
    for rim in RIMS:
        sides = [max(1, round(2 * rim * side / cells)) for side, cells in zip(mask.shape, seen.spots.grid, strict=True)]
        grown = np.asarray(cv2.dilate(attended, np.ones(sides, np.uint8)), np.uint8)
        region = np.where(covered > 0, 0, grown).astype(np.uint8) if rim else attended
        # A control that lies on the object would cost more than the spot; one that is attended too is no control.
        for avoid in (covered | mask | hot, mask | hot, mask):
            placed = placed_elsewhere(region, avoid, np.random.default_rng((seed, image)))
            if placed is not None:
                control, (down, right) = placed
                return region, control, (-down, -right)
    return None


def _attended(seen: Seen, image: int, shape: tuple[int, ...]) -> Mask:
    """(H, W) 1 on the cells of all spots of an image."""
    cells = np.zeros(seen.spots.grid, np.uint8)
    for spot in np.flatnonzero(seen.spots.image == image):
        cells[seen.spots.window(int(spot))] = 1
    rows = np.arange(shape[0]) * seen.spots.grid[0] // shape[0]
    columns = np.arange(shape[1]) * seen.spots.grid[1] // shape[1]
    return cells[rows][:, columns]


def _pictures(
    dataset: Dataset, seen: Seen, images: Sequence[int], geometry: Geometry
) -> Iterator[tuple[int, Pixels, Mask]]:
    """(image, pixels, mask or its estimate) of the images that can still be read."""
    samples = [dataset.samples[int(seen.positions[image])] for image in images]

    def photos() -> Iterator[tuple[int, Loaded]]:
        for at, group in load_in_order(samples, geometry, 8):
            yield from zip(images[at : at + 8], group, strict=True)

    def masked(photo: tuple[int, Loaded]) -> tuple[int, Pixels, Mask] | None:
        image, loaded = photo
        if loaded.pixels is None or loaded.mask is None:
            return None
        return image, loaded.pixels, loaded.mask if loaded.drawn else estimated(loaded.pixels)

    return (found for found in made_ahead(masked, photos()) if found is not None)


def _proof(
    said: Mapping[Change, Answer],
    shots: Sequence[CuePicture],
    codes: Indices,
    blocks: Mapping[int, int],
    seed: int,
) -> Proof:
    """The effects, averaged within groups of lenders and within blocks of lenders and hosts before they are tested."""
    photos = list(dict.fromkeys(image for image, _, _ in said))
    groups = codes[photos]
    units = len(np.unique(groups))
    if units < ENOUGH:
        return Proof(0, shots=tuple(shots))

    def difference(photo: int, host: int, more: str, less: str) -> float:
        return said[photo, host, more].probability - said[photo, host, less].probability

    def fall(fill: str) -> stats.PairedEffect | None:
        falls = [difference(photo, -1, control_of(fill), fill) for photo in photos]
        return stats.paired_effect(falls, seed=seed, groups=groups)

    pairs = [(photo, host) for photo, host, arm in said if arm == PASTED]
    rises: dict[int, list[float]] = {}
    for photo, host in pairs:
        rises.setdefault(photo, []).append(difference(photo, host, PASTED, control_of(PASTED)))
    linked = [blocks[photo] for photo in rises]
    return Proof(
        len(photos),
        units,
        len(set(linked)),
        of_weaker_fill(fall, lambda effect: effect.mean if effect else 0.0),
        stats.paired_effect([float(np.mean(each)) for each in rises.values()], seed=seed, groups=linked),
        turned_rate([[said[photo, host, PASTED]] for photo, host in pairs]),
        turned_rate([[said[photo, host, control_of(PASTED)]] for photo, host in pairs]),
        len(pairs),
        tuple(shots),
    )
