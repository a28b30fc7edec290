"""Comparison of estimated masks with drawn ones, on photos that have a drawn mask."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.base import Context, Measured
from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import FOREGROUND, VOID, Mask
from bias_audit.data.sampling import LOADED_AT_ONCE, spread
from bias_audit.run.folder import Run
from bias_audit.run.statuses import OK

if TYPE_CHECKING:
    from bias_audit.run.result import AuditResult

STORED = "shards/masks.json"

MOST = 64
"""Largest number of photos that are compared, taken from the classes in turn; it gives the median to about .05."""


@dataclass(frozen=True)
class MaskQuality:
    """Agreement of estimated with drawn masks, photo by photo, at the model's input size and without void pixels.

    Attributes:
        segmenter: how masks are estimated: "auto", a model file or `module:function`.
        iou: intersection over union of each photo, 0..1; 0 where no mask was estimated.
        found: share of the drawn object that the estimate covers, 0..1; the rest of the object stays in backgrounds.
        precise: share of the estimate that is object, 0..1; the rest is background pasted along with the object.
        groups: code of each photo's group (patient, scene); None = every photo is a group of its own.
    """

    segmenter: str
    iou: tuple[float, ...]
    found: tuple[float, ...]
    precise: tuple[float, ...]
    groups: tuple[int, ...] | None = None


def count_checked(dataset: Dataset) -> int:
    """Number of photos that `check_masks` reads: at most MOST of those with a drawn mask."""
    return min(MOST, sum(sample.outlined for sample in dataset.samples))


def measure(context: Context) -> Measured:
    """Compare estimated masks with drawn ones; an empty result where no masks are estimated."""
    segmenter, dataset = context.config.segmenter, context.dataset
    if segmenter is None:
        return Measured()
    with context.progress.stage("Checking estimated masks", count_checked(dataset), "images") as advance:
        quality = check_masks(
            segmenter, dataset, context.outlined, context.config.seed, context.run, advance, context.groups
        )
    return Measured(own=lambda: quality)


def check_masks(
    segmenter: str,
    dataset: Dataset,
    geometry: Geometry,
    seed: int,
    run: Run,
    advance: Callable[[int], None],
    groups: NDArray[np.intp] | None = None,
) -> MaskQuality:
    """Estimate masks of photos that have a drawn one and compare the two, or read the result of an interrupted audit.

    Args:
        segmenter: name of the estimate, kept with the result.
        dataset: all samples; those with a mask file are compared, boxes do not count.
        geometry: how pictures become model inputs, with the function that estimates masks.
        seed: seed of the choice of photos.
        run: keeps the result.
        advance: called with the number of photos that are done.
        groups: group code of each sample (patient, scene); None = every photo is a group of its own.
    """
    if (known := read_quality(run)) is not None:
        return known
    drawn_at = [position for position, sample in enumerate(dataset.samples) if sample.outlined]
    masked = dataclasses.replace(dataset, samples=tuple(dataset.samples[position] for position in drawn_at))
    codes = None if groups is None else groups[np.array(drawn_at, np.intp)]
    chosen = spread(masked, MOST, seed, codes)
    samples = [masked.samples[position] for position in chosen]
    bare = [dataclasses.replace(sample, mask=None, boxes=()) for sample in samples]
    rows: list[tuple[float, float, float]] = []
    places: list[int] = []
    drawn, guessed = (load_in_order(each, geometry, LOADED_AT_ONCE) for each in (samples, bare))
    for (at, known_group), (_, guess_group) in zip(drawn, guessed, strict=True):
        for place, (true, guess) in enumerate(zip(known_group, guess_group, strict=True), at):
            if true.status == OK and true.mask_status == OK and guess.mask is not None:
                rows.append(_overlap(true.mask, guess.mask if guess.mask_status == OK else None))
                places.append(chosen[place])
        advance(len(known_group))
    iou, found, precise = list(zip(*rows, strict=True)) or [(), (), ()]
    together = None if codes is None else tuple(int(codes[place]) for place in places)
    quality = MaskQuality(segmenter, iou, found, precise, together)
    run.write_json(STORED, dataclasses.asdict(quality))
    return quality


def recall(result: AuditResult) -> MaskQuality | None:
    """Read the comparison of a finished run; None where no masks were estimated."""
    return read_quality(Run(result.path))


def read_quality(run: Run) -> MaskQuality | None:
    """Read the comparison from a run folder; None where no masks were estimated."""
    known: MaskQuality | None = run.read_json(STORED, _from_json)
    return known


def _from_json(known: dict[str, Any]) -> MaskQuality:
    shares = {name: tuple(map(float, known[name])) for name in ("iou", "found", "precise")}
    groups = known.get("groups")
    return MaskQuality(**{**known, **shares, "groups": None if groups is None else tuple(map(int, groups))})


def _overlap(true: Mask | None, guess: Mask | None) -> tuple[float, float, float]:
    """(IoU, share of the object found, share of the estimate that is object) of a drawn and an estimated mask."""
    if true is None or guess is None:
        return 0.0, 0.0, 0.0
    known = true != VOID
    object_, estimate = (true == FOREGROUND) & known, (guess == FOREGROUND) & known
    both = int(np.count_nonzero(object_ & estimate))
    return (
        both / max(1, int(np.count_nonzero(object_ | estimate))),
        both / max(1, int(np.count_nonzero(object_))),
        both / max(1, int(np.count_nonzero(estimate))),
    )
