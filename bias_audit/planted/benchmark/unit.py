"""Runs one case of the benchmark in a worker process: draw, train, measure the truth, audit as a user would, judge.

Model, audit and outcomes of the rules are kept apart: after a change of the rules nothing is trained or audited again.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import AuditConfig
from bias_audit.data.mask_estimates import AUTO
from bias_audit.errors import ResultError
from bias_audit.planted.benchmark import degraded_masks, truth
from bias_audit.planted.benchmark.grid import SETTINGS, Case
from bias_audit.planted.benchmark.judging import Judged, judged_again, package_digest, packed, with_gate
from bias_audit.planted.objects import Photos
from bias_audit.planted.shapes import Split, draw_split
from bias_audit.run.atomic import write_atomically
from bias_audit.run.csv_text import csv_text
from bias_audit.run.json_values import plain

UNIT, MODEL, TRUTH, RUN, OUTCOMES = "unit.json", "model.keras", "truth.json", "run.tar.gz", "outcomes.json"
"""Files of a case: record, model, reliance, the audit's run folder, and what the present rules say about it."""

HINT = "Free some space, then run the benchmark again: what is finished is kept."
"""What to do where a file of the benchmark cannot be written."""


def single_thread() -> None:
    """Limit OpenCV to one thread; called first in each worker, since there may be a process per core."""
    cv2.setNumThreads(1)


def unit_folder(case: Case, work: Path) -> Path:
    """Folder below `work` in which a case keeps its tables, and its model unless it audits another case's."""
    return work / f"{case.name}-{case.digest()[:8]}"


def audit_key() -> str:
    """Key of all that an audit's numbers depend on beside the model: version of the package and default configuration.

    A change of the code within a version does not change the key.
    """
    import bias_audit

    return f"{bias_audit.__version__}-{AuditConfig().digest()[:16]}"


def audited_unit(case: Case, work: Path) -> dict[str, Any] | None:
    """The record of a case that was trained and audited with the current settings and version; else None."""
    record = _read_json(unit_folder(case, work) / UNIT)
    fits = record.get("case") == case.digest() and record.get("audit") == audit_key()
    return record if fits and (unit_folder(case, work) / RUN).is_file() else None


def finished_unit(case: Case, work: Path) -> dict[str, Any] | None:
    """The record of a case that was audited (`audited_unit`) and judged by the present package; else None."""
    record = audited_unit(case, work)
    if record is None or _read_json(unit_folder(case, work) / OUTCOMES).get("package") != package_digest():
        return None
    return record


def outcomes_of(case: Case, work: Path) -> Judged:
    """What the rules said about a finished case.

    Raises:
        ResultError: the case is not finished.
    """
    content = _read_json(unit_folder(case, work) / OUTCOMES)
    if finished_unit(case, work) is None or not content:
        raise ResultError(
            f"{str(unit_folder(case, work))!r} holds no finished audit", "Run the same benchmark again: it goes on."
        )
    outcomes = (RuleOutcome(**{**row, "image_ids": ()}) for row in content["outcomes"])
    return Judged(tuple(outcomes), tuple(content["classes"]), content["gate_passes"])


def make_unit(case: Case, work: Path) -> dict[str, Any]:
    """Train, audit and judge one case, as far as that was not done before; returns its record.

    Every file is written whole or not at all, and the record of an audit after its files.

    Raises:
        BiasAuditError: a file cannot be written, or the audit refuses its input.
    """
    if (record := finished_unit(case, work)) is not None:
        return record
    folder = unit_folder(case, work)
    if (record := audited_unit(case, work)) is not None:
        _write_outcomes(folder, judged_again(folder / RUN))
        return record
    folder.mkdir(parents=True, exist_ok=True)
    network = unit_folder(case.network, work)
    network.mkdir(parents=True, exist_ok=True)
    reliance, trained, trained_busy = _trained(case.network, network)
    if network != folder:  # the model was made for another case, which pays for it
        trained, trained_busy = {}, 0.0
    second = degraded_masks.SECOND_OBJECTS if case.masks == degraded_masks.SECOND_OBJECT else 0.0
    test = draw_split(case.plan, "test", case.test, seed=case.seed, second=second)
    start, busy = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(prefix="bias-audit-benchmark-") as scratch:
        _audit(case, network / MODEL, test, Path(scratch), folder)
    record = {
        "case": case.digest(),
        "audit": audit_key(),
        "package": package_digest(),
        "name": case.name,
        "n_test": len(test.images),
        "seconds": {**trained, "audit": round(time.monotonic() - start, 2)},
        "cpu_seconds": round(trained_busy + time.process_time() - busy, 2),
        "reliance": reliance,
    }
    _write_json(folder / UNIT, record)
    return record


