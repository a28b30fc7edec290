"""The interventions over the whole data set: plan, composites and predictions, kept in one shard per class."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bias_audit.checks.background import composites, outside
from bias_audit.checks.background import scenes as real_scenes
from bias_audit.checks.background.columns import OF_IMAGES
from bias_audit.checks.background.photo_effects import intervention_columns
from bias_audit.checks.base import Context, Measured
from bias_audit.checks.examples import in_proportion
from bias_audit.config import FIRST_FILL, NO_FILL, SECOND_FILL, AuditConfig
from bias_audit.data.addresses import Url
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.heatmaps import attention
from bias_audit.interventions import donors
from bias_audit.models.base import NO_CLASS
from bias_audit.report import pictures
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
    SWITCHED_OFF,
    predictions_of,
)
from bias_audit.run.tables import table

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach

Example = dict[str, Any]
"""A composite kept for the report, as an entry of pictures.json."""

EXAMPLES, SHOWN_AT_ONCE = 6, 3
"""Photos per class whose composites are kept for the report, and how many of them the page shows with a finding."""


EMPTIED = 3
"""Emptied donors per class that are kept for the report: those that look most like their class to the model."""


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
    """

    composites: pd.DataFrame
    examples: Mapping[str, list[Example]]
    photos: pd.DataFrame
    emptied: Mapping[str, list[Example]] = dataclasses.field(default_factory=dict)
    scenes: Sequence[Mapping[str, Any]] = ()


def measure(context: Context) -> Measured:
    """Measure with composites of all classes, as `make_composites`; the result is in `Measured.own`."""
    made = make_composites(context)
    return Measured(
        {"scenes": table("scenes", made.scenes)},
        notes=real_scenes.notes(made.scenes),
        counts=real_scenes.counts(made.scenes),
        own=lambda: made,
    )


def recall(result: AuditResult) -> Interventions:
    """Read the composites of a finished run, and the columns of the images that were made from them."""
    run = Run(result.path)
    names = result.info.class_names
    shards = {label: run.read_json(_shard(label), _stored) for label in range(len(names))}
    made = {label: shard for label, shard in shards.items() if shard is not None}
    rows = [{**composite, "label": label} for label, shard in made.items() for composite in shard["composites"]]
    photos = result.images[[column.name for column in OF_IMAGES]].reset_index(drop=True)
    examples, emptied = (
        {names[label]: shard.get(kind, []) for label, shard in made.items()} for kind in ("examples", "emptied")
    )
    return Interventions(_table(rows), examples, photos, emptied)


