"""Estimated masks for the photos and donors of the experiments, where nobody drew any; all other photos get none.

A pass over every photo costs a fraction of what an estimate costs, so only as many are estimated as composites need.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bias_audit.checks.base import Context
from bias_audit.checks.parts import Phase, missing
from bias_audit.config import AuditConfig
from bias_audit.data.addresses import Url
from bias_audit.data.batches import Geometry, load, load_in_order
from bias_audit.data.dataset import Dataset
from bias_audit.data.mask_estimates import AUTO
from bias_audit.data.masks import ESTIMATED, area_of
from bias_audit.data.sampling import LOADED_AT_ONCE, rank
from bias_audit.errors import ConfigError
from bias_audit.interventions.donors import MAX_AREA, MAX_HOLE, MIN_AREA, donors_per_class
from bias_audit.run.folder import Run
from bias_audit.run.progress import Advance
from bias_audit.run.records import Record
from bias_audit.run.statuses import NO_MASK, OK

STORED = "shards/outlines.json"
"""File of the run that keeps, by sample position, what was estimated: [status, area of the object or None]."""

COLUMNS = frozenset({"#position", "status", "mask_status", "foreground_area"})
"""Columns of the records that are read."""

NONE = "none"
"""Value of `masks` and of `segmenter`: nothing is estimated."""

MOST_TRIED = 4
"""Most estimates per class, as a multiple of the photos or donors that are wanted: where no object is found in so many,
more would not help."""


TRIED_OUT = 16
"""Most photos that are opened to try a segmenter out, until one can be read."""


def named(masks: str | Path | Url | None, config: AuditConfig) -> tuple[str | Path | Url | None, AuditConfig]:
    """Take the words "auto" and "none" out of `masks`, unless a folder has that name.

    Returns:
        (the folder or None, the settings with what the word says of the segmenter).

    Raises:
        ConfigError: the word contradicts the segmenter that is given.
    """
    if masks is None or str(masks) not in (AUTO, NONE) or os.path.isdir(str(masks)):
        return masks, config
    word, given = str(masks), config.segmenter
    if given is not None and (word == NONE) != (given == NONE):
        raise ConfigError(
            f"masks {word!r} and the segmenter {given!r} contradict each other",
            "Leave one of them out: --masks none estimates nothing, --segmenter says what estimates.",
        )
    return None, config.changed({"segmenter": given or word})


def settled(config: AuditConfig, dataset: Dataset) -> AuditConfig:
    """The settings with the segmenter that is used: GrabCut where none is named and no photo has a mask or a box.

    Args:
        config: settings after `named`.
        dataset: all samples, with the masks and boxes that were given.
    """
    if config.segmenter == NONE:
        return config.changed({"segmenter": None})
    if config.segmenter is None and not any(sample.annotated for sample in dataset.samples):
        return config.changed({"segmenter": AUTO})
    return config


def try_out(context: Context) -> None:
    """Estimate the mask of one photo, so that a segmenter which does not work costs no pass over all photos.

    Raises:
        ConfigError, ModelError: it fails, or returns what is no mask.
    """
    if context.config.segmenter in (None, AUTO):
        return
    bare = (sample for sample in context.dataset.samples if not sample.annotated)
    for sample in itertools.islice(bare, TRIED_OUT):
        if load(sample, context.outlined).status == OK:
            return


def outline(context: Context, records: Sequence[Record]) -> None:
    """Estimate the masks of photos and donors without one, class by class, and write them into the records.

    Photos are taken in the order in which `interventions.donors.plan` takes them, until a class has all that it can
    use. So the plan is the one that estimates of all photos would give, unless MOST_TRIED ends the search.

    Args:
        context: what the audit knows; nothing happens without its `estimate`, or where no composites are made.
        records: records of the samples, in the order of the data set; filled in are "mask_status", "mask_kind" and
            "foreground_area" of the photos that got an estimate.
    """
    for phase in phases(context, records):
        phase.in_one_process(context.progress)


def phases(context: Context, records: Sequence[Record]) -> Iterator[Phase]:
    """The same for one of several processes: a phase of one part, which reads COLUMNS of the records."""
    config, dataset, run = context.config, context.dataset, context.run
    results = context.given.results
    none_made = config.interventions == 0 or (results is not None and results.composites is None)
    if context.estimate is None or none_made:
        return
    pool = donors_per_class(len(dataset.class_names), config.donors)
    ordered = _candidates(dataset, records, config.seed)

    def make(_: int, advance: Advance) -> None:
        if (known := stored(run)) is not None:
            advance(len(known), before=True)
            return
        known = {}
        for positions in ordered.values():
            known |= _estimated(
                dataset, records, positions, context.outlined, photos=config.interventions, lenders=pool,
                advance=advance,
            )  # fmt: skip
        run.write_json(STORED, {"positions": {str(position): list(found) for position, found in known.items()}})

    expected = sum(min(len(each), max(config.interventions, pool)) for each in ordered.values())
    yield Phase("Estimating masks", expected, "images", (STORED,), make)
    if (known := stored(run)) is None:
        raise missing(run, STORED)
    fill_in(records, known)


def fill_in(records: Sequence[Record], known: dict[int, tuple[str, float | None]]) -> None:
    """Write estimates into the records of photos that have neither mask nor box.

    Args:
        records: as `outline`.
        known: sample position -> (status of the estimate, area of the object or None).
    """
    for record in records:
        found = known.get(int(record["#position"]))
        if found is None or record.get("mask_status") != NO_MASK:
            continue
        record["mask_status"], record["mask_kind"] = found[0], ESTIMATED
        if found[1] is not None:
            record["foreground_area"] = found[1]


def stored(run: Run) -> dict[int, tuple[str, float | None]] | None:
    """What a run keeps of its estimates, as `fill_in` takes it; None where it made none."""
    known: dict[int, tuple[str, float | None]] | None = run.read_json(STORED, _stored)
    return known


def _stored(kept: dict[str, Any]) -> dict[int, tuple[str, float | None]]:
    return {
        int(position): (str(status), None if area is None else float(area))
        for position, (status, area) in kept["positions"].items()
    }


def _candidates(dataset: Dataset, records: Sequence[Record], seed: int) -> dict[int, list[int]]:
    """Positions of each class's photos that have a usable mask or may get one, in the order of `donors.plan`."""
    positions: dict[int, list[int]] = {label: [] for label in range(len(dataset.class_names))}
    for position, (sample, record) in enumerate(zip(dataset.samples, records, strict=True)):
        if record["status"] == OK and record.get("mask_status") in (OK, NO_MASK):
            positions[sample.label].append(position)
    return {
        label: sorted(own, key=lambda position: rank(seed, dataset.samples[position].image_id))
        for label, own in positions.items()
    }


