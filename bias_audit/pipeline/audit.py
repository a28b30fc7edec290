"""The function `audit`, which runs all stages of an audit from top to bottom; no other file knows every stage."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import bias_audit
from bias_audit.checks import registry
from bias_audit.checks.base import Check, Context, Given, Measured, Stage
from bias_audit.checks.installed import versions
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import AUTO_PREPROCESS, AuditConfig, Thresholds, configured
from bias_audit.data import sampling
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.data.in_memory.keeping import Given as InMemory
from bias_audit.data.masks import ESTIMATED
from bias_audit.data.preprocess import find_preprocess
from bias_audit.errors import DataError, ModelError
from bias_audit.heatmaps import attention, faithfulness
from bias_audit.heatmaps.methods import AUTO, DEFAULT, Explainer, check_method
from bias_audit.heatmaps.permutation_tie import Tie
from bias_audit.limits.spent import spent
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import check_model, load_model
from bias_audit.models.segmenters.loading import check_segmenter, find_estimate, segmenter_hash
from bias_audit.models.trained_with import settled
from bias_audit.pipeline import beforehand, changes, in_memory, outlines, results, shared, summaries
from bias_audit.pipeline import profile as profiles
from bias_audit.pipeline.finish import check_pictures, conclude, finish
from bias_audit.pipeline.judge import refuse_unknown
from bias_audit.pipeline.mistaken import refuse_swapped
from bias_audit.pipeline.open_data import group_codes, open_data, reading_of
from bias_audit.pipeline.options import AuditOptions, sorted_out
from bias_audit.pipeline.provenance import describe
from bias_audit.report import pictures
from bias_audit.run.folder import Run
from bias_audit.run.image_numbers_written import write_numbers
from bias_audit.run.lock import gives_back
from bias_audit.run.notebook_progress import usual
from bias_audit.run.progress import Progress
from bias_audit.run.result import AuditResult
from bias_audit.run.shares import Share
from bias_audit.run.statuses import INVALID_PREDICTION, OK
from bias_audit.run.tables import write_table

CHOICE = "shards/faithfulness.json"
"""File of the run that keeps the method and layer chosen by `method = "auto"`, with their scores."""


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
    share: Share | None = None,
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
        share: for `pipeline.shared` alone, which takes the SharePassed that ends an audit of a share.
        options: single settings, for instance preprocess="signed" or limits={"pixels": 2e8}: fields of AuditConfig,
            which override `config`; how the data are read, fields of `SourceOptions`, for instance split="test"; and
            settings of checks of other packages, by name or as `extra`.

    Returns:
        the result, with `.images`, `.classes`, `.findings` and `.verdict`.

    Raises:
        BiasAuditError: one clear sentence about the model, the data, an option or the run folder.
    """
    seconds: dict[str, float] = {}
    progress = progress or usual()
    begun, before = time.monotonic(), spent()
    checks = registry.every()
    fields, how, extra = sorted_out(options)
    config = configured(config, class_map, fields).with_extra(extra)
    drawn, masks = (None, masks) if masks is None or in_memory.on_disk(masks) else (masks, None)
    masks, config = outlines.named(masks, config)
    thresholds = thresholds or Thresholds()
    refuse_unknown(ignore)
    check_method(config.method)
    if config.segmenter is not None and config.segmenter != outlines.NONE:
        check_segmenter(config.segmenter)
    if config.preprocess != AUTO_PREPROCESS:
        find_preprocess(config.preprocess, channels=3)
    reading = reading_of(how, config, outside=allow_outside)
    if share is not None:
        shared.refuse(model, data, predictions, overwrite=overwrite)
        resume = True
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="bias-audit-"))
    run = Run(folder, progress.note, shared=share is not None)
    run.check(resume=resume, overwrite=overwrite)
    results.refuse_both(model, predictions, composites, heatmaps, strangers, config)
    if isinstance(model, str | Path):
        refuse_swapped(model, data)
        check_model(model)
    kept = None
    if in_memory.on_disk(data):
        in_memory.refuse_for_paths(ids, value_range, cache, drawn)
    else:
        given_data = InMemory(data, drawn, ids, value_range, how.get("split"))
        kept = in_memory.put_on_disk(
            given_data, run, cache, config, progress, resume=resume, overwrite=overwrite, temporary=out is None
        )
        data, reading = kept.listing, dataclasses.replace(reading, outside=allow_outside or kept.outside)
    dataset = open_data(data_address(data), masks, boxes, config, reading)
    config = outlines.settled(config, dataset)
    groups = group_codes(dataset, config.group_by)
    beside = run.path.absolute().parent
    given = Given(
        *(_place(strangers), _place(train), None if cues is None else Path(cues), beside),
        *(_place(backgrounds), dataset),
        reach=reading.reach,
    )
    read = {name: digest for check in checks for name, digest in check.fingerprints(given).items()}

    ready: results.Ready | None = None
    what = "Loading the model" if predictions is None else "Reading what was given"
    with progress.stage(what, None), _timed(seconds, "model"):
        if predictions is not None:
            ready = results.read_results(predictions, composites, heatmaps, dataset, config, backgrounds)
            given = dataclasses.replace(given, results=ready.results)
        loaded = load_model(model, config, dataset.class_names) if ready is None else ready.explainer.model
    tested = predictions is None or composites is not None
    for said in beforehand.sentences(dataset, groups, config, thresholds, tested=tested):
        progress.note(said)
    config = settled(config, loaded).changed({"batch_size": loaded.batch_size})  # a resumed run must take the same
    if loaded.layer:
        progress.detail(f"explained layer {loaded.layer}, grid {loaded.grid[0]}x{loaded.grid[1]}, head {loaded.head}")
    geometry = geometry_of(config, loaded.input_size)
    # A refusal of either comes before the run folder is made; the pixels may be chosen after it.
    estimate = find_estimate(config.segmenter, config.custom_objects, config.limits)
    name = "none" if config.preprocess == AUTO_PREPROCESS else config.preprocess
    preprocess = find_preprocess(name, geometry.channels)
    if ready is not None:
        explainer: Explainer = ready.explainer
    else:
        explainer = Explainer(loaded, DEFAULT if config.method == AUTO else config.method, preprocess, config.seed)
    key = {
        "options": config.digest(),
        "data": dataset.fingerprint(),
        **read,
        **versions(checks),
        "model" if ready is None else "table of predictions": loaded.sha256,
        "segmenter": segmenter_hash(config.segmenter),
        "version": bias_audit.__version__,
        **({} if config.thorough else {"thresholds": _deciding(thresholds)}),
        **({} if ready is None else ready.key),
    }
    if share is not None:
        named = (model, data, masks, boxes, backgrounds, strangers, train, cues)
        places = dict(zip(shared.PLACES, named, strict=True))
        shared.begin(run, config, thresholds, key, places, reading.kept(), ignore, len(dataset.samples))
    run.start(key, resume=resume, overwrite=overwrite)
    in_memory.drop_others(data, kept, run)
    contents = changes.watched(dataset, run)
    geometry = dataclasses.replace(geometry, contents=contents)
    context = Context(dataset, (), groups, explainer, geometry, config, thresholds, run, progress, given, estimate)
    measured: dict[str, Measured] = {}

    def measure(stage: Stage) -> None:
        for check in (each for each in checks if each.stage == stage):
            with _timed(seconds, check.name):
                measured[check.name] = check.measure(context)

    with run.refusal_leaves_nothing():
        outlines.try_out(context)
        measure("input")
        chosen = {name: value for check in measured.values() for name, value in check.settles.items()}
        explainer.preprocess = find_preprocess(chosen["preprocess"], geometry.channels)
        if config.method == AUTO:
            with _timed(seconds, "method"):
                explainer = _chosen(explainer, dataset, geometry, config, run, progress)
                context = dataclasses.replace(context, explainer=explainer)
        if share is not None:
            shared.pass_share(share, context, chosen["preprocess"])
        measure("maps")
        with _timed(seconds, "attention"):
            records, ties = _attend(context)
        if ready is not None:
            ready.check_contents(records)
    context = dataclasses.replace(context, records=records)
    with _timed(seconds, "outlines"):
        outlines.outline(context, records)
    measure("photos")
    changes.mark(records, dataset, contents)

    with progress.stage("Tables and rules", None), _timed(seconds, "tables"):
        user = {name: [sample.columns[name] for sample in dataset.samples] for name in dataset.columns}
        photos, classes = summaries.summarise(
            records, user, dataset.class_names, measured, thresholds, config.seed, groups=groups, ties=ties
        )
        outcomes = conclude(photos, classes, measured, ignore, run, checks)
    with progress.stage("Report", None):
        known = len(contents.found)
        _write_pictures(context, photos.images, checks, measured, outcomes)
        images = photos.images
        if len(contents.found) > known:  # noticed by what reads photos last, the pictures
            images = changes.marked(images, dataset, contents)
            write_table(run, "images", images)
            write_numbers(run, images)
        about = (
            model if ready is None else predictions,
            data,
            masks or boxes,
            dataset,
            explainer,
            images,
            config,
            thresholds,
        )
        info = describe(*about, key["data"], seconds, checks, measured, strangers, backgrounds, reading.kept())
        result = finish(run, info, classes, outcomes)
    if profile:
        whole = profiles.Row("whole audit", time.monotonic() - begun, spent() - before)
        rows = profiles.table(progress.seconds, progress.spent, whole)
        profiles.write(run, rows)
        for line in profiles.in_words(rows):
            progress.note(line)
    return result


