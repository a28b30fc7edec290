"""What an audit does before its first photo passes the model: settings, data, model, run folder, and what is chosen."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

import bias_audit
from bias_audit.checks import registry
from bias_audit.checks.base import Check, Context, Given, Measured, Stage
from bias_audit.checks.installed import versions
from bias_audit.config import AUTO_PREPROCESS, AuditConfig, Thresholds, configured
from bias_audit.data import sampling
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.contents import Contents
from bias_audit.data.in_memory.keeping import Given as InMemory
from bias_audit.data.preprocess import find_preprocess
from bias_audit.heatmaps import faithfulness
from bias_audit.heatmaps.methods import AUTO, DEFAULT, METHODS, Explainer, check_method
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import check_model, load_model
from bias_audit.models.segmenters.loading import check_segmenter, find_estimate, segmenter_hash
from bias_audit.models.trained_with import settled
from bias_audit.pipeline import agreed, beforehand, changes, in_memory, outlines, results
from bias_audit.pipeline.judge import refuse_unknown
from bias_audit.pipeline.mistaken import refuse_swapped
from bias_audit.pipeline.open_data import group_codes, open_data, reading_of
from bias_audit.pipeline.options import AuditOptions, sorted_out
from bias_audit.run.folder import Run
from bias_audit.run.notebook_progress import usual
from bias_audit.run.progress import Progress

CHOICE = "shards/faithfulness.json"
"""File of the run that keeps the method and layer chosen by `method = "auto"`, with their scores."""


@dataclass
class Prepared:
    """An audit whose photos are about to pass the model.

    Attributes:
        context: what checks measure with; there are no records of photos yet.
        checks: all checks.
        measured: name of each check that has measured -> what it measured.
        seconds: name of each stage or check that is done -> the seconds that it took.
        ready: predictions that were made elsewhere, in the place of a model; None = the model is asked.
        places: name of `agreed.PLACES` -> where it lies; photos in memory lie where they were put.
        reading: how the data are read, see `SourceOptions.kept`.
        fingerprint: hash of the data, see `Dataset.fingerprint`.
        contents: what the files of the photos hold, and which have changed since they were first read.
        ignore: codes of rules that are not judged.
    """

    context: Context
    checks: Sequence[Check]
    seconds: dict[str, float]
    ready: results.Ready | None
    places: Mapping[str, Any]
    reading: Mapping[str, Any]
    fingerprint: str
    contents: Contents
    ignore: Sequence[str]
    measured: dict[str, Measured] = field(default_factory=dict)

    def measure(self, stage: Stage) -> None:
        """Let the checks of a stage measure."""
        for check in (each for each in self.checks if each.stage == stage):
            with timed(self.seconds, check.name):
                self.measured[check.name] = check.measure(self.context)

    @property
    def settled(self) -> dict[str, str]:
        """Name of each setting that was left to a check -> what the check chose."""
        return {name: value for check in self.measured.values() for name, value in check.settles.items()}


def prepare(
    model: str | Path | Any,
    data: str | Path | Any,
    *,
    share: str = "",
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
    **options: Unpack[AuditOptions],
) -> Prepared:
    """Read and check all that an audit is given, load the model, and start the run or continue it.

    Args:
        share: what this process does where others fill the run as well, each with a share of the photos, see `Run`;
            "" = it passes all of them.

    All other arguments, and the errors, are those of `audit`.
    """
    seconds: dict[str, float] = {}
    progress = progress or usual()
    checks = registry.every()
    fields, how, extra = sorted_out(options)
    config = configured(config, class_map, fields).with_extra(extra)
    drawn, masks = (None, masks) if masks is None or in_memory.on_disk(masks) else (masks, None)
    masks, config = outlines.named(masks, config)
    thresholds = thresholds or Thresholds()
    refuse_unknown(ignore)
    _check_names(config)
    reading = reading_of(how, config, outside=allow_outside)
    if share:
        agreed.refuse(model, data, predictions, overwrite=overwrite)
        resume = True
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="bias-audit-"))
    run = Run(folder, progress.note, share=share)
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
    with progress.stage(what, None), timed(seconds, "model"):
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
    named = (model if ready is None else predictions, data, masks, boxes, backgrounds, strangers, train, cues)
    places = dict(zip(agreed.PLACES, named, strict=True))
    if share:
        agreed.begin(run, config, thresholds, key, places, reading.kept(), ignore, len(dataset.samples))
    run.start(key, resume=resume, overwrite=overwrite)
    in_memory.drop_others(data, kept, run)
    contents = changes.watched(dataset, run)
    geometry = dataclasses.replace(geometry, contents=contents)
    context = Context(dataset, (), groups, explainer, geometry, config, thresholds, run, progress, given, estimate)
    return Prepared(context, checks, seconds, ready, places, reading.kept(), key["data"], contents, ignore)


def choose(audit: Prepared) -> None:
    """Try the segmenter out, and choose what was left to the audit: preprocessing, method and layer.

    Raises:
        BiasAuditError: the segmenter does not work, or nothing can be chosen.
    """
    outlines.try_out(audit.context)
    audit.measure("input")
    context, explainer = audit.context, audit.context.explainer
    explainer.preprocess = find_preprocess(audit.settled["preprocess"], context.geometry.channels)
    if context.config.method == AUTO:
        with timed(audit.seconds, "method"):
            audit.context = dataclasses.replace(context, explainer=_chosen(context))


def _chosen(context: Context) -> Explainer:
    """The most faithful explainer on a sample; the choice is kept in the run, so that a resumed audit uses the same."""
    explainer, config, run, progress = context.explainer, context.config, context.run, context.progress

    def sample() -> NDArray[np.float32]:
        positions = sampling.spread(context.dataset, faithfulness.SAMPLE, config.seed)
        return sampling.load_pixels(context.dataset, positions, context.geometry)[1]

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
    if kept["table"] and kept["method"] not in METHODS:  # a run folder names no module to import
        raise ValueError(f"it names the method {kept['method']!r}")
    return {**kept, "method": str(kept["method"]), "layer": str(kept["layer"]), "images": int(kept["images"])}


def _deciding(thresholds: Thresholds) -> str:
    """The bounds by which an audit in stages decides what it measures; a resumed one must go on by the same."""
    return f"fdr {thresholds.fdr:g}, min_gap {thresholds.min_gap:g}, min_attract {thresholds.min_attract:g}"


def _place(given: str | Path | Url | None) -> Path | Url | None:
    return None if given is None else data_address(given)


def _check_names(config: AuditConfig) -> None:
    """Refuse names of methods, segmenters and preprocessings that nobody knows, before anything is read."""
    check_method(config.method)
    if config.segmenter is not None and config.segmenter != outlines.NONE:
        check_segmenter(config.segmenter)
    if config.preprocess != AUTO_PREPROCESS:
        find_preprocess(config.preprocess, channels=3)


@contextlib.contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Context whose wall-clock seconds are kept under the name of a stage."""
    start = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - start, 2)
