"""The function `repair`: what a run proved, taken out of the model's last layer, and the proof; from top to bottom."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bias_audit
from bias_audit.config import AuditConfig
from bias_audit.data import sources
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.data.mask_estimates import AUTO
from bias_audit.data.preprocess import find_preprocess
from bias_audit.data.sources.attach import attach_boxes, attach_masks, table_of_boxes
from bias_audit.data.trees import is_tree
from bias_audit.errors import ConfigError, DataError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.interventions.erase_and_paste import Predict
from bias_audit.models.base import Array, LastLayer, Linear
from bias_audit.models.decoding import geometry_of
from bias_audit.models.doors import check_model, load_model
from bias_audit.models.last_layer import last_layer, read_logits
from bias_audit.models.segmenters.loading import find_estimate
from bias_audit.pipeline import outlines
from bias_audit.pipeline.audit import audit
from bias_audit.pipeline.audited_photos import AuditedPhotos
from bias_audit.pipeline.open_data import group_codes, reading_of
from bias_audit.pipeline.reopen import allowed_config, dataset_of
from bias_audit.pipeline.rescore import thresholds_of
from bias_audit.repair import begun, composites, heads, page, regions
from bias_audit.repair.evidence import EVERYTHING, Proven, proven
from bias_audit.repair.features import features_of
from bias_audit.repair.proof import NOTHING, prove
from bias_audit.repair.refit import Pictures, Refit, fits, refit, refuse_too_few
from bias_audit.repair.result import Made, Repair
from bias_audit.repair.retest import retest
from bias_audit.repair.run_photos import RunPhotos, run_photos
from bias_audit.repair.training import MOST_PHOTOS, Photos, read_photos
from bias_audit.repair.writing import (
    check_target,
    sha256_of,
    to_audit,
    write_layer,
    write_model,
)
from bias_audit.run.atomic import write_atomically
from bias_audit.run.digests import digest_of
from bias_audit.run.json_values import plain
from bias_audit.run.lock import gives_back
from bias_audit.run.notebook_progress import usual
from bias_audit.run.progress import Progress
from bias_audit.run.result import AuditResult, load

RUNS = {"control": "control", "after": "repaired"}
"""What a run is called -> its folder."""


@gives_back
def repair(
    run: str | Path | AuditResult,
    model: str | Path | Any,
    train: str | Path | Url,
    masks: str | Path | Url | None = None,
    *,
    boxes: str | Path | None = None,
    out: str | Path | None = None,
    export: str | Path | None = None,
    report: str | Path | None = None,
    force: bool = False,
    allow_outside: bool = False,
    config: AuditConfig | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Repair:
    """Refit the last layer of an audited model on changed training photos, and prove what that did.

    Args:
        run: the finished run, or its folder.
        model: the model that was audited: as of `audit`.
        train: the photos that it was trained on, in the classes of the run; as `data` of `audit`.
        masks: foreground masks of these; without masks and boxes objects are estimated.
        boxes: table of boxes of these.
        out: file of the repaired model, of the same format; nothing may lie there. None = MODEL-repaired beside the
            report, unless `export` is given.
        export: .npz file for the weights and bias of the refitted layer.
        report: folder of the two audits and the page; None = RUN-repaired beside the run. One that was begun is
            continued.
        force: refit although nothing is proven, against backgrounds.
        allow_outside: let a table name files outside its folder.
        config: settings that name the user's own modules, where the run was made with some; and the limits.
        progress: display of the progress; None = a bar in a notebook, and nothing elsewhere.
        how: how the training photos are read, fields of `SourceOptions`.

    Returns:
        the repair, with `.model`, `.run`, `.verdict` and `.table()`.

    Raises:
        BiasAuditError: one clear sentence about the run, the model, the photos or a file.
    """
    progress = progress or usual()
    before = run if isinstance(run, AuditResult) else load(run)
    found = proven(before)
    if not found and not force:
        return Repair(before, NOTHING, _nothing(found, before))
    found = found or EVERYTHING
    allowed = config or AuditConfig()
    settings = allowed_config(before, allowed)
    refuse_what_a_run_names(before, settings, allowed)
    if isinstance(model, str | Path):
        check_model(model)
    with progress.stage("Loading the model", None):
        loaded = load_model(model, settings, before.info.class_names)
    if loaded.sha256 != before.info.model_sha256:
        raise ConfigError(
            f"{str(model)!r} is not the model of {str(before.path)!r}, which is {before.info.model!r}",
            "Give the model that was audited, or audit this one first.",
        )
    last = last_layer(loaded)
    layout = heads.layout_of(last.head, len(before.info.class_names))
    folder = Path(report) if report is not None else before.path.absolute().with_name(f"{before.path.name}-repaired")
    target, exported = _targets(out, export, folder, model, last)
    check_target(target, exported, last)

    geometry = geometry_of(settings, loaded.input_size)
    seen = settings.changed({"segmenter": allowed.segmenter or settings.segmenter})
    dataset, geometry = _opened(train, masks, boxes, before, seen, geometry, how, outside=allow_outside)
    groups = group_codes(dataset, settings.group_by) if settings.group_by in dataset.columns else None
    begun.open_folder(folder)
    known = run_photos(before)
    with progress.stage("Reading training photos", min(len(dataset.samples), MOST_PHOTOS), "photos") as advance:
        photos = read_photos(
            dataset, geometry, known, groups, seed=settings.seed, folder=folder, backgrounds=found.backgrounds,
            advance=advance,
        )  # fmt: skip
    notes = _notes(photos, found, before, known)
    for note in notes:
        progress.note(note)
    explainer = Explainer(
        loaded, settings.method, find_preprocess(settings.preprocess, geometry.channels), settings.seed
    )
    wanted = regions.wanted(found, photos, explainer, before, progress)
    folds = composites.folds_of(photos, settings.seed)
    refuse_too_few(photos.labels, folds)
    pictures = composites.planned(photos, wanted, folds, len(before.info.class_names), settings.seed)
    if all(each.kind == composites.ORIGINAL for each in pictures):
        raise DataError(
            f"nothing in the training photos can be changed against {found.said}",
            "Give masks of their objects with --train-masks, or boxes with --train-boxes."
            if found.backgrounds
            else "Its heatmaps point at nothing on them; collect photos without it instead.",
        )
    key = digest_of(
        "\n".join(
            (loaded.sha256, composites.digest_of(pictures, photos), settings.digest(), bias_audit.__version__)
        ).encode()
    )
    going_on = begun.begin(folder, key, target, exported)

    def compute(start: int) -> Iterator[tuple[int, Array]]:
        for place, pixels in composites.drawn(pictures[start:], photos, wanted, loaded.batch_size):
            yield start + place, last.features(explainer.preprocess(pixels))

    with progress.stage("Features", len(pictures), "pictures") as advance:
        table = features_of(folder, key, len(pictures), len(last.linear.weights), compute, advance)
    made, control = _refitted(pictures, table, folds, last, layout, len(before.info.class_names), progress)

    with progress.stage("Writing the model", None):
        if exported is not None and not (going_on and exported.exists()):
            write_layer(made.linear, exported)
        sha = "" if target is None else _written(last, made, target, folder, going_on)
        ending = target.suffix if target is not None else next(iter(last.endings), None)
        control_file = None if ending is None else folder / f"control{ending}"
        if control_file is not None:
            control_file.unlink(missing_ok=True)
            write_model(last, control.linear, control_file, folder)
        repaired_file = target
        if target is None and ending is not None:
            repaired_file = folder / f"repaired{ending}"
            repaired_file.unlink(missing_ok=True)
            sha = write_model(last, made.linear, repaired_file, folder)
    begun.note(folder, key, target, exported, sha)
    audited = {"control": (control_file, control), "after": (repaired_file, made)}
    done = {
        name: _audited(
            before, to_audit(model, file, last, fit.linear), folder / RUNS[name], settings, allow_outside, progress
        )
        for name, (file, fit) in audited.items()
    }
    for file in (control_file, repaired_file):
        if file is not None and file != target:
            file.unlink(missing_ok=True)
    with progress.stage("Testing again what convicted", None):
        layers = {"before": last.linear, "control": control.linear, "after": made.linear}
        audited_photos = AuditedPhotos(
            before, dataset_of(before, outside=allow_outside, limits=settings.limits), settings, loaded.input_size
        )
        models = {name: _predicts(last, linear, explainer) for name, linear in layers.items()}
        tested = retest(
            before, found.findings, audited_photos, models, thresholds_of(before), batch=loaded.batch_size,
            seed=settings.seed,
        )  # fmt: skip
    with progress.stage("Report", None):
        proof = prove(before, done["control"], done["after"], tested, found.legitimate)
        about = Made(
            target, exported, found.said, last.path, dict(_counted(pictures)), made.strength, made.temperature,
            control.strength, tuple(notes),
        )  # fmt: skip
        result = Repair(before, proof.verdict, proof.sentence, proof, about, folder)
        write_atomically(folder / begun.PAGE, page.page_of(result), begun.HINT)
        # Last: its presence means that the repair is complete.
        write_atomically(folder / begun.CONTENT, json.dumps(plain(result.content()), indent=1).encode(), begun.HINT)
        for name in ("features.f32", "features.json", begun.STARTED):
            (folder / name).unlink(missing_ok=True)
    return result


def refuse_what_a_run_names(before: AuditResult, settings: AuditConfig, allowed: AuditConfig) -> None:
    """Refuse a segmenter that only the run names, and data that lie elsewhere: a run may come from somebody else.

    Raises:
        ConfigError: one of these.
    """
    used = settings.segmenter
    if used not in (None, AUTO) and allowed.segmenter != used:
        raise ConfigError(
            f"{str(before.path)!r} was made with the segmenter {used!r}, which a run folder cannot ask for",
            f"If you trust it, name it: --segmenter {used}.",
        )
    for place in (before.info.data, before.info.masks, before.info.backgrounds, before.info.strangers):
        if place is not None and isinstance(data_address(place), Url):
            raise ConfigError(
                f"the photos of {str(before.path)!r} lie at {place!r}, and no server is asked because a run names it",
                "Audit a copy of them on this machine, and repair that run.",
            )


def _nothing(found: Proven, before: AuditResult) -> str:
    if found.legitimate:
        names = ", ".join(f"{each.code} {each.subject}".strip() for each in found.legitimate[:3])
        return f"Nothing to repair: reviewers called what was proven legitimate context ({names})."
    return (
        f"Nothing to repair: {str(before.path)!r} has no proven reliance (no finding above WATCH of BA201, BA207, "
        "BA301, BA302 or BA303)."
    )


def _targets(
    out: str | Path | None, export: str | Path | None, folder: Path, model: Any, last: LastLayer
) -> tuple[Path | None, Path | None]:
    """Files of the model and of the layer; without both, a file beside the report."""
    target, exported = (None if each is None else Path(each) for each in (out, export))
    if target is None and exported is None and last.endings:
        target = folder.with_name(f"{folder.name}{last.endings[0]}")
    return target, exported


def _opened(
    train: str | Path | Url,
    masks: str | Path | Url | None,
    boxes: str | Path | None,
    before: AuditResult,
    config: AuditConfig,
    geometry: Geometry,
    how: dict[str, Any],
    *,
    outside: bool,
) -> tuple[Dataset, Geometry]:
    """The training photos with the classes of the run, and how they are read."""
    masks, config = outlines.named(masks, config)
    options = reading_of({name: value for name, value in how.items() if value is not None}, config, outside=outside)
    if options.group_by is not None:  # training photos need not know what groups the photos of the run
        options = dataclasses.replace(options, group_by=None)
    dataset = sources.open_dataset(data_address(train), before.info.class_names, options)
    if masks is not None:
        dataset = attach_masks(dataset, data_address(masks), options.reach)
    if boxes is not None:
        dataset = attach_boxes(dataset, table_of_boxes(boxes), config.limits.columns)
    config = outlines.settled(config, dataset)
    estimate = find_estimate(config.segmenter, config.custom_objects, config.limits)
    return dataset, dataclasses.replace(geometry, estimate=estimate)


def _written(last: LastLayer, made: Refit, target: Path, folder: Path, going_on: bool) -> str:
    """SHA-256 of the repaired model, written unless an earlier call did; only what that wrote is kept."""
    if going_on and target.exists():
        return sha256_of(target)
    return write_model(last, made.linear, target, folder)


def _notes(photos: Photos, found: Proven, before: AuditResult, known: RunPhotos) -> list[str]:
    notes = [f"Against {found.said}: {len(photos.samples):,} training photos."]
    if photos.tested:
        notes.append(f"{photos.tested:,} training photos are photos of the run, and were left out.")
    if photos.near:
        told = "training photos are near copies of photos of the run (re-encoded, resized)"
        notes.append(f"{photos.near:,} {told}, and were left out.")
    if known.signs is None:
        notes.append("Near copies of photos of the run were not looked for: its `shards` with their hashes are gone.")
    if photos.unread:
        notes.append(f"{photos.unread:,} training photos could not be read.")
    if photos.left:
        notes.append(f"{photos.left:,} training photos were left out: {MOST_PHOTOS:,} are enough for a last layer.")
    if photos.estimated:
        notes.append(f"The objects of {photos.estimated:,} training photos are estimated: nobody drew a mask of them.")
    if found.legitimate:
        names = ", ".join(dict.fromkeys(f"{each.code} {each.subject}".strip() for each in found.legitimate))
        notes.append(f"Left out, since reviewers called it legitimate context: {names}.")
    if found.backgrounds and (without := _without(photos, before.info.class_names)):
        notes.append(f"No object of {', '.join(without)} can be cut out, so these photos stay as they are.")
    return notes


def _without(photos: Photos, names: tuple[str, ...]) -> list[str]:
    usable = set(map(int, photos.labels[photos.usable]))
    return [name for label, name in enumerate(names) if label not in usable]


def _refitted(
    pictures: list[composites.Picture],
    table: NDArray[np.float32],
    folds: NDArray[np.intp],
    last: LastLayer,
    layout: heads.Layout,
    classes: int,
    progress: Progress,
) -> tuple[Refit, Refit]:
    """The refit, and the same on the photos as they are."""
    every = Pictures(
        table,
        np.array([each.label for each in pictures], np.intp),
        composites.groups_of(pictures, classes),
        folds[[each.photo for each in pictures]],
        composites.weights_of(pictures),
        np.array([each.kind == composites.ORIGINAL for each in pictures]),
    )
    originals = dataclasses.replace(every.part(every.real), weights=np.ones(int(every.real.sum())))
    with progress.stage("Refitting the last layer", fits(every) + fits(originals), "fits") as advance:
        return refit(every, last.linear, layout, advance), refit(originals, last.linear, layout, advance)


def _predicts(last: LastLayer, linear: Linear, explainer: Explainer) -> Predict:
    """The predictions of the model with other weights in its last layer."""
    return lambda pixels: read_logits(last.head, linear.logits(last.features(explainer.preprocess(pixels))))


def _counted(pictures: list[composites.Picture]) -> Iterator[tuple[str, int]]:
    for kind in composites.SHARES:
        if count := sum(each.kind == kind for each in pictures):
            yield kind, count


def _audited(
    before: AuditResult, model: Any, folder: Path, config: AuditConfig, outside: bool, progress: Progress
) -> AuditResult:
    """Audit a model as the run was audited; one that is finished is read, one that was begun is continued."""
    if (folder / "audit.json").exists():
        return load(folder)
    info = before.info
    masks, boxes = None, None
    if info.masks is not None:
        masks, boxes = (info.masks, None) if is_tree(data_address(info.masks)) else (None, info.masks)
    config = config.changed({"thorough": True})  # a class that is given up early is not read on the second fill
    if config.segmenter is None and info.masks is None:
        config = config.changed({"segmenter": outlines.NONE})
    return audit(
        model, data_address(info.data), masks=masks, boxes=boxes,
        backgrounds=None if info.backgrounds is None else data_address(info.backgrounds),
        strangers=None if info.strangers is None else data_address(info.strangers),
        out=folder, allow_outside=outside, resume=folder.exists(),
        ignore=sorted({each.code for each in before.outcomes if each.ignored}),
        config=config, thresholds=thresholds_of(before), progress=progress,
        **info.data_options,
    )  # fmt: skip
