"""Does the net rely on what a group shows? Its spots are erased, and pasted onto images of other classes.

Each picture is its own control: an equal piece elsewhere in it is erased in the same way, and another piece of it is
pasted at its place, so that neither a filled hole nor a foreign patch counts as an effect
(docs/science.md#proof-of-a-cue).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit import stats
from bias_audit.checks.examples import in_proportion
from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.central_object import estimated
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import BACKGROUND
from bias_audit.data.sampling import rank
from bias_audit.interventions.edits import FILLS, Mask, Pixels, attended_region, elsewhere, hole, lend
from bias_audit.models.base import Predictions

Indices = NDArray[np.intp]
Predict = Callable[[Pixels], Predictions]

PHOTOS = 20
"""Most typical images of a group that are changed; each is also pasted onto HOSTS others."""

ENOUGH = stats.ENOUGH_GROUPS
"""Images that a proof needs: fewer give no interval."""

RIMS = (0.5, 0.25, 0.0)
"""Cells around the attended piece that go with it, tried in turn until a control has room. A map places a thing within
half a cell; without that rim a fifth of a tag was pasted, and did nothing."""

HOSTS = 2
"""Images of other classes that each spot is pasted onto."""


@dataclass(frozen=True)
class Effect:
    """A mean difference of the tied class's probability over photos, -1..1, with interval and sign-flip p."""

    mean: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Shot:
    """A changed picture that is kept for the report: of which image, what was done, and what the model says.

    `turned`: it is taken for the tied class.
    """

    position: int
    host: int
    arm: str
    pixels: Pixels
    probability: float
    turned: bool = False


@dataclass(frozen=True)
class Proof:
    """What erasing and pasting a group's spots does.

    Attributes:
        n: photos whose spot could be changed with a control beside it; 0 = none, and no effects.
        erased: by how much the tied class's probability falls when the spot goes, beyond the control; of the two fills
            the one with the smaller effect.
        pasted: by how much it rises on images of other classes that get the spot, beyond those that get another piece.
        turned, turned_control: share of such images that are then taken for the tied class.
        hosts: how many such images there were.
        shots: a few of the pictures, turned in the proportion of all.
    """

    n: int
    erased: Effect | None = None
    pasted: Effect | None = None
    turned: float = float("nan")
    turned_control: float = float("nan")
    hosts: int = 0
    shots: tuple[Shot, ...] = ()


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
) -> Proof:
    """Erase and paste the spots of a group.

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
    """
    of_image: dict[int, list[int]] = {}
    for spot in spots:
        image = int(seen.spots.image[spot])
        if seen.predicted[image] == tied:
            of_image.setdefault(image, []).append(int(spot))
    lenders = list(of_image)[:PHOTOS]
    others = np.flatnonzero((seen.predicted != tied) & (seen.labels != tied))
    others = np.setdiff1d(others, np.unique(seen.spots.image[spots]))  # they carry it already
    if len(lenders) < ENOUGH or not len(others):
        return Proof(0)
    names = [dataset.samples[int(seen.positions[image])].image_id for image in others]
    ordered = [int(others[i]) for i in sorted(range(len(others)), key=lambda i: rank(seed, names[i]))]
    chosen = [ordered[i % len(ordered)] for i in range(HOSTS * len(lenders))]
    hosts = {image: (pixels, mask) for image, pixels, mask in _pictures(dataset, seen, sorted(set(chosen)), geometry)}
    made: list[tuple[int, int, str, Pixels]] = []
    said: dict[tuple[int, int, str], float] = {}
    turned: dict[tuple[int, int, str], bool] = {}
    pictures: dict[tuple[int, int, str], Pixels] = {}

    def ask() -> None:
        if not made:
            return
        predictions = predict(np.stack([pixels for *_, pixels in made]))
        for (image, host, arm, pixels), p, best in zip(
            made, predictions.probabilities[:, tied], predictions.predicted, strict=True
        ):
            said[image, host, arm], turned[image, host, arm] = float(p), bool(best == tied)
            if arm in ("original", FIRST_FILL, "pasted"):
                pictures[image, host, arm] = pixels
        made.clear()

    places = {image: place for place, image in enumerate(lenders)}
    for image, pixels, mask in _pictures(dataset, seen, lenders, geometry):
        pairs = chosen[HOSTS * places[image] : HOSTS * (places[image] + 1)]
        for host, arm, changed in _composites(
            seen, image, of_image[image], pixels, mask, pairs, hosts, seed, off_object=off_object
        ):
            made.append((image, host, arm, changed))
            if len(made) == batch:
                ask()
    ask()
    shown = _shown(turned, keep)
    shots = [
        Shot(int(seen.positions[key[0]]), _position(seen, key[1]), key[2], pixels, said[key], turned[key])
        for key, pixels in pictures.items()
        if key[0] in shown
    ]
    return _proof(said, turned, shots, seed)


