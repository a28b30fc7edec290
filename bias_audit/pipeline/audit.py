"""The audit, top to bottom: the one file that knows every stage."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import bias_audit
from bias_audit import stats
from bias_audit.checks.background import measure as experiments
from bias_audit.checks.background.photo_reliance import add_interventions
from bias_audit.checks.base import Context
from bias_audit.checks.base import Measured as CheckMeasured
from bias_audit.checks.data_leaks.measure import fingerprint
from bias_audit.checks.inputs.measure import check_preprocess
from bias_audit.checks.map_reliability.measure import check_reliability
from bias_audit.checks.mask_quality.measure import MaskQuality, check_masks, count_checked
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.recurring_cues import names
from bias_audit.checks.recurring_cues.measure import find_clusters
from bias_audit.checks.registry import CHECKS
from bias_audit.checks.strangers.measure import choose_strangers, meet, open_strangers, with_strangers
from bias_audit.config import AUTO_PREPROCESS, AuditConfig, Thresholds, configured
from bias_audit.data import sampling, sources
from bias_audit.data.batches import OK, Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.data.mask_estimates import AUTO as AUTO_MASKS
from bias_audit.data.preprocess import find_preprocess
from bias_audit.errors import ConfigError, DataError
from bias_audit.heatmaps import attention, faithfulness
from bias_audit.heatmaps.methods import AUTO, DEFAULT, Explainer, check_method
from bias_audit.models.base import check_model_path, load_model
from bias_audit.models.decoding import geometry_of
from bias_audit.models.segmenting import find_estimate, segmenter_hash
from bias_audit.pipeline import judge as rules
from bias_audit.pipeline import summaries
from bias_audit.pipeline.finish import Measured, conclude, finish
from bias_audit.pipeline.provenance import describe
from bias_audit.report import pictures
from bias_audit.run import tables
from bias_audit.run.folder import Run
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import AuditResult

Record = dict[str, Any]

CHOICE = "shards/faithfulness.json"
"""What `method = "auto"` chose, and by which scores."""


def audit(
    model: str | Path | Any,
    data: str | Path,
    *,
    masks: str | Path | None = None,
    boxes: str | Path | None = None,
    strangers: str | Path | None = None,
    cues: str | Path | None = None,
    train: str | Path | None = None,
    out: str | Path | None = None,
    class_map: str | Path | Mapping[str, Sequence[int]] | None = None,
    split: str | None = None,
    allow_outside: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    ignore: Sequence[str] = (),
    config: AuditConfig | None = None,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> AuditResult:
    """Audit a classifier on a test set and write the run folder.

    Args:
        model: path of a .keras or .h5 file or of a SavedModel folder, or a Keras model in memory.
        data: folder with one folder per class, or a CSV/Parquet table with columns image and label.
        masks: folder of foreground masks, same tree and stems as the images; "auto", where no folder is called so, is
            short for segmenter="auto".
        boxes: table with one row per box: image, x_min, y_min, x_max, y_max.
        strangers: folder of pictures of no class that the model knows, flat or with a folder per kind.
        cues: file with names of recurring cues, as `bias-audit name` writes it; None = cues.json beside the run folder,
            where there is one.
        train: folder of the training pictures, to find copies of test photos among them.
        out: run folder; None = a new temporary folder (`result.path`).
        class_map: JSON file or dict, class name -> output indices, where outputs and classes are not one to one.
        split: keep only rows of a table with this value in its column `split`.
        allow_outside: let a table name files outside its folder.
        resume, overwrite: continue an unfinished run; replace a finished one.
        ignore: rule codes that are not judged.
        config, thresholds: all settings; `options` are single fields of AuditConfig, for instance preprocess="signed".
        progress: what shows the progress; None = nothing.

    Returns:
        the result, with `.images`, `.classes`, `.findings` and `.verdict`.

    Raises:
        BiasAuditError: one clear sentence about the model, the data, an option or the run folder.
    """
    seconds: dict[str, float] = {}
    progress = progress or Progress(QUIET)
    config = configured(config, class_map, options)
    if masks is not None and str(masks) == AUTO_MASKS and not Path(masks).is_dir():
        masks, config = None, config.changed({"segmenter": config.segmenter or AUTO_MASKS})
    thresholds = thresholds or Thresholds()
    if unknown := sorted(set(ignore) - set(rules.RULES)):
        raise ConfigError(f"no rule {', '.join(unknown)} to ignore", f"Rules: {', '.join(rules.RULES)}.")
    check_method(config.method)
    run = Run(Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="bias-audit-")))
    run.check(resume=resume, overwrite=overwrite)
    if isinstance(model, str | Path):
        check_model_path(Path(model))
    dataset = _open(Path(data), masks, boxes, config, split=split, outside=allow_outside)
    clusters = _clusters(dataset, config.cluster)
    known_cues = _names(cues, run.path)
    trained = "" if train is None else fingerprint(Path(train))
    guests = None if strangers is None else open_strangers(Path(strangers))

    with progress.stage("Loading the model", None), _timed(seconds, "model"):
        loaded = load_model(model, config, dataset.class_names)
    config = config.changed({"batch_size": loaded.batch_size})  # a resumed run must take the same
    progress.detail(f"explained layer {loaded.layer}, grid {loaded.grid[0]}x{loaded.grid[1]}, head {loaded.head}")
    geometry = geometry_of(config, loaded.input_size)
    # A refusal of either comes before the run folder is made; the pixels may be chosen after it.
    estimate = find_estimate(config.segmenter, config.custom_objects)
    geometry = dataclasses.replace(geometry, estimate=estimate)
    name = "none" if config.preprocess == AUTO_PREPROCESS else config.preprocess
    preprocess = find_preprocess(name, geometry.channels)
    explainer = Explainer(loaded, DEFAULT if config.method == AUTO else config.method, preprocess, config.seed)
    key = {
        "options": config.digest(),
        "data": dataset.fingerprint(),
        "strangers": "" if guests is None else guests.fingerprint(),
        "training pictures": trained,
        "model": loaded.sha256,
        "segmenter": segmenter_hash(config.segmenter),
        "version": bias_audit.__version__,
    }
    run.start(key, resume=resume, overwrite=overwrite)
    with run.refusal_leaves_nothing(), progress.stage("Checking the preprocessing", None), _timed(seconds, "check"):
        checked = check_preprocess(config.preprocess, loaded, dataset, geometry, config.seed, run)
        explainer.preprocess = find_preprocess(checked.name, geometry.channels)
    if config.method == AUTO:
        with run.refusal_leaves_nothing(), _timed(seconds, "method"):
            explainer = _chosen(explainer, dataset, geometry, config, run, progress)

    with run.refusal_leaves_nothing(), _timed(seconds, "reliability"), progress.stage("Testing the maps", None):
        reliability = check_reliability(explainer, dataset, geometry, config.seed, run)

    quality: MaskQuality | None = None
    if config.segmenter is not None:
        with (
            run.refusal_leaves_nothing(),
            _timed(seconds, "masks"),
            progress.stage("Checking estimated masks", count_checked(dataset), "images") as advance,
        ):
            quality = check_masks(config.segmenter, dataset, geometry, config.seed, run, advance)

    total = len(dataset.samples)
    with run.refusal_leaves_nothing(), _timed(seconds, "attention"):
        with progress.stage("Predictions and heatmaps", total, "images") as advance:
            records = attention.attend(dataset, explainer, geometry, loaded.batch_size, run, advance)
        if not any(record["status"] == OK for record in records):
            first = records[0]
            raise DataError(
                f"none of the {total} images could be read; the first, {first['image_id']!r}: {first['status_reason']}"
            )
        ties = attention.tie_to_objects(dataset, records, run, loaded.batch_size, explainer.grid, config.seed)
    met: list[Record] = []
    guest_maps: dict[int, NDArray[np.float32]] = {}
    if guests is not None:
        with progress.stage("Strangers", len(guests.samples), "images") as advance, _timed(seconds, "strangers"):
            met, guest_maps = meet(guests, dataset.class_names, explainer, geometry, run, advance)
    with _timed(seconds, "interventions"):
        composites, examples, blank = experiments.intervene(
            dataset, records, clusters, explainer, geometry, config, run, progress
        )

    with _timed(seconds, "clusters"):
        found = find_clusters(dataset, records, explainer, geometry, config, run, progress)

    folder = None if train is None else Path(train)
    context = Context(dataset, records, clusters, explainer, geometry, config, thresholds, run, progress, folder)
    by_check: dict[str, CheckMeasured] = {}
    for check in (each for each in CHECKS if each.tables):  # the others measure nothing
        with _timed(seconds, check.name):
            by_check[check.name] = check.measure(context)

    with progress.stage("Tables and rules", None), _timed(seconds, "tables"):
        add_interventions(records, composites, dataset.class_names, blank)
        user = {name: [sample.columns[name] for sample in dataset.samples] for name in dataset.columns}
        images = summaries.images_table(records, user, min_images=stats.ENOUGH_FOR_OUTLIERS)
        strange = tables.table("strangers", met)
        measured = Measured(
            images=images,
            composites=composites,
            ties=ties,
            groups=clusters,
            clusters=tables.table("clusters", names.named(found["clusters"], found["spots"], known_cues)),
            cluster_spots=tables.table("cluster_spots", found["spots"]),
            no_clusters=found["reason"],
            strangers=strange,
            preprocess=checked,
            reliability=reliability,
            masks=quality,
            checks=by_check,
        )
        classes, outcomes = conclude(measured, dataset.class_names, thresholds, config.seed, ignore, run)
    with progress.stage("Report", None):
        shown = {}
        if guests is not None:
            shown = pictures.make_pictures(guests, choose_strangers(met), strange, guest_maps, geometry)
        _write_pictures(dataset, images, outcomes, examples, shown, found["pictures"], geometry, loaded.batch_size, run)
        given = (model, data, masks or boxes, dataset)
        info = describe(*given, explainer, records, config, thresholds, key, seconds, checked)
        info = with_strangers(info, strangers, met)
        return finish(run, info, classes, outcomes)


def _chosen(
    explainer: Explainer, dataset: Dataset, geometry: Geometry, config: AuditConfig, run: Run, progress: Progress
) -> Explainer:
    """The most faithful explainer on a sample; kept in the run, so that a resumed one explains as it began."""

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
            known=run.read_json(CHOICE),
        )
    run.write_json(CHOICE, choice)
    for line in faithfulness.table_lines((choice or {}).get("table", [])):
        progress.detail(line)
    progress.detail(f"explained by {explainer.name} at {explainer.model.layer}")
    return explainer


def _open(
    data: Path,
    masks: str | Path | None,
    boxes: str | Path | None,
    config: AuditConfig,
    *,
    split: str | None,
    outside: bool,
) -> Dataset:
    names = tuple(name for name, _ in config.class_map) if config.class_map else None
    dataset = sources.open_dataset(data, names, split=split, outside=outside)
    if len(dataset.class_names) < 2:
        raise DataError(
            f"{str(data)!r} has one class, {dataset.class_names[0]!r}; a classifier tells at least two apart",
            "Was one class folder given instead of the folder above it?",
        )
    if masks is not None:
        dataset = sources.attach_masks(dataset, Path(masks))
    if boxes is not None:
        dataset = sources.attach_boxes(dataset, Path(boxes))
    return dataset


def _names(file: str | Path | None, run: Path) -> list[Record]:
    """Names that reviewers gave to cues of these data, from the file given or from the one beside the run."""
    if file is not None and not Path(file).is_file():
        raise ConfigError(f"no file of names at {str(file)!r}", "bias-audit name RUN CLUSTER NAME writes one.")
    return names.read_names(Path(file) if file is not None else run.absolute().parent / names.FILE)


def _clusters(dataset: Dataset, column: str | None) -> NDArray[np.intp] | None:
    """Group code per sample, or None where no column groups them."""
    if column is None:
        return None
    if column not in dataset.columns:
        known = (
            f"Columns: {', '.join(dataset.columns)}." if dataset.columns else "Give the data as a table with columns."
        )
        raise ConfigError(f"the data have no column {column!r} to group photos by", known)
    return stats.cluster_codes(pd.Series([sample.columns[column] for sample in dataset.samples]))


def _write_pictures(
    dataset: Dataset,
    images: pd.DataFrame,
    outcomes: Sequence[RuleOutcome],
    examples: Mapping[str, list[Record]],
    strangers: Mapping[str, Record],
    sheets: Mapping[str, Record],
    geometry: Geometry,
    batch_size: int,
    run: Run,
) -> None:
    places = {sample.image_id: position for position, sample in enumerate(dataset.samples)}
    composites = pictures.composites_to_show(examples, outcomes)
    positions = [places[image_id] for image_id in pictures.choose_pictures(images, outcomes, composites)]
    maps = attention.read_maps(run, batch_size, positions)
    shown = pictures.make_pictures(dataset, positions, images, maps, geometry)
    kept = {"images": shown, "composites": composites, "strangers": strangers, "clusters": sheets}
    run.write_json("pictures.json", kept)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - start, 2)
