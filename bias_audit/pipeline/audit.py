"""The function `audit`, which runs all stages of an audit from top to bottom; no other file knows every stage."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Unpack

import pandas as pd

from bias_audit.checks.base import Check, Context, Measured
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import AuditConfig, Thresholds
from bias_audit.data.addresses import Url
from bias_audit.data.masks import ESTIMATED
from bias_audit.errors import DataError, ModelError
from bias_audit.heatmaps import attention
from bias_audit.heatmaps.permutation_tie import Tie
from bias_audit.limits.spent import spent
from bias_audit.pipeline import changes, outlines, summaries
from bias_audit.pipeline import profile as profiles
from bias_audit.pipeline.finish import check_pictures, conclude, finish
from bias_audit.pipeline.options import AuditOptions
from bias_audit.pipeline.prepare import Prepared, choose, prepare, timed
from bias_audit.pipeline.provenance import describe
from bias_audit.report import pictures
from bias_audit.run.image_numbers_written import write_numbers
from bias_audit.run.lock import gives_back
from bias_audit.run.progress import Progress
from bias_audit.run.records import Records
from bias_audit.run.result import AuditResult, RunInfo
from bias_audit.run.statuses import INVALID_PREDICTION, OK
from bias_audit.run.tables import write_table


@gives_back
def audit(
    model: str | Path | Any,
    data: str | Path | Any,
    *,
    predictions: str | Path | None = None,
    composites: str | Path | None = None,
    heatmaps: str | Path | None = None,
    masks: str | Path | Any | None = None,
    boxes: str | Path | None = None,
    ids: str | Sequence[Any] | None = None,
    value_range: tuple[int, int] | None = None,
    cache: str | Path | None = None,
    backgrounds: str | Path | Url | None = None,
    strangers: str | Path | Url | None = None,
    cues: str | Path | None = None,
    train: str | Path | Url | None = None,
    out: str | Path | None = None,
    class_map: str | Path | Mapping[str, Sequence[int]] | None = None,
    allow_outside: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    ignore: Sequence[str] = (),
    config: AuditConfig | None = None,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
    profile: bool = False,
    executor: str | None = None,
    **options: Unpack[AuditOptions],
) -> AuditResult:
    """Audit a classifier on a test set and write the run folder.

    Args:
        model: path of a .keras, .h5 or .onnx file or of a SavedModel folder, or a model in memory.
        data: folder with one folder per class, or a CSV/Parquet table with columns image and label; also elsewhere,
            by its address: s3://, gs://, hf://, https:// (`data.addresses`). Or photos in memory, before the model's
            normalisation: a pandas DataFrame with the columns of a table, a list of (path, label), arrays (images,
            labels), a tf.data.Dataset, a Dataset or DataLoader of PyTorch, a datasets.Dataset of Hugging Face
            (docs/how-to/in-python.md). They are written to disk, once.
        predictions: table of predictions that were made elsewhere, in the place of a model, which is None then.
        composites: folder of changed pictures (`bias-audit composites`), of which `predictions` holds rows, too.
        heatmaps: folder of .npy files or an .npz file with heatmaps of the predicted classes, made elsewhere.
        masks: folder of foreground masks, same tree and stems as the images; "none" = objects are not estimated either,
            "auto" = as segmenter="auto", unless a folder has this name. Without masks and boxes the objects of the
            experiments are estimated (`pipeline.outlines`). For photos in memory also an array (N, H, W) or a list.
        boxes: table with one row per box: image, x_min, y_min, x_max, y_max.
        ids: of photos in memory: an image id for each, or the name of the column that holds them; None = their place,
            the path of a file, or the beginning of the hash of their content where the order may be another each time.
        value_range: of photos in memory that are floats: (0, 1) or (0, 255); None = seen from their values.
        cache: folder that keeps photos in memory as PNG files for later audits; None = the run folder, up to 2 GB.
        backgrounds: real scenes without an object: a folder per class, whose scenes lend the backgrounds of the
            classes in the place of emptied photos, or scenes of no class. It, strangers and train are a folder or a zip
            or tar archive, also by its address.
        strangers: pictures that belong to none of the model's classes, flat or with a folder per kind.
        cues: file with names of recurring cues, as `bias-audit name` writes it; None = cues.json beside the run folder,
            where there is one.
        train: the training pictures, to find copies of test photos among them.
        out: run folder; None = a new temporary folder (`result.path`).
        class_map: JSON file or dict, class name -> output indices, where outputs and classes are not one to one.
        allow_outside: let a table name files outside its folder.
        resume: continue an unfinished run in `out`.
        overwrite: replace the run in `out`.
        ignore: codes of rules that are not judged.
        config: settings of the audit; None = the defaults.
        thresholds: bounds of the rules; None = the defaults.
        progress: display of the progress; None = a bar in a notebook, and nothing elsewhere.
        profile: write profile.csv, where the time went, and tell it.
        executor: who passes the photos through the model: "local:4" = four processes on this machine, "ray" or
            "ray:HOST:PORT" = a Ray cluster; None = this process. Model and data are paths then.
        options: single settings, for instance preprocess="signed" or limits={"pixels": 2e8}: fields of AuditConfig,
            which override `config`; how the data are read, fields of `SourceOptions`, for instance split="test"; and
            settings of checks of other packages, by name or as `extra`.

    Returns:
        the result, with `.images`, `.classes`, `.findings` and `.verdict`.

    Raises:
        BiasAuditError: one clear sentence about the model, the data, an option or the run folder.
    """
    begun, before = time.monotonic(), spent()
    call: dict[str, Any] = dict(
        predictions=predictions,
        composites=composites,
        heatmaps=heatmaps,
        masks=masks,
        boxes=boxes,
        ids=ids,
        value_range=value_range,
        cache=cache,
        backgrounds=backgrounds,
        strangers=strangers,
        cues=cues,
        train=train,
        out=out,
        class_map=class_map,
        allow_outside=allow_outside,
        resume=resume,
        overwrite=overwrite,
        ignore=ignore,
        config=config,
        thresholds=thresholds,
        progress=progress,
        **options,
    )
    if executor is not None:
        from bias_audit.pipeline.executors import audit_with

        return audit_with(executor, model, data, profile=profile, **call)
    prepared = prepare(model, data, **call)
    with prepared.context.run.refusal_leaves_nothing():
        choose(prepared)
        prepared.measure("maps")
        records, ties = pass_photos(prepared)
    result = complete(prepared, records, ties)
    if profile:
        run, shown = prepared.context.run, prepared.context.progress
        whole = profiles.Row("whole audit", time.monotonic() - begun, spent() - before)
        rows = profiles.table(shown.seconds, shown.spent, whole)
        profiles.write(run, rows)
        for line in profiles.in_words(rows):
            shown.note(line)
    return result


def pass_photos(prepared: Prepared, *, others_did: bool = False) -> tuple[Records, dict[str, Tie]]:
    """Predict and explain all photos.

    Args:
        prepared: the audit.
        others_did: other processes have, and what they stored is read.

    Returns:
        (records, ties): a record per photo; class name -> permutation test of its heatmaps against its masks.

    Raises:
        DataError: no photo could be read, or one is another than the composites were made of.
        ModelError: the model's outputs are finite for none that could be read.
        ShardDamaged: something that others have stored is damaged or missing.
    """
    context = prepared.context
    dataset, explainer, run = context.dataset, context.explainer, context.run
    batch = explainer.model.batch_size
    with timed(prepared.seconds, "attention"):
        with context.progress.stage("Predictions and heatmaps", len(dataset.samples), "images") as advance:
            records = attention.attend(dataset, explainer, context.geometry, batch, run, advance, complete=others_did)
        if not any(record["status"] == OK for record in records):
            _refuse_unread(context, records)
        ties = attention.tie_to_objects(
            dataset, records, run, batch, explainer.grid, context.config.seed, context.groups
        )
    if prepared.ready is not None:
        prepared.ready.check_contents(records)
    return records, ties


def _refuse_unread(context: Context, records: Sequence[Mapping[str, Any]]) -> NoReturn:
    """Raise what is wrong where there is no prediction of any photo."""
    first = records[0]
    invalid = sum(record["status"] == INVALID_PREDICTION for record in records)
    if invalid:
        context.run.discard()  # heatmaps of nothing are not worth keeping
        if context.given.results is not None:
            raise DataError(f"the table of predictions has no numbers for any of {invalid} images that could be read")
        raise ModelError(
            f"the model gives NaN or infinite outputs for all {invalid} images that could be read",
            "Check --preprocess and the weights of the model: without predictions there is nothing to audit.",
        )
    raise DataError(
        f"none of the {len(records)} images could be read; the first, {first['image_id']!r}: {first['status_reason']}"
    )


def complete(prepared: Prepared, records: Records, ties: Mapping[str, Tie]) -> AuditResult:
    """Do what follows the heatmaps: experiments, tables, rules, pictures and page.

    Args:
        prepared: the audit.
        records, ties: result of `pass_photos`.
    """
    prepared.context = context = dataclasses.replace(prepared.context, records=records)
    dataset, config, thresholds, run = context.dataset, context.config, context.thresholds, context.run
    checks, measured, seconds, contents = prepared.checks, prepared.measured, prepared.seconds, prepared.contents
    with timed(seconds, "outlines"):
        outlines.outline(context, records)
    prepared.measure("photos")
    changes.mark(records, dataset, contents)

    with context.progress.stage("Tables and rules", None), timed(seconds, "tables"):
        user = {name: [sample.columns[name] for sample in dataset.samples] for name in dataset.columns}
        photos, classes = summaries.summarise(
            records, user, dataset.class_names, measured, thresholds, config.seed, groups=context.groups, ties=ties
        )
        outcomes = conclude(photos, classes, measured, prepared.ignore, run, checks)
    with context.progress.stage("Report", None):
        info = _account(prepared, photos.images, outcomes)
        del photos  # the page reads the table of the images again
        return finish(run, info, classes, outcomes)


def _account(prepared: Prepared, images: pd.DataFrame, outcomes: Sequence[RuleOutcome]) -> RunInfo:
    """What was audited and how, once the pictures are written, whose photos are the last that are read."""
    context, places, contents = prepared.context, prepared.places, prepared.contents
    known = len(contents.found)
    _write_pictures(context, images, prepared.checks, prepared.measured, outcomes)
    if len(contents.found) > known:  # a change was noticed only now
        images = changes.marked(images, context.dataset, contents)
        write_table(context.run, "images", images)
        write_numbers(context.run, images)
    drawn = places["masks"] or places["boxes"]
    about = (places["model"], places["data"], drawn, context.dataset, context.explainer, images, context.config)
    made = (context.thresholds, prepared.fingerprint, prepared.seconds, prepared.checks, prepared.measured)
    return describe(*about, *made, places["strangers"], places["backgrounds"], prepared.reading)


def _write_pictures(
    context: Context,
    images: pd.DataFrame,
    checks: Sequence[Check],
    measured: Mapping[str, Measured],
    outcomes: Sequence[RuleOutcome],
) -> None:
    """Write pictures.json: thumbnails of the most telling photos, and the pictures of each check."""
    dataset, run = context.dataset, context.run
    kept = check_pictures(checks, measured, outcomes)
    places = {sample.image_id: position for position, sample in enumerate(dataset.samples)}
    chosen = pictures.choose_pictures(images, outcomes, kept["composites"])
    positions = [places[image_id] for image_id in chosen]
    maps = attention.read_maps(run, context.explainer.model.batch_size, positions)
    explained = attention.explained_instead(context.records)
    guessed = [position for position in positions if images["mask_kind"].iat[position] == ESTIMATED]
    plain = [position for position in positions if images["mask_kind"].iat[position] != ESTIMATED]
    shown = {
        **pictures.make_pictures(dataset, plain, images, maps, context.geometry, explained),
        **pictures.make_pictures(dataset, guessed, images, maps, context.outlined, explained),
    }
    run.write_json("pictures.json", {"images": {name: shown[name] for name in chosen if name in shown}, **kept})
