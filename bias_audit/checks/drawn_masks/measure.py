"""How much of its object a drawn mask seems to miss: what a graph cut takes for the object around the mask.

Photos and masks alone are asked, never the model. See docs/science.md#drawn-masks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Context, Measured
from bias_audit.data.batches import Geometry, Loaded, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.grabcut import cut, working_size
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID
from bias_audit.data.sampling import LOADED_AT_ONCE, spread
from bias_audit.interventions.donors import MAX_AREA, MIN_AREA
from bias_audit.interventions.edits import Mask, Pixels, grown, hole
from bias_audit.limits.ahead import made_ahead
from bias_audit.run.folder import Run
from bias_audit.run.statuses import OK

if TYPE_CHECKING:
    from bias_audit.run.result import AuditResult

STORED = "shards/drawn_masks.json"

MOST = 64
"""Largest number of photos that are looked at, taken from the classes in turn, as many as BA909 compares."""

LEAST_AROUND = 20
"""Fewest pixels around a mask, at the size of the cut, that can tell anything."""


@dataclass(frozen=True)
class Missed:
    """What drawn masks seem to miss of their objects, photo by photo.

    Attributes:
        image_ids: id of each photo.
        share: what the cut takes for the object around the mask, as a share of the area of the mask, at least 0.
        groups: code of each photo's group (patient, scene); None = every photo is a group of its own.
    """

    image_ids: tuple[str, ...]
    share: tuple[float, ...]
    groups: tuple[int, ...] | None = None


def measure(context: Context) -> Measured:
    """Look around the drawn masks; an empty result where there are none."""
    drawn = [position for position, sample in enumerate(context.dataset.samples) if sample.outlined]
    if not drawn:
        return Measured()
    with context.progress.stage("Checking drawn masks", min(MOST, len(drawn)), "images") as advance:
        missed = look_around(
            context.dataset, drawn, context.geometry, context.config.seed, context.run, advance, context.groups
        )
    return Measured(own=lambda: missed)


def look_around(
    dataset: Dataset,
    drawn: list[int],
    geometry: Geometry,
    seed: int,
    run: Run,
    advance: Callable[[int], None],
    groups: NDArray[np.intp] | None = None,
) -> Missed:
    """Look for more of the object around drawn masks, or read the result of an interrupted audit.

    Args:
        dataset: all samples.
        drawn: positions of those with a mask file.
        geometry: how pictures become model inputs.
        seed: seed of the choice of photos.
        run: keeps the result.
        advance: called with the number of photos that are done.
        groups: group code of each sample (patient, scene); None = every photo is a group of its own.
    """
    if (known := read_missed(run)) is not None:
        return known
    masked = dataclasses.replace(dataset, samples=tuple(dataset.samples[position] for position in drawn))
    codes = None if groups is None else groups[np.array(drawn, np.intp)]
    chosen = spread(masked, MOST, seed, codes)
    samples = [masked.samples[position] for position in chosen]
    seen: list[tuple[int, float]] = []
    photos = (loaded for _, group in load_in_order(samples, geometry, LOADED_AT_ONCE) for loaded in group)
    for place, share in enumerate(made_ahead(_missed_of, photos)):
        if share is not None:
            seen.append((place, share))
        advance(1)
    missed = Missed(
        tuple(samples[place].image_id for place, _ in seen),
        tuple(share for _, share in seen),
        None if codes is None else tuple(int(codes[chosen[place]]) for place, _ in seen),
    )
    run.write_json(STORED, dataclasses.asdict(missed))
    return missed


def _missed_of(loaded: Loaded) -> float | None:
    if loaded.pixels is None or loaded.mask is None or loaded.mask_status != OK:
        return None
    return missed_share(loaded.pixels, loaded.mask)


def missed_share(pixels: Pixels, mask: Mask) -> float | None:
    """How much more of the object a graph cut finds around a mask, as a share of the area of the mask.

    The mask is object for certain, what lies beyond a grown hole (`edits.grown`) is background for certain, and one cut
    (GrabCut, Rother et al. 2004) divides what lies between by colour and edges. The hole's margin around the mask is
    not counted: there lie shadows and the mask's own blur.

    Args:
        pixels: (H, W, C) float32 in [0, 255].
        mask: (H, W) uint8 of BACKGROUND, FOREGROUND, VOID.

    Returns:
        at least 0; None for an object that is too small or too large to be pasted, where nothing lies around it, and
        where there are too few colours to tell.
    """
    height, width = mask.shape
    size = working_size(height, width)
    thing, void = (_smaller(mask == value, size) for value in (FOREGROUND, VOID))
    if not MIN_AREA <= float(thing.mean()) <= MAX_AREA:
        return None
    small = np.where(thing, FOREGROUND, np.where(void, VOID, BACKGROUND)).astype(np.uint8)
    near = hole(small)
    around = (grown(near) > 0) & (near == 0) & ~void
    if int(around.sum()) < LEAST_AROUND:
        return None
    seeds = np.full(small.shape, cv2.GC_BGD, np.uint8)
    seeds[around | void] = cv2.GC_PR_BGD
    seeds[near > 0] = cv2.GC_PR_FGD
    seeds[thing] = cv2.GC_FGD
    colours = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    colours = np.broadcast_to(colours.reshape(*small.shape, -1), (*small.shape, 3))
    cv2.setRNGSeed(0)
    object_ = cut(np.clip(np.rint(colours), 0, 255).astype(np.uint8), seeds)
    return None if object_ is None else float((around & object_).sum() / thing.sum())


def _smaller(where: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(h, w) true where at least half of the area is true."""
    return np.asarray(cv2.resize(where.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5, bool)


def recall(result: AuditResult) -> Missed | None:
    """What a finished run saw around its drawn masks; None where it looked at none."""
    return read_missed(Run(result.path))


def read_missed(run: Run) -> Missed | None:
    """What a run folder holds of the drawn masks; None for nothing."""
    known: Missed | None = run.read_json(STORED, _from_json)
    return known


def _from_json(known: dict[str, Any]) -> Missed:
    groups = known["groups"]
    return Missed(
        tuple(map(str, known["image_ids"])),
        tuple(map(float, known["share"])),
        None if groups is None else tuple(map(int, groups)),
    )
