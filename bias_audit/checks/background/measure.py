"""The interventions over the whole data set: plan, composites and predictions, kept in one shard per class."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.checks.background import outside, shards, staged
from bias_audit.checks.background import scenes as real_scenes
from bias_audit.checks.background.columns import OF_IMAGES
from bias_audit.checks.background.needs import Screening
from bias_audit.checks.background.photo_effects import intervention_columns
from bias_audit.checks.background.screening import as_table
from bias_audit.checks.background.shown import Example
from bias_audit.checks.base import Context, Measured
from bias_audit.checks.parts import Parts, Phase
from bias_audit.config import AuditConfig
from bias_audit.data.addresses import Url
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.interventions import donors
from bias_audit.run.folder import Run
from bias_audit.run.progress import Progress
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import (
    CHANGED,
    DONE,
    INVALID_PREDICTION,
    NO_MASK,
    NOT_OUTLINED,
    OK,
    SCREENED,
    SWITCHED_OFF,
)
from bias_audit.run.tables import table

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach


@dataclass(frozen=True)
class Interventions:
    """All composites of a run with their predictions.

    Attributes:
        composites: one row per `composites.Composite`, with the column `label` of its photo (class indices).
        examples: class name -> composites that are kept as pictures.
        photos: the columns `columns.OF_IMAGES`, one row per image of the data set.
        emptied: class name -> pictures of its donors without their object that the model is surest to be of the class;
            nothing in runs of older versions.
        scenes: one per real scene, see `scenes.Scenes.records`; of a recalled run they are in the table `scenes`.
        screened: class name -> how far it was tested; a class that is not there has no composites.
    """

    composites: pd.DataFrame
    examples: Mapping[str, list[Example]]
    photos: pd.DataFrame
    emptied: Mapping[str, list[Example]] = dataclasses.field(default_factory=dict)
    scenes: Sequence[Mapping[str, Any]] = ()
    screened: Mapping[str, Screening] = dataclasses.field(default_factory=dict)


def measure(context: Context) -> Measured:
    """Measure with composites of all classes, as `make_composites`; the result is in `Measured.own`."""
    made = make_composites(context)
    return Measured(
        {"scenes": table("scenes", made.scenes)},
        notes=[*real_scenes.notes(made.scenes), *staged.notes(made.screened.values())],
        counts=real_scenes.counts(made.scenes),
        own=lambda: made,
    )


def recall(result: AuditResult) -> Interventions:
    """Read the composites of a finished run, and the columns of the images that were made from them."""
    run, names = Run(result.path), result.info.class_names
    firsts = {label: shards.read_first(run, label) for label in range(len(names))}
    made = {
        label: shards.joined(first, shards.read_second(run, label))
        for label, first in firsts.items()
        if first is not None
    }
    photos = result.images[[column.name for column in OF_IMAGES]].reset_index(drop=True)
    return _together(made, names, photos)


def make_composites(context: Context) -> Interventions:
    """Plan, make and predict the composites of all classes; classes that an interrupted audit finished are read."""
    dataset, config, records = context.dataset, context.config, context.records
    work, scenes = _planned_work(context)
    given = None
    if context.given.results is not None:  # the pictures were made and predicted before
        given = outside.Predicted.of(context.given.results, work.whole, work.todo, records)
        work = dataclasses.replace(work, todo=given.todo)
    status = [_status(record, work.todo, config, estimated=context.estimate is not None) for record in records]
    blank = work.blank() if given is None else given.blank()
    made = staged.all_made(work) if given is None else staged.given(work, given)
    made_of: set[int] = set()
    for label, each in made.items():
        made_of.update(composite.photo for composite in each.composites)
        for photo in each.invalid:
            status[photo] = INVALID_PREDICTION
        for photo in staged.left_out(work, label, each):
            status[photo] = SCREENED
    # Every photo that can be read has composites: one without has changed since the audit pass.
    status = [CHANGED if each == DONE and i not in made_of else each for i, each in enumerate(status)]
    together = _together(made, dataset.class_names, pd.DataFrame())
    untested = [position for position, each in enumerate(status) if each == SCREENED]  # of some, what they lend is made
    tested = together.composites[~together.composites["photo"].isin(untested)]
    photos = intervention_columns(records, status, tested, dataset.class_names, blank, together.screened)
    found = () if scenes is None else scenes.records
    return dataclasses.replace(together, photos=photos, scenes=found)


def _planned_work(context: Context) -> tuple[staged.Work, real_scenes.Scenes | None]:
    """What is to be made, and the real scenes that were read for it."""
    dataset, geometry, config, given = context.dataset, context.outlined, context.config, context.given
    areas = {
        record["#position"]: record["foreground_area"] for record in context.records if record.get("mask_status") == OK
    }
    scenes = read_scenes(given.backgrounds, dataset, geometry, config, context.progress, context.run.path, given.reach)
    whole, pictures = (dataset, {}) if scenes is None else (scenes.whole, scenes.pictures)
    return staged.Work(context, whole, planned(dataset, areas, config, context.groups, scenes), pictures), scenes


def _phases(context: Context) -> Iterator[Phase]:
    run = context.run
    first, second = staged.Stage(run, shards.first_name), staged.Stage(run, shards.second_name)
    yield from staged.phases(_planned_work(context)[0], first, second)


PARTS = Parts(frozenset({"#position", "status", "mask_status", "foreground_area", "correct"}), _phases)
"""The composites of each class are a part, in each of the stages."""


def _together(made: Mapping[int, shards.OfClass], names: Sequence[str], photos: pd.DataFrame) -> Interventions:
    """The composites of all classes; `photos` are the columns of the images."""
    composites = [composite for each in made.values() for composite in each.composites]
    labels = np.repeat(np.array(list(made), np.intp), [len(each.composites) for each in made.values()])
    return Interventions(
        as_table(composites, labels),
        {names[label]: list(each.examples) for label, each in made.items()},
        photos,
        {names[label]: list(each.emptied) for label, each in made.items()},
        screened={names[label]: each.screening for label, each in made.items()},
    )


def listed_scenes(folder: Path | Url, dataset: Dataset, reach: Reach | None = None) -> str:
    """Hash of the listing of real scenes; for the arguments and errors see `scenes.open_scenes`."""
    return real_scenes.open_scenes(folder, dataset, reach).fingerprint()


def planned(
    dataset: Dataset,
    areas: Mapping[int, float],
    config: AuditConfig,
    groups: NDArray[np.intp] | None,
    scenes: real_scenes.Scenes | None,
) -> donors.Plan:
    """The plan of an audit, see `interventions.donors.plan`; `groups` are codes by sample position."""
    return donors.plan(
        dataset, areas, photos=config.interventions, donors=config.donors, seed=config.seed,
        groups=None if groups is None else dict(enumerate(map(int, groups))),
        scenes=None if scenes is None else scenes.usable,
    )  # fmt: skip


def read_scenes(
    folder: Path | Url | None,
    dataset: Dataset,
    geometry: Geometry,
    config: AuditConfig,
    progress: Progress,
    beside: Path,
    reach: Reach | None = None,
) -> real_scenes.Scenes | None:
    """The real scenes of an audit; None where no folder was given, or no composites are made.

    Args:
        folder, reach: as of `scenes.open_scenes`.
        dataset, geometry, config, progress: of the audit.
        beside: where a file lies that holds the scenes if they take more than a batch may.
    """
    if folder is None or config.interventions == 0:
        return None
    listed = real_scenes.open_scenes(folder, dataset, reach)
    with progress.stage("Reading backgrounds", len(listed.samples), "scenes") as advance:
        return real_scenes.read_scenes(listed, dataset, geometry, config.seed, config.donors, advance, beside)


def _status(record: Mapping[str, Any], todo: donors.Plan, config: AuditConfig, *, estimated: bool) -> str:
    """Status of an image: whether composites are made of it, or why not; `estimated` = missing masks are estimated."""
    if record["status"] != OK:
        return str(record["status"])
    if estimated and config.interventions and record.get("mask_status") == NO_MASK:
        return NOT_OUTLINED
    return SWITCHED_OFF if config.interventions == 0 else todo.status.get(record["#position"], "")
