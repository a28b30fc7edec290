"""Keeps the run folder of a benchmark's audit in one file, and judges it again by the present rules.

Nothing here needs the model, the photos or the masks, so a change of the rules costs seconds per model. What an audit
measured stays as it was measured.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import bias_audit
from bias_audit.checks import registry
from bias_audit.checks.background.measure import Interventions
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import Thresholds
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.errors import ResultError
from bias_audit.gate.running import gate_run
from bias_audit.heatmaps import attention
from bias_audit.pipeline import summaries
from bias_audit.pipeline.judge import judge
from bias_audit.pipeline.reopen import config_of
from bias_audit.run import tables
from bias_audit.run.columns import Row
from bias_audit.run.folder import Run
from bias_audit.run.result import AuditResult, load
from bias_audit.run.shares import shard_path

LEFT_OUT = ("report.html", "pictures.json")
"""Files of a run that no rule reads: the page and its pictures, half of the bytes."""

UNJUDGING = ("planted", "cli", "report", "review", "compare")
"""Parts of the package on which no number, no outcome of an audit and no answer of the gate depends."""


@dataclass(frozen=True)
class Judged:
    """What the rules say about a case.

    Attributes:
        outcomes: outcomes of all rules, sorted by code; without ids of images.
        classes: rows of the table of the classes, column name -> value.
        gate_passes: whether the gate lets the model pass by its defaults.
    """

    outcomes: tuple[RuleOutcome, ...]
    classes: tuple[dict[str, Any], ...]
    gate_passes: bool


@functools.cache
def package_digest() -> str:
    """Digest of the source of all that an audit's numbers and outcomes depend on; 12 hex digits.

    Words are part of it: whoever changes a sentence of a rule judges again, which changes nothing and takes minutes.
    """
    root = Path(bias_audit.__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        name = path.relative_to(root)
        if name.parts[0] not in UNJUDGING:
            total.update(f"{name.as_posix()}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:12]


def packed(folder: Path) -> bytes:
    """A finished run folder, without LEFT_OUT, as a gzipped tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=3) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name not in LEFT_OUT:
                archive.add(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def judged_again(archive: Path, thresholds: Thresholds | None = None) -> Judged:
    """Make the tables of a packed run again, and judge them by the present rules.

    Args:
        archive: file of `packed`.
        thresholds: bounds of the rules; None = the defaults.

    Raises:
        ResultError: the file is missing or damaged, or holds a run of an incompatible version.
    """
    with opened(archive) as result:
        return judged(result, thresholds or Thresholds())


@contextlib.contextmanager
def opened(archive: Path) -> Iterator[AuditResult]:
    """Context in which a packed run lies unpacked in a folder.

    Args:
        archive: file of `packed`.

    Raises:
        ResultError: see `judged_again`, also where what is done in the context shows it.
    """
    with tempfile.TemporaryDirectory(prefix="bias-audit-benchmark-") as scratch:
        try:
            with tarfile.open(archive) as stored:
                _unpack(stored, Path(scratch).resolve())
            yield load(scratch)
        except (OSError, EOFError, tarfile.TarError, KeyError) as error:
            raise ResultError(
                f"the run kept in {str(archive)!r} is damaged or of another version: {error}",
                "Run the benchmark with --reaudit; the trained models are kept.",
            ) from error


def _unpack(stored: tarfile.TarFile, folder: Path) -> None:
    """Unpack regular files below a folder and nothing else (the filters of tarfile came with Python 3.11.4).

    Raises:
        OSError: an entry is no regular file, or leads outside.
    """
    for member in stored.getmembers():
        path = folder / member.name
        content = stored.extractfile(member) if member.isreg() and path.resolve().is_relative_to(folder) else None
        if content is None:
            raise OSError(f"it holds {member.name!r}, which is no file of a run")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read())


def judged(
    result: AuditResult, thresholds: Thresholds, restrict: Callable[[Interventions], Interventions] | None = None
) -> Judged:
    """Make the tables of a finished run again from what was measured, and judge them.

    Args:
        result: the run.
        thresholds: bounds of the rules.
        restrict: makes of the composites those that count; None = all do.

    Raises:
        ResultError: a shard or a table is missing or damaged.
    """
    run, config = Run(result.path), config_of(result.info)
    batch = config.batch_size or 1  # an audit always writes it
    dataset = _dataset(result)
    records = _records(result, run, batch)
    ties = attention.tie_to_objects(dataset, records, run, batch, result.info.grid, config.seed)
    measured = {check.name: check.recall(result) for check in registry.CHECKS}
    if restrict is not None:
        composites = restrict(measured["background"].own())
        measured["background"] = dataclasses.replace(measured["background"], own=lambda: composites)
    photos, classes = summaries.summarise(
        records, {}, result.info.class_names, measured, thresholds, config.seed, ties=ties
    )
    made = {name: table for check in measured.values() for name, table in check.tables.items()}
    for check in registry.CHECKS:
        made.update(check.sum_up(measured[check.name], photos))
    outcomes = judge(Evidence(photos.images, classes, thresholds, measured, made))
    return with_gate(dataclasses.replace(result, outcomes=outcomes, class_rows=tables.rows(classes)))


def with_gate(result: AuditResult) -> Judged:
    """What the rules said in a finished audit, and whether the gate passes by its defaults."""
    return Judged(result.outcomes, result.class_rows, gate_run(result).passed)


def _dataset(result: AuditResult) -> Dataset:
    """The samples of a run, without their files: those are gone, and nothing here reads them."""
    places = {name: label for label, name in enumerate(result.info.class_names)}
    images = result.images
    samples = tuple(
        Sample(str(name), Path(str(name)), places[str(label)])
        for name, label in zip(images.index, images["label"], strict=True)
    )
    return Dataset(samples, result.info.class_names, "folder")


def _records(result: AuditResult, run: Run, batch: int) -> list[Row]:
    """The records of the photos, in the order of the run, from its shards.

    Raises:
        ResultError: a shard is missing.
    """
    size, total = batch * attention.BATCHES_PER_SHARD, len(result.images)
    records: list[Row] = []
    for start in range(0, total, size):
        name = shard_path(start // size)
        stored = run.read_arrays(name, partial(attention.sound, start=start, count=min(size, total - start)))
        if stored is None:
            raise ResultError(f"the kept run lacks {name!r}", "Run the benchmark with --reaudit.")
        records.extend(stored[0])
    for record, status, reason in zip(
        records, result.images["reread_status"], result.images["reread_reason"], strict=True
    ):
        record["reread_status"], record["reread_reason"] = status, reason
    return records
