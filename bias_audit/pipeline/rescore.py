"""The command `bias-audit rescore`: a finished run is scored and judged again, with other masks or thresholds.

Nothing here runs the model. Effects of composites (gaps, background-only accuracy, cue effects), recurring cues,
whole-photo cues and leaks are kept as measured, and the new run says with which masks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bias_audit import stats
from bias_audit.checks import registry
from bias_audit.checks.thresholds import MEANINGS, Thresholds, of_run
from bias_audit.config import read_config
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset
from bias_audit.data.remote.reach import Reach
from bias_audit.data.sources.attach import attach_masks
from bias_audit.errors import ConfigError, DataError, ResultError
from bias_audit.files.text import read_toml
from bias_audit.heatmaps import attention
from bias_audit.limits.bounds import Limits
from bias_audit.models.decoding import geometry_of
from bias_audit.pipeline import outlines, summaries
from bias_audit.pipeline.finish import check_pictures, conclude, finish
from bias_audit.pipeline.judge import refuse_unknown
from bias_audit.pipeline.provenance import renewed
from bias_audit.pipeline.remask import Rescored, only_masks, rescore_shards
from bias_audit.pipeline.reopen import config_of, dataset_of
from bias_audit.report import pictures
from bias_audit.review.decisions import FILE as DECISIONS
from bias_audit.run import versions
from bias_audit.run.digests import verified
from bias_audit.run.folder import SHARDS, Run
from bias_audit.run.lock import gives_back
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import AuditResult, load
from bias_audit.run.statuses import DONE_BEFORE


@gives_back
def rescore(
    folder: str | Path,
    *,
    masks: str | Path | None = None,
    thresholds: Thresholds | None = None,
    out: str | Path | None = None,
    ignore: Sequence[str] = (),
    overwrite: bool = False,
    allow_outside: bool = False,
    limits: Limits | Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> AuditResult:
    """Score a finished run again, and write the result as a new run.

    Args:
        folder: the finished run; it is not changed.
        masks: folder of new or corrected masks, same tree and stems as the images. Images without a mask there keep the
            scores of their earlier mask. None = all images do.
        thresholds: bounds of the rules; None = those of the run.
        out: new run folder; None = FOLDER-rescored beside the run.
        ignore: codes of rules that are not judged, beside those that the run ignored.
        overwrite: replace a run that is in `out`.
        allow_outside: let a table name files outside its folder; what was allowed for the run does not count.
        limits: what a file may cost, name -> number; None = the defaults, whatever the run was made with.
        progress: display of the progress; None = nothing is shown.

    Returns:
        the new run.

    Raises:
        BiasAuditError: the run is unfinished or has no shards, the data have changed, or the folder of masks is wrong.
    """
    progress = progress or Progress(QUIET)
    refuse_unknown(ignore)
    old = load(folder)
    target = Path(out) if out is not None else old.path.with_name(f"{old.path.name}-rescored")
    if target.resolve() == old.path.resolve():
        raise ConfigError(
            f"{str(target)!r} is the run itself: a rescored run lies beside the one it comes from",
            "Name another folder with --out.",
        )
    checks = registry.of_run(old.path)
    run, before = Run(target), Run(old.path)
    run.check(resume=False, overwrite=overwrite)
    config = config_of(old.info).changed({"limits": limits})
    thresholds = thresholds or thresholds_of(old)
    geometry = geometry_of(config, old.info.input_size)
    unmasked = dataclasses.replace(old, info=dataclasses.replace(old.info, masks=None))
    dataset = dataset_of(unmasked, outside=allow_outside, limits=config.limits)
    corrected = only_masks(dataset)
    if masks is not None:
        corrected = attach_masks(corrected, Path(masks), Reach(fetch=False, limits=config.limits))
    batch = config.batch_size
    if batch is None:  # an audit always writes it
        raise ResultError(f"{str(old.path)!r} does not say in which batches it was made", "Audit the data again.")
    _verify(old)
    measured = {check.name: check.recall(old) for check in checks}
    run.start({"rescored from": str(old.path)}, resume=False, overwrite=overwrite)
    with _whole(run):
        with progress.stage("Scoring heatmaps again", len(dataset.samples), "images") as advance:
            scored = rescore_shards(corrected, geometry, batch, before, run, advance)
        _carry(before, run)
        outlines.fill_in(scored.records, outlines.stored(before) or {})
        for record, status, reason in zip(
            scored.records, old.images["reread_status"], old.images["reread_reason"], strict=True
        ):
            record["reread_status"], record["reread_reason"] = status, reason
        groups = stats.group_codes(old.images[config.group_by]) if config.group_by else None
        ties = attention.tie_to_objects(dataset, scored.records, run, batch, old.info.grid, config.seed, groups)
        with progress.stage("Tables and rules", None):
            user = {name: [sample.columns[name] for sample in dataset.samples] for name in dataset.columns}
            photos, classes = summaries.summarise(
                scored.records, user, dataset.class_names, measured, thresholds, config.seed,
                groups=groups, ties=ties, remasked=scored.changed,
            )  # fmt: skip
            ignored = {*ignore, *(outcome.code for outcome in old.outcomes if outcome.ignored)}
            outcomes = conclude(photos, classes, measured, sorted(ignored), run, checks)
        with progress.stage("Report", None):
            drawn = _outlined(old, dataset, corrected, allow_outside, config.limits)
            shown = check_pictures(checks, measured, outcomes)
            _write_pictures(drawn, scored, photos.images, outcomes, shown, geometry, batch, run, before)
            info = renewed(
                old.info, old.images, photos.images, dataset, config, thresholds,
                _covering(scored, masks), _note(old, scored, photos.images, masks),
            )  # fmt: skip
            return finish(run, info, classes, outcomes)


@contextlib.contextmanager
def _whole(run: Run) -> Iterator[None]:
    """Context that deletes the new run if anything fails; it is made in seconds, so there is nothing to resume."""
    try:
        yield
    except BaseException:
        run.discard()
        raise


def thresholds_of(result: AuditResult, file: Path | None = None, single: Mapping[str, str] | None = None) -> Thresholds:
    """Thresholds of a run, overridden by those of a TOML file and then by single ones.

    Args:
        result: the finished run.
        file: TOML file with a table [thresholds]; its table [audit] needs the model and is not applied.
        single: name of a threshold -> number as text.

    Raises:
        ConfigError: a name is unknown, a value is no number or out of its range, or the file cannot be read.
        ResultError: a value of the run is out of its range, and nothing replaces it.
    """
    # Not checked yet: one that means nothing may be what the user is about to replace.
    values = {name: value for name, value in result.info.thresholds.items() if name in MEANINGS}
    if file is not None:
        _, given = read_config(file, registry.settings_of_others())
        named = read_toml(file, ConfigError, "the configuration").get("thresholds", {})
        values |= {name: getattr(given, name) for name in named}
    for name, text in (single or {}).items():
        if name not in MEANINGS:
            raise ConfigError(f"no threshold {name!r}", f"Thresholds: {', '.join(sorted(MEANINGS))}.")
        kind = type(getattr(Thresholds(), name))
        try:
            values[name] = kind(text)
        except ValueError as error:
            raise ConfigError(f"the threshold {name} takes a number ({kind.__name__}), got {text!r}") from error
    return of_run(values, str(result.path)) if file is None and not single else Thresholds(**values)


def _json(run: Run, name: str) -> dict[str, Any]:
    return run.read_json(name, dict) or {}


def _verify(old: AuditResult) -> None:
    """Check that the shards are those that the run wrote; one that is missing must not look like one never made."""
    folder = old.path / SHARDS
    try:
        there = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
    except OSError:  # the heatmaps in it are missed first, and told
        return
    if old.shards is not None:
        for name in sorted(there | set(old.shards)):
            verified(folder / name, old.shards)


def _carry(before: Run, run: Run) -> None:
    """Copy into the new run the shards that only the model can make, and the decisions of reviewers."""
    shards = before.path / SHARDS
    try:
        for file in sorted(shards.iterdir()):
            if file.name.startswith(("maps-", ".")):
                continue
            if file.suffix in (".npz", ".json"):  # a damaged piece is told, not handed on
                (before.read_arrays if file.suffix == ".npz" else before.read_json)(f"{SHARDS}/{file.name}")
            shutil.copy2(file, run.path / SHARDS / versions.SHARDS.get(file.name, file.name))
    except OSError as error:
        hint = "Free space, or audit the data again."
        raise ResultError(f"cannot copy {str(error.filename or shards)!r}: {error.strerror}", hint) from error
    decided = before.path / DECISIONS
    if decided.is_file() and not (run.path / DECISIONS).exists():
        # Not a copy of the file: a review server may be writing into it.
        one, two = (
            sqlite3.connect(f"{decided.resolve().as_uri()}?mode=ro", uri=True),
            sqlite3.connect(run.path / DECISIONS),
        )
        with contextlib.closing(one), contextlib.closing(two):
            one.backup(two)


def _covering(scored: Rescored, masks: str | Path | None) -> Path | None:
    """The folder of new masks, where it has a mask for every image with a drawn mask or box; else None."""
    if masks is None:
        return None
    used = sum(record.get("mask_kind") in ("mask", "box") for record in scored.records)
    return Path(masks) if scored.given == used else None


def _note(old: AuditResult, scored: Rescored, images: pd.DataFrame, masks: str | Path | None) -> str:
    said = f"Scored again without the model, from the run {str(old.path)!r}."
    if masks is None:
        return f"{said} Masks are those of that run."
    stale = int((images["intervention_status"] == DONE_BEFORE).sum())
    said += (
        f" {scored.given} images have a mask in {str(masks)!r}, {len(scored.changed)} of them another one than before."
    )
    if not scored.changed:
        return said
    return (
        f"{said} Attention is scored with the new masks. Gaps and everything else that composites measured, recurring "
        f"cues, whole-photo cues and leaks are as measured with the masks of before ({stale} of the changed images had "
        "composites): audit again with the model to renew them."
    )


def _outlined(old: AuditResult, dataset: Dataset, corrected: Dataset, outside: bool, limits: Limits) -> Dataset:
    """The data set with masks for outlines: the new mask of each image, else its earlier mask if that still exists."""
    with contextlib.suppress(DataError):  # the folder of masks may be gone, which costs outlines and no number
        dataset = dataset_of(old, outside=outside, limits=limits)
    pairs = zip(dataset.samples, corrected.samples, strict=True)
    samples = tuple(new if new.outlined else sample for sample, new in pairs)
    return dataclasses.replace(dataset, samples=samples)


def _write_pictures(
    dataset: Dataset,
    scored: Rescored,
    images: pd.DataFrame,
    outcomes: Sequence[Any],
    shown: Mapping[str, Any],
    geometry: Geometry,
    batch: int,
    run: Run,
    before: Run,
) -> None:
    """Write pictures.json: earlier pictures are kept; pictures with a new mask, and newly chosen ones, are made."""
    stored = versions.renamed(_json(before, "pictures.json"), versions.PICTURES)
    changed = {str(images.index[position]) for position in scored.changed}
    known = {name: each for name, each in (stored.get("images") or {}).items() if name not in changed}
    chosen = pictures.choose_pictures(images, outcomes, shown["composites"])
    places = {sample.image_id: position for position, sample in enumerate(dataset.samples)}
    positions = [places[image_id] for image_id in chosen if image_id not in known]
    maps = attention.read_maps(run, batch, positions)
    # A thumbnail is no input: OpenCV draws it, whatever decoder the model was given pictures by.
    plain, explained = dataclasses.replace(geometry, decoder=None), attention.explained_instead(scored.records)
    made = pictures.make_pictures(dataset, positions, images, maps, plain, explained)
    thumbnails = {name: known.get(name) or made[name] for name in chosen if name in known or name in made}
    run.write_json("pictures.json", {**stored, **shown, "images": thumbnails})