def _estimated(
    dataset: Dataset,
    records: Sequence[Record],
    positions: Sequence[int],
    geometry: Geometry,
    *,
    photos: int,
    lenders: int,
    advance: Callable[[int], None],
) -> dict[int, tuple[str, float | None]]:
    """Estimates of one class: position -> (status, area), until enough photos and donors have a usable mask."""
    found: dict[int, tuple[str, float | None]] = {}
    usable = lent = 0
    most = MOST_TRIED * max(photos, lenders)
    for start in range(0, len(positions), LOADED_AT_ONCE):
        if (usable >= photos and lent >= lenders) or len(found) >= most:
            break
        part = positions[start : start + LOADED_AT_ONCE]
        bare = [position for position in part if records[position].get("mask_status") == NO_MASK]
        areas = {position: records[position].get("foreground_area") for position in part}
        samples = [dataset.samples[position] for position in bare]
        for at, group in load_in_order(samples, geometry, LOADED_AT_ONCE):
            for position, loaded in zip(bare[at:], group, strict=True):
                if loaded.mask is not None and loaded.mask_kind == ESTIMATED:  # else it has changed since the pass
                    areas[position] = area = area_of(loaded.mask) if loaded.mask_status == OK else None
                    found[position] = loaded.mask_status, area
        sizes = [area for area in areas.values() if area is not None and MIN_AREA <= area <= MAX_AREA]
        usable, lent = usable + len(sizes), lent + sum(area <= MAX_HOLE for area in sizes)
        advance(len(part))
    return found