def _trained(case: Case, folder: Path) -> tuple[list[dict[str, Any]], dict[str, float], float]:
    """(reliance that was measured on the case's model, seconds per stage, seconds of processor time).

    Trains the model if there is none.
    """
    from bias_audit.models.tensorflow.framework import keras

    if (folder / TRUTH).is_file() and (folder / MODEL).is_file():
        content = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
        return content["reliance"], content["seconds"], content["cpu_seconds"]
    from bias_audit.models.tensorflow.training import save_model, train_on_arrays

    start, busy = time.monotonic(), time.process_time()
    keras.backend.clear_session()
    classes = len(case.plan.classes)
    train = draw_split(case.plan, "train", case.train // classes, seed=case.seed)
    drawn = time.monotonic()
    model = train_on_arrays(train.images, train.labels, classes, head=case.head, epochs=case.epochs, seed=case.seed)
    save_model(model, folder / MODEL)
    fitted = time.monotonic()

    def predict(images: Photos) -> NDArray[np.int64]:
        parts = [model(images[i : i + 200].astype(np.float32), training=False) for i in range(0, len(images), 200)]
        return np.concatenate([np.argmax(part.numpy(), axis=1) for part in parts])

    reliance = [
        dataclasses.asdict(measured)
        for measured in truth.measure(case.plan, predict, per_class=SETTINGS["probe"], seed=case.seed)
    ]
    seconds = {"draw": drawn - start, "train": fitted - drawn, "truth": time.monotonic() - fitted}
    seconds = {stage: round(value, 2) for stage, value in seconds.items()}
    cpu = round(time.process_time() - busy, 2)
    _write_json(folder / TRUTH, {"reliance": reliance, "seconds": seconds, "cpu_seconds": cpu})
    return reliance, seconds, cpu


def _audit(case: Case, model: Path, test: Split, scratch: Path, folder: Path) -> None:
    """Audit a model with all checks, from files as a user has them; keep its run and outcomes.

    The design is the whole one, of which the stages of a default audit are a part (`stages`).
    """
    from bias_audit.pipeline.audit import audit

    result = audit(model, **write_inputs(case, test, scratch), out=scratch / "run", thorough=True)
    (folder / UNIT).unlink(missing_ok=True)  # before the first file changes: a record speaks of all of them
    write_atomically(folder / RUN, packed(result.path), HINT)
    _write_outcomes(folder, with_gate(result))


def _write_outcomes(folder: Path, judged: Judged) -> None:
    outcomes = [dataclasses.asdict(dataclasses.replace(outcome, image_ids=())) for outcome in judged.outcomes]
    content = {
        "package": package_digest(),
        "outcomes": outcomes,
        "classes": judged.classes,
        "gate_passes": judged.gate_passes,
    }
    _write_json(folder / OUTCOMES, content)


def write_inputs(case: Case, test: Split, folder: Path) -> dict[str, Any]:
    """Write what the auditor of a case is given below `folder`; returns it as arguments of `audit`.

    Photos and masks as `write_photos`, the masks spoiled as the case says; a table of boxes in their place; no masks
    where they are to be estimated. Photos that come in groups are named in a table with a column `patient`.
    """
    masks = degraded_masks.degraded(test.masks, case.masks, seed=case.seed)
    stems = write_photos(dataclasses.replace(test, masks=masks), case.plan.classes, folder)
    given: dict[str, Any] = {"data": folder / "images", "masks": folder / "masks"}
    if case.masks == degraded_masks.ESTIMATED:
        given["masks"] = AUTO
    if case.masks == degraded_masks.BOXES:
        given |= {"masks": None, "boxes": folder / "boxes.csv"}
        boxes = ((stem, *degraded_masks.box_of(mask)) for stem, mask in zip(stems, masks, strict=True))
        table = csv_text(("image", "x_min", "y_min", "x_max", "y_max"), boxes)
        (folder / "boxes.csv").write_bytes(table.encode())
    if case.plan.group > 1:
        given |= {"data": folder / "images" / "photos.csv", "group_by": "patient"}
        rows = ((stem, stem.split("/")[0], f"p{group}") for stem, group in zip(stems, test.groups, strict=True))
        (folder / "images" / "photos.csv").write_bytes(csv_text(("image", "label", "patient"), rows).encode())
    return given


def write_photos(split: Split, classes: tuple[str, ...], folder: Path) -> list[str]:
    """Write the photos of a split as images/CLASS/NNNN.png and their masks as masks/CLASS/NNNN.png below `folder`.

    Returns:
        CLASS/NNNN.png of each photo.
    """
    for kind in ("images", "masks"):
        for name in classes:
            (folder / kind / name).mkdir(parents=True)
    stems = [f"{classes[int(label)]}/{i:04d}.png" for i, label in enumerate(split.labels)]
    for stem, photo, mask in zip(stems, split.images, split.masks, strict=True):
        (folder / "images" / stem).write_bytes(cv2.imencode(".png", photo[..., ::-1])[1].tobytes())
        (folder / "masks" / stem).write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    return stems


def forget_audits(work: Path) -> None:
    """Delete the records of all audits, so that the next run audits again; trained models are kept."""
    for record in work.glob(f"*/{UNIT}"):
        record.unlink()


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} where there is no such file, or a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(plain(content), indent=1).encode(), HINT)
