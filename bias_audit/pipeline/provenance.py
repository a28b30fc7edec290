"""Provenance of a run (`RunInfo`): model, data, settings, counts of images, and notes for the reader."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import bias_audit
from bias_audit.checks.base import Check, Measured
from bias_audit.config import SECOND_FILL_DONORS, AuditConfig, Thresholds
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import ESTIMATED
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.doors import name_of
from bias_audit.run.result import RunInfo
from bias_audit.run.sampled import SAMPLED_FROM, told
from bias_audit.run.statuses import (
    CHANGED,
    DONE,
    DONE_BEFORE,
    GIVEN,
    INVALID_PREDICTION,
    NO_MASK,
    NOT_SAMPLED,
    OK,
    SCREENED,
    SKIPPED,
    UNREADABLE,
)


def describe(
    model: Any,
    data: str | Path | Url,
    masks: str | Path | Url | None,
    dataset: Dataset,
    explainer: Explainer,
    images: pd.DataFrame,
    config: AuditConfig,
    thresholds: Thresholds,
    fingerprint: str,
    seconds: dict[str, float],
    checks: Sequence[Check],
    measured: Mapping[str, Measured],
    strangers: str | Path | Url | None = None,
    backgrounds: str | Path | Url | None = None,
    data_options: Mapping[str, Any] | None = None,
) -> RunInfo:
    """Make the provenance of a fresh audit, as audit.json holds it.

    Args:
        model, data, masks, strangers, backgrounds: as given to `pipeline.audit`; `masks` may be the table of boxes.
        dataset: all samples.
        explainer: the model with its preprocessing and heatmap method.
        images: table of the images.
        config, thresholds: settings of the audit, and bounds of its rules.
        fingerprint: fingerprint of the data set.
        seconds: name of a stage -> its wall-clock seconds.
        checks: the checks of the audit.
        measured: name of a check -> its measurement. Notes of checks that measure before the heatmaps are made come
            before the notes on the data, notes of the other checks last.
        data_options: how the data were read, see `SourceOptions.kept`.
    """
    loaded = explainer.model
    model_name = str(model) if isinstance(model, str | Path) else name_of(model)
    statuses, counts, kinds = _counted(images)
    counts["ignored_files"] = len(dataset.ignored_files)
    counts["unread_folders"] = len(dataset.unread_folders)
    if dataset.sampled_from:
        counts[SAMPLED_FROM] = dataset.sampled_from
    first, last = (
        [note for check in checks if (check.stage != "photos") is early for note in measured[check.name].notes]
        for early in (True, False)
    )
    for check in measured.values():
        counts.update(check.counts)
    given = loaded.head == GIVEN
    settled = {name: value for check in measured.values() for name, value in check.settles.items()}
    return RunInfo(
        name=f"{name_of(model)} on {data_address(data).name}",
        model=model_name,
        data=str(data),
        masks=None if masks is None else str(masks),
        model_sha256=loaded.sha256,
        fingerprint=fingerprint,
        version=bias_audit.__version__,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=dict(seconds),
        config=config.as_dict(),
        thresholds=dataclasses.asdict(thresholds),
        class_names=dataset.class_names,
        layer=loaded.layer,
        grid=explainer.grid,
        method=explainer.name,
        head=loaded.head,
        input_size=loaded.input_size,
        counts=counts,
        statuses=statuses,
        mask_kind=_mask_kind(kinds),
        notes=(*loaded.notes, *explainer.notes, *first, *_notes(counts, kinds, dataset, config, given=given), *last),
        strangers=None if strangers is None else str(strangers),
        backgrounds=None if backgrounds is None else str(backgrounds),
        preprocess=settled.get("preprocess", config.preprocess),
        content=content_hash(dataset.class_names, images),
        data_options=dict(data_options or {}),
    )


def renewed(
    info: RunInfo,
    before: pd.DataFrame,
    images: pd.DataFrame,
    dataset: Dataset,
    config: AuditConfig,
    thresholds: Thresholds,
    masks: Path | None,
    note: str,
) -> RunInfo:
    """Make the provenance of a run that was scored again without its model.

    Args:
        info: provenance of the earlier run.
        before, images: table of the images of the earlier run, and of the new one.
        dataset: all samples.
        config: settings of the earlier run.
        thresholds: bounds of the rules in the new run.
        masks: folder of masks to name; None = that of the earlier run.
        note: first note of the new run, before all others.
    """
    _, old_counts, old_kinds = _counted(before)
    statuses, counts, kinds = _counted(images)
    given = info.head == GIVEN
    known = {"ignored_files": len(dataset.ignored_files), "class_scenes": info.counts.get("class_scenes", 0)}
    said = _notes({**old_counts, **known}, old_kinds, dataset, config, given=given)
    kept = [text for text in info.notes if text not in said]
    return dataclasses.replace(
        info,
        masks=info.masks if masks is None else str(masks),
        version=bias_audit.__version__,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        thresholds=dataclasses.asdict(thresholds),
        counts={**info.counts, **counts},
        statuses=statuses,
        mask_kind=_mask_kind(kinds),
        notes=(note, *kept, *_notes({**counts, **known}, kinds, dataset, config, given=given)),
    )


def _counted(images: pd.DataFrame) -> tuple[dict[str, dict[str, int]], dict[str, int], set[str]]:
    """(images per status, counts by name, kinds of the usable masks), from the table of the images."""
    columns = ("status", "mask_status", "attention_status", "intervention_status", "reread_status")
    statuses = {column: _tally(images[column]) for column in columns}
    masked = images.loc[images["mask_status"] == OK, "mask_kind"]
    kinds = {str(kind) for kind in masked}
    made = statuses["intervention_status"]
    # The heatmap of a photo with an estimate is not scored, which is nothing that went wrong.
    scorable = images["attention_status"].isin([OK, NO_MASK])
    done = made.get(DONE, 0) + made.get(DONE_BEFORE, 0)
    counts = {
        "images": len(images),
        "read": statuses["status"].get(OK, 0),
        "unreadable": statuses["status"].get(UNREADABLE, 0),
        "skipped": statuses["status"].get(SKIPPED, 0),
        "changed": statuses["reread_status"].get(CHANGED, 0),
        "invalid_predictions": statuses["status"].get(INVALID_PREDICTION, 0),
        "invalid_composites": made.get(INVALID_PREDICTION, 0) - statuses["status"].get(INVALID_PREDICTION, 0),
        "with_mask": statuses["mask_status"].get(OK, 0),
        "without_mask": statuses["status"].get(OK, 0) - statuses["mask_status"].get(OK, 0),
        "estimated_masks": int((masked == ESTIMATED).sum()),
        "attention_scored": statuses["attention_status"].get(OK, 0),
        "attention_unscorable": int(((images["mask_status"] == OK) & ~scorable).sum()),
        "interventions_done": done,
        "interventions_eligible": done + made.get(NOT_SAMPLED, 0) + made.get(SCREENED, 0),
    }
    return statuses, counts, kinds


def _mask_kind(kinds: set[str]) -> str:
    return "mixed" if len(kinds) > 1 else next(iter(kinds), "none")


def content_hash(class_names: Sequence[str], images: pd.DataFrame) -> str:
    """SHA-256 over the classes and over id, label and content of every image; equal on every machine for equal data.

    Args:
        class_names: all classes, by index.
        images: table of the images.

    Returns:
        64 hex digits.
    """
    digest = hashlib.sha256(repr(tuple(class_names)).encode())
    rows = zip(images.index, images["label"], images["content"], strict=True)
    for row in sorted((tuple(map(str, each)) for each in rows), key=lambda row: row[0]):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _notes(
    counts: Mapping[str, int], kinds: set[str], dataset: Dataset, config: AuditConfig, *, given: bool
) -> list[str]:
    """Notes on the data that a reader must know before believing the numbers, most important first.

    `given`: predictions were given, and no model.
    """
    notes = []
    if said := told(len(dataset.samples), dataset.sampled_from):
        notes.append(
            f"This is {said}, drawn from every class with seed {config.seed} (--sample): a first look. All numbers are "
            "of the sample, and rare cues and small classes may be missing from it."
        )
    whose = "The model gives NaN or infinite outputs" if not given else "The table of predictions has no numbers"
    bad = counts["unreadable"] + counts["skipped"]
    if bad:
        notes.append(
            f"{bad} of {counts['images']} images could not be read or were skipped; see images.csv, column status."
        )
    if counts["changed"]:
        notes.append(
            f"{counts['changed']} of {counts['images']} images changed during the audit, or their masks did: from then "
            "on they took no part in it; see images.csv, column reread_status, and audit again."
        )
    if invalid := counts.get("invalid_predictions", 0):
        notes.append(
            f"{whose} for {invalid} of {counts['images']} images: they have no "
            "prediction, and are in no accuracy and in no other number (BA910)."
        )
    if pasted := counts.get("invalid_composites", 0):
        notes.append(f"{whose} for composites of {pasted} images: none of their composites count (BA910).")
    if counts["with_mask"] == 0:
        notes.append("No masks or boxes: attention on the background and reliance on it could not be judged.")
    elif counts["without_mask"] and not counts["estimated_masks"]:
        notes.append(f"{counts['without_mask']} of {counts['read']} images have no usable mask and no mask scores.")
    if counts["estimated_masks"]:
        notes.append(
            f"{counts['estimated_masks']} of {counts['with_mask']} masks are estimated by {config.segmenter!r}, for "
            "the photos and donors of the composites: these say as much as the outlines do (BA909), no class is "
            "confirmed by them, and heatmaps are scored against masks that somebody drew."
        )
    if "box" in kinds:
        notes.append(
            "Boxes stand for objects: a box takes in background around the object, "
            "so background shares and gaps are lower bounds."
        )
    if counts["interventions_eligible"]:
        how = (
            "all of them real scenes"
            if counts.get("class_scenes")
            else f"{min(config.donors, SECOND_FILL_DONORS)} of them also with their holes filled another way"
        )
        notes.append(
            f"Composites were made of {counts['interventions_done']} of {counts['interventions_eligible']} "
            f"usable photos (at most {config.interventions} per class, {config.donors} backgrounds per arm, "
            f"{how}, "
            f"seed {config.seed}); each photo counts once, however many composites it has."
        )
    filled = {sample.label for sample in dataset.samples}
    empty = [name for label, name in enumerate(dataset.class_names) if label not in filled]
    if empty:
        notes.append(
            f"No images of {', '.join(empty[:10])}{', ...' if len(empty) > 10 else ''}: these classes are not audited."
        )
    if dataset.unread_folders:
        notes.append(
            f"{len(dataset.unread_folders)} folders were not read, so their photos or masks are not in this audit, for "
            f"instance {dataset.unread_folders[0]}."
        )
    if counts["ignored_files"]:
        notes.append(
            f"{counts['ignored_files']} files that are no images were ignored, "
            f"for instance {dataset.ignored_files[0]!r}."
        )
    notes.extend(f"{count} pictures {why}: they are not in this audit." for why, count in dataset.left_out.items())
    notes.extend(dataset.notes)
    if said := config.limits.note():
        notes.append(said)
    return notes


def _tally(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(filter(None, values)).items(), key=lambda item: (-item[1], item[0])))
