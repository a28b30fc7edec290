"""What was audited, with what, and what was not: the run described from its records."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bias_audit
from bias_audit.checks.background import composites as reliance
from bias_audit.checks.inputs.measure import PreprocessCheck
from bias_audit.config import AuditConfig, Thresholds
from bias_audit.data.batches import OK
from bias_audit.data.dataset import Dataset
from bias_audit.data.masks import ESTIMATED
from bias_audit.data.masks import OK as MASK_OK
from bias_audit.heatmaps.methods import Explainer
from bias_audit.interventions import donors
from bias_audit.run.result import RunInfo

Record = dict[str, Any]


def describe(
    model: Any,
    data: str | Path,
    masks: str | Path | None,
    dataset: Dataset,
    explainer: Explainer,
    records: Sequence[Record],
    config: AuditConfig,
    thresholds: Thresholds,
    key: Mapping[str, str],
    seconds: dict[str, float],
    checked: PreprocessCheck | None = None,
) -> RunInfo:
    """Everything audit.json says about the run itself; arguments as in `pipeline.audit`."""
    loaded = explainer.model
    model_name = str(model) if isinstance(model, str | Path) else getattr(model, "name", type(model).__name__)
    statuses, counts, kinds = _counted(records)
    counts["ignored_files"] = len(dataset.ignored_files)
    return RunInfo(
        name=f"{Path(model_name).stem} on {Path(data).name}",
        model=model_name,
        data=str(data),
        masks=None if masks is None else str(masks),
        model_sha256=loaded.sha256,
        fingerprint=key["data"],
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
        notes=(*loaded.notes, *explainer.notes, *_chosen(checked), *_notes(counts, kinds, dataset, config)),
        preprocess=checked.name if checked else config.preprocess,
        content=content_hash(dataset.class_names, records),
    )


def renewed(
    info: RunInfo,
    before: Sequence[Record],
    records: Sequence[Record],
    dataset: Dataset,
    config: AuditConfig,
    thresholds: Thresholds,
    masks: Path | None,
    note: str,
) -> RunInfo:
    """Provenance of a run that was scored anew without its model.

    Args:
        info: of the run before.
        before, records: its records, and those of now.
        dataset, config: as in `pipeline.audit`.
        thresholds: of now.
        masks: folder to name; None = the one of before.
        note: what a reader must know first.
    """
    _, old_counts, old_kinds = _counted(before)
    statuses, counts, kinds = _counted(records)
    known = {"ignored_files": len(dataset.ignored_files)}
    said = _notes({**old_counts, **known}, old_kinds, dataset, config)
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
        notes=(note, *kept, *_notes({**counts, **known}, kinds, dataset, config)),
    )


def _counted(records: Sequence[Record]) -> tuple[dict[str, dict[str, int]], dict[str, int], set[str]]:
    """How many images have each status, counts by name, and kinds of the usable masks."""
    columns = ("status", "mask_status", "attention_status", "intervention_status")
    statuses = {column: _tally(record.get(column) for record in records) for column in columns}
    kinds = {record["mask_kind"] for record in records if record.get("mask_status") == MASK_OK}
    made = statuses["intervention_status"]
    done = made.get(donors.DONE, 0) + made.get(donors.DONE_BEFORE, 0)
    counts = {
        "images": len(records),
        "read": statuses["status"].get(OK, 0),
        "unreadable": statuses["status"].get("unreadable", 0),
        "skipped": statuses["status"].get("skipped", 0),
        "with_mask": statuses["mask_status"].get(MASK_OK, 0),
        "without_mask": statuses["status"].get(OK, 0) - statuses["mask_status"].get(MASK_OK, 0),
        "estimated_masks": sum(
            record.get("mask_status") == MASK_OK and record["mask_kind"] == ESTIMATED for record in records
        ),
        "attention_scored": statuses["attention_status"].get(OK, 0),
        "attention_unscorable": statuses["mask_status"].get(MASK_OK, 0) - statuses["attention_status"].get(OK, 0),
        "interventions_done": done,
        "interventions_eligible": done + made.get(donors.NOT_SAMPLED, 0),
    }
    return statuses, counts, kinds


def _mask_kind(kinds: set[str]) -> str:
    return "mixed" if len(kinds) > 1 else next(iter(kinds), "none")


def content_hash(class_names: Sequence[str], records: Sequence[Record]) -> str:
    """SHA-256 over classes, and over id, label and content of every image: the same data give it on every machine."""
    digest = hashlib.sha256(repr(tuple(class_names)).encode())
    for record in sorted(records, key=lambda record: str(record["image_id"])):
        digest.update(repr((record["image_id"], record["label"], record.get("content", ""))).encode())
    return digest.hexdigest()


def _chosen(checked: PreprocessCheck | None) -> list[str]:
    if checked is None or not checked.chosen:
        return []
    return [
        f"The preprocessing {checked.name!r} was chosen: on {checked.n} labelled photos it has the highest accuracy, "
        f"{checked.hits / checked.n:z.2f}; name it with --preprocess to spare the choice."
    ]


def _notes(counts: Mapping[str, int], kinds: set[str], dataset: Dataset, config: AuditConfig) -> list[str]:
    """What a reader must know before believing the numbers, most important first."""
    notes = []
    bad = counts["unreadable"] + counts["skipped"]
    if bad:
        notes.append(
            f"{bad} of {counts['images']} images could not be read or were skipped; see images.csv, column status."
        )
    if counts["with_mask"] == 0:
        notes.append("No masks or boxes: attention on the background and reliance on it could not be judged.")
    elif counts["without_mask"]:
        notes.append(f"{counts['without_mask']} of {counts['read']} images have no usable mask and no mask scores.")
    if counts["estimated_masks"]:
        notes.append(
            f"{counts['estimated_masks']} of {counts['with_mask']} masks are estimated by {config.segmenter!r}: scores "
            "that need a mask say as much as these outlines do (BA909), and no class is confirmed by them."
        )
    if "box" in kinds:
        notes.append(
            "Boxes stand for objects: a box takes in background around the object, "
            "so background shares and gaps are lower bounds."
        )
    if counts["interventions_eligible"]:
        notes.append(
            f"Composites were made of {counts['interventions_done']} of {counts['interventions_eligible']} "
            f"usable photos (at most {config.interventions} per class, {config.donors} backgrounds per arm, "
            f"{min(config.donors, reliance.CHECKS)} of them also with their holes filled another way, "
            f"seed {config.seed}); each photo counts once, however many composites it has."
        )
    filled = {sample.label for sample in dataset.samples}
    empty = [name for label, name in enumerate(dataset.class_names) if label not in filled]
    if empty:
        notes.append(
            f"No images of {', '.join(empty[:10])}{', ...' if len(empty) > 10 else ''}: these classes are not audited."
        )
    if counts["ignored_files"]:
        notes.append(
            f"{counts['ignored_files']} files that are no images were ignored, "
            f"for instance {dataset.ignored_files[0]!r}."
        )
    return notes


def _tally(values: Any) -> dict[str, int]:
    return dict(sorted(Counter(filter(None, values)).items(), key=lambda item: (-item[1], item[0])))