def _attend(context: Context) -> tuple[list[dict[str, Any]], dict[str, Tie]]:
    """Predict and explain all photos.

    Returns:
        (records, ties): a record per photo; class name -> permutation test of its heatmaps against its masks.

    Raises:
        DataError: no photo could be read.
        ModelError: the model's outputs are finite for none that could be read.
    """
    dataset, explainer, run = context.dataset, context.explainer, context.run
    batch = explainer.model.batch_size
    with context.progress.stage("Predictions and heatmaps", len(dataset.samples), "images") as advance:
        records = attention.attend(dataset, explainer, context.geometry, batch, run, advance)
    if not any(record["status"] == OK for record in records):
        first = records[0]
        invalid = sum(record["status"] == INVALID_PREDICTION for record in records)
        if invalid:
            run.discard()  # heatmaps of nothing are not worth keeping
            if context.given.results is not None:
                raise DataError(
                    f"the table of predictions has no numbers for any of {invalid} images that could be read"
                )
            raise ModelError(
                f"the model gives NaN or infinite outputs for all {invalid} images that could be read",
                "Check --preprocess and the weights of the model: without predictions there is nothing to audit.",
            )
        raise DataError(
            f"none of the {len(records)} images could be read; the first, {first['image_id']!r}: "
            f"{first['status_reason']}"
        )
    ties = attention.tie_to_objects(dataset, records, run, batch, explainer.grid, context.config.seed, context.groups)
    return records, ties