def _shown(turned: Mapping[tuple[int, int, str], bool], keep: int) -> list[int]:
    """Images whose pictures are kept: what they are pasted onto turns as often as it does in all."""
    pasted = {key: each for key, each in turned.items() if key[2] == "pasted"}
    if not pasted:
        return list(dict.fromkeys(image for image, _, _ in turned))[:keep]
    first: dict[int, dict[str, bool]] = {}
    for (image, _, arm), each in pasted.items():  # of several hosts the page shows the first
        first.setdefault(image, {arm: each})
    return in_proportion(first, {"pasted": sum(pasted.values()) / len(pasted)}, keep)


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
    region, control = found
    made = [(-1, "original", pixels)]
    for fill in (FIRST_FILL, SECOND_FILL):
        made += [(-1, fill, FILLS[fill](pixels, region)), (-1, f"{fill} control", FILLS[fill](pixels, control))]
    for host in pairs:
        if host in hosts:
            other, other_mask = hosts[host]
            made.append((host, "pasted", lend(other, other_mask, pixels, region)))
            made.append((host, "pasted control", lend(other, other_mask, pixels, control)))
    return made


def _region(
    seen: Seen, image: int, spots: Sequence[int], mask: Mask, seed: int, *, off_object: bool
) -> tuple[Mask, Mask] | None:
    """What is erased and pasted, (H, W), and an equal piece elsewhere; None without room for one."""
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
    if not attended.any():
        return None
    hot, covered = _attended(seen, image, mask.shape), hole(ground) > 0
    for rim in RIMS:
        sides = [max(1, round(2 * rim * side / cells)) for side, cells in zip(mask.shape, seen.spots.grid, strict=True)]
        grown = np.asarray(cv2.dilate(attended, np.ones(sides, np.uint8)), np.uint8)
        region = np.where(covered, 0, grown).astype(np.uint8) if rim else attended
        # A control that lies on the object would cost more than the spot; one that is attended too is no control.
        for avoid in (mask | hot, mask):
            control = elsewhere(region, avoid, np.random.default_rng((seed, image)))
            if control is not None:
                return region, control
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
) -> list[tuple[int, Pixels, Mask]]:
    """(image, pixels, mask or its estimate) of the images that can still be read."""
    found = []
    samples = [dataset.samples[int(seen.positions[image])] for image in images]
    for at, group in load_in_order(samples, geometry, 8):
        for offset, loaded in enumerate(group):
            if loaded.pixels is not None and loaded.mask is not None:
                found.append(
                    (images[at + offset], loaded.pixels, loaded.mask if loaded.drawn else estimated(loaded.pixels))
                )
    return found


def _position(seen: Seen, image: int) -> int:
    return int(seen.positions[image]) if image >= 0 else -1


def _proof(
    said: Mapping[tuple[int, int, str], float],
    turned: Mapping[tuple[int, int, str], bool],
    shots: Sequence[Shot],
    seed: int,
) -> Proof:
    photos = list(dict.fromkeys(image for image, _, _ in said))
    if len(photos) < ENOUGH:
        return Proof(0, shots=tuple(shots))
    falls = []
    for fill in (FIRST_FILL, SECOND_FILL):
        falls.append(np.array([said[i, -1, f"{fill} control"] - said[i, -1, fill] for i in photos]))
    rises, hits, control_hits = [], [], []
    for photo in photos:
        pairs = [host for image, host, arm in said if image == photo and arm == "pasted"]
        if pairs:
            rises.append(np.mean([said[photo, h, "pasted"] - said[photo, h, "pasted control"] for h in pairs]))
            hits += [turned[photo, host, "pasted"] for host in pairs]
            control_hits += [turned[photo, host, "pasted control"] for host in pairs]
    return Proof(
        len(photos),
        _effect(min(falls, key=lambda fall: float(fall.mean())), seed),
        _effect(np.array(rises), seed),
        float(np.mean(hits)) if hits else float("nan"),
        float(np.mean(control_hits)) if control_hits else float("nan"),
        len(hits),
        tuple(shots),
    )


def _effect(differences: NDArray[np.float64], seed: int) -> Effect | None:
    if len(differences) < ENOUGH:
        return None
    mean = float(differences.mean())
    p = stats.sign_flip(differences, seed=seed) if mean > 0 else 1.0
    return Effect(mean, *stats.bca_mean_interval(differences, seed=seed), p)
