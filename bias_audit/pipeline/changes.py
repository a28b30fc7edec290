"""Photos that changed while they were audited: kept in the run as they are noticed, and shown in its images table."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bias_audit.data.contents import Contents
from bias_audit.data.dataset import Dataset
from bias_audit.data.locations import Location
from bias_audit.errors import ResultError
from bias_audit.files.text import parse_json
from bias_audit.run.atomic import guarded
from bias_audit.run.folder import Run
from bias_audit.run.records import Record
from bias_audit.run.statuses import CHANGED

NOTICED = "shards/changed.jsonl"
"""One line per photo, added at once: what was measured without the photo is not measured again on resuming."""

_HINT = "Free space; an interrupted audit continues with --resume."


def watched(dataset: Dataset, run: Run) -> Contents:
    """Contents of the files of an audit, with the changes that were noticed before it was interrupted.

    Args:
        dataset: all samples.
        run: the run folder, already started; changes of the photos of the data set are kept in it.
    """
    file = run.path / NOTICED

    @functools.cache
    def ids() -> dict[Location, str]:  # of all photos: made only where one of them has changed
        return {sample.path: sample.image_id for sample in dataset.samples}

    def keep(path: Location, reason: str) -> None:
        if (image_id := ids().get(path)) is not None:  # strangers are read and shown by one process
            line = json.dumps([image_id, reason]) + "\n"
            guarded(lambda: _append(file, line), file, _HINT)

    before = dict(_lines(file))
    known = {path: before[image_id] for path, image_id in ids().items() if image_id in before} if before else {}
    return Contents(keep, known)


def _append(file: Path, line: str) -> None:
    with file.open("ab") as opened:
        opened.write(line.encode())
        opened.flush()
        os.fsync(opened.fileno())


def _lines(file: Path) -> list[tuple[str, str]]:
    found = []
    for line in file.read_bytes().splitlines() if file.exists() else ():
        try:
            image_id, reason = parse_json(line.decode("utf-8", "replace"), ResultError, "a line is")
        except (
            ResultError,
            TypeError,
            ValueError,
        ):  # the audit was killed while it wrote: no shard was made without this photo yet
            continue
        found.append((str(image_id), str(reason)))
    return found


def mark(records: Sequence[Record], dataset: Dataset, contents: Contents) -> None:
    """Fill the columns on changes of records, one per sample in the order of the data set."""
    for record, sample in zip(records, dataset.samples, strict=True):
        if (reason := contents.found.get(sample.path)) is not None:
            record["reread_status"], record["reread_reason"] = CHANGED, reason


def marked(images: pd.DataFrame, dataset: Dataset, contents: Contents) -> pd.DataFrame:
    """The images table with the changes noticed so far, in the order of the data set."""
    reasons = [contents.found.get(sample.path, "") for sample in dataset.samples]
    statuses = [CHANGED if reason else "" for reason in reasons]
    return images.assign(reread_status=statuses, reread_reason=reasons)