def make_composites(context: Context) -> Interventions:
    """Plan, make and predict the composites of all classes; classes that an interrupted audit finished are read."""
    dataset, explainer, geometry, config = context.dataset, context.explainer, context.outlined, context.config
    records, run = context.records, context.run
    areas = {record["#position"]: record["foreground_area"] for record in records if record.get("mask_status") == OK}
    paths = context.given
    scenes = read_scenes(paths.backgrounds, dataset, geometry, config, context.progress, run.path, paths.reach)
    whole = dataset if scenes is None else scenes.whole
    todo = planned(dataset, areas, config, context.groups, scenes)
    given = None
    if context.given.results is not None:  # the pictures were made and predicted before
        given = outside.Predicted.of(context.given.results, whole, todo, records)
        todo = given.todo
    status = [_status(record, todo, config, estimated=geometry.estimate is not None) for record in records]
    rows: list[dict[str, Any]] = []
    examples: dict[str, list[Example]] = {}
    emptied: dict[str, list[Example]] = {}
    labels = [label for label, photos in todo.photos.items() if photos]
    backgrounds = donors.Backgrounds({}, {})
    maps: dict[int, NDArray[np.float32]] = {}
    shards = {label: run.read_json(_shard(label), _stored) for label in labels}
    if given is None and None in shards.values():
        used = {position for chosen in (todo.photos, todo.donors) for part in chosen.values() for position in part}
        used = {position for position in used if position < len(records)}  # the others are scenes
        recognised = [position for position in sorted(used) if records[position].get("correct")]
        maps = attention.read_maps(run, explainer.model.batch_size, recognised)
        count = 0 if todo.unfilled else sum(len(lent) for lent in todo.donors.values())
        with context.progress.stage("Preparing backgrounds", count, "backgrounds") as advance:
            backgrounds = donors.prepare_backgrounds(dataset, todo, geometry, maps, config.seed, advance, run.path)
        if scenes is not None:
            backgrounds = dataclasses.replace(backgrounds, pictures={**backgrounds.pictures, **scenes.pictures})
        todo = donors.with_backgrounds(todo, backgrounds)

    blank = np.zeros(len(dataset.class_names), np.float32)
    if given is not None:
        blank = given.blank()
    elif labels:  # without composites nothing is compared with it, and tracing the model costs seconds
        blank = explainer.predict(np.zeros((1, *geometry.size, geometry.channels), np.float32)).log_odds[0]

    count = composites.count_composites(todo, config.donors) if given is None else given.count()
    with context.progress.stage("Interventions", count, "composites") as advance:
        for label in labels:
            shard = shards[label]
            if shard is None:
                kept: dict[tuple[int, str], tuple[int, Any]] = {}

                def keep(photo: int, arm: str, donor: int, pixels: Any, kept: Any = kept) -> None:
                    kept[photo, arm] = donor, pictures.encode_picture(pixels)

                made: list[composites.Composite] = []
                parts = given.composites(label, keep) if given is not None else composites.predict_composites(
                    whole, label, todo, backgrounds, geometry, maps, explainer.predict,
                    batch=explainer.model.batch_size, donors=config.donors, seed=config.seed, keep=keep,
                )  # fmt: skip
                for part in parts:
                    made.extend(part)
                    advance(len(part))
                # One arm without its NaN answers would be compared with another arm of other donors: all or none.
                invalid = sorted({composite.photo for composite in made if composite.predicted == NO_CLASS})
                made = [composite for composite in made if composite.photo not in invalid]
                shard = {
                    "composites": [dataclasses.asdict(composite) for composite in made],
                    "examples": _examples(whole, label, made, kept, scenes_from=len(records)),
                    "emptied": _emptied(dataset, made, kept, todo.donors[label]),
                    "invalid": invalid,
                }
                run.write_json(_shard(label), shard)
            else:
                advance(len(shard["composites"]))
            rows.extend({**composite, "label": label} for composite in shard["composites"])
            examples[dataset.class_names[label]] = shard["examples"]
            emptied[dataset.class_names[label]] = shard.get("emptied", [])
            for photo in shard.get("invalid", ()):
                status[photo] = INVALID_PREDICTION
    composed = _table(rows)
    made_of = set(composed["photo"])
    # Every photo that can be read has composites: one without has changed since the audit pass.
    status = [CHANGED if each == DONE and i not in made_of else each for i, each in enumerate(status)]
    photos = intervention_columns(records, status, composed, dataset.class_names, blank)
    return Interventions(composed, examples, photos, emptied, () if scenes is None else scenes.records)


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


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The composites as a table, in which those on real scenes of the classes stand where the first fill would."""
    columns = [field.name for field in dataclasses.fields(composites.Composite)]
    frame = pd.DataFrame(rows, columns=[*columns, "label"])
    on_scenes = (frame["fill"] == NO_FILL) & (frame["arm"] != composites.SCENE)
    return frame.assign(fill=frame["fill"].mask(on_scenes, FIRST_FILL)).astype({"donor_probability": float})


def _examples(
    dataset: Dataset,
    label: int,
    made: Sequence[composites.Composite],
    kept: Mapping[tuple[int, str], tuple[int, Any]],
    *,
    scenes_from: int,
) -> list[Example]:
    """Example composites of a few photos for the report, with the counts of all composites of the same kind.

    The photos are chosen so that the share recognised among them is near that of all composites.
    """
    first: dict[tuple[int, str], composites.Composite] = {}
    for composite in made:
        name = composite.photo, composite.arm
        if composite.fill != SECOND_FILL and kept.get(name, (None,))[0] == composite.donor:
            first.setdefault(name, composite)
    fills = {arm: composite.fill for (_, arm), composite in first.items()}
    counts = {arm: [0, 0] for arm in composites.SHOWN if arm in fills}
    for composite in made:
        if composite.arm in counts and composite.fill == fills[composite.arm]:
            counts[composite.arm][0] += composite.predicted == label
            counts[composite.arm][1] += 1
    seen: dict[int, dict[str, bool]] = {}
    for (photo, arm), composite in first.items():
        seen.setdefault(photo, {})[arm] = composite.predicted == label
    rates = {arm: right / total for arm, (right, total) in counts.items()}
    chosen = in_proportion(seen, rates, SHOWN_AT_ONCE, rounds=EXAMPLES // SHOWN_AT_ONCE)
    return [
        {
            "image_id": dataset.samples[photo].image_id,
            "donor_id": dataset.samples[donor].image_id if donor >= 0 else None,
            "donor_label": dataset.class_names[dataset.samples[donor].label] if donor >= 0 else None,
            "arm": arm,
            "scene": donor >= scenes_from,
            "predicted": predictions_of(dataset.class_names)[first[photo, arm].predicted],
            "probability": first[photo, arm].probability_predicted,
            "arm_recognised": counts[arm][0],
            "arm_total": counts[arm][1],
            **picture,
        }
        for photo in chosen
        for (owner, arm), (donor, picture) in kept.items()
        if owner == photo and (photo, arm) in first
    ]


def _emptied(
    dataset: Dataset,
    made: Sequence[composites.Composite],
    kept: Mapping[tuple[int, str], tuple[int, Any]],
    lent: Sequence[int],
) -> list[Example]:
    """The donors that the model is surest of with their object removed, first fill: a part of it may be left there."""
    shown = [
        composite
        for composite in made
        if (composite.arm, composite.fill) == (composites.BACKGROUND, FIRST_FILL)
        and composite.photo in set(lent)
        and (composite.photo, composite.arm) in kept
    ]
    return [
        {
            "image_id": dataset.samples[composite.photo].image_id,
            "probability": composite.probability,
            **kept[composite.photo, composite.arm][1],
        }
        for composite in sorted(shown, key=lambda composite: -composite.probability)[:EMPTIED]
    ]


def _stored(shard: dict[str, Any]) -> dict[str, Any]:
    for composite in shard["composites"]:
        composites.Composite(**composite)
    if not isinstance(shard["examples"], list) or not isinstance(shard.get("emptied", []), list):
        raise TypeError("it holds no examples")
    return shard


def _shard(label: int) -> str:
    return f"shards/interventions-{label:05d}.json"