def _chosen(
    explainer: Explainer, dataset: Dataset, geometry: Geometry, config: AuditConfig, run: Run, progress: Progress
) -> Explainer:
    """The most faithful explainer on a sample; the choice is kept in the run, so that a resumed audit uses the same."""

    def sample() -> NDArray[np.float32]:
        positions = sampling.spread(dataset, faithfulness.SAMPLE, config.seed)
        return sampling.load_pixels(dataset, positions, geometry)[1]

    with progress.stage("Choosing method and layer", None):
        explainer, choice = faithfulness.resolve(
            explainer.model,
            AUTO,
            explainer.preprocess,
            config.seed,
            other_layers=config.layer == "auto",
            pixels=sample,
            known=run.read_json(CHOICE, _choice),
        )
    run.write_json(CHOICE, choice)
    for line in faithfulness.table_lines((choice or {}).get("table", [])):
        progress.detail(line)
    progress.detail(f"explained by {explainer.name} at {explainer.model.layer}")
    return explainer


def _choice(kept: dict[str, Any]) -> dict[str, Any]:
    if not all(isinstance(row, dict) for row in kept["table"]):
        raise TypeError("it holds no table")
    return {**kept, "method": str(kept["method"]), "layer": str(kept["layer"]), "images": int(kept["images"])}


def _deciding(thresholds: Thresholds) -> str:
    """The bounds by which an audit in stages decides what it measures; a resumed one must go on by the same."""
    return f"fdr {thresholds.fdr:g}, min_gap {thresholds.min_gap:g}, min_attract {thresholds.min_attract:g}"


def _place(given: str | Path | Url | None) -> Path | Url | None:
    return None if given is None else data_address(given)


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


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - start, 2)
