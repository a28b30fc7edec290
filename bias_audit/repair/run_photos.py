"""What a run tested: the photos themselves, and their near copies. A refit must not see either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.duplicates import Signs, as_signs, near_any
from bias_audit.heatmaps import attention
from bias_audit.pipeline.reopen import config_of
from bias_audit.run.digests import verified
from bias_audit.run.folder import SHARDS, Run
from bias_audit.run.result import AuditResult
from bias_audit.run.shares import shard_path


@dataclass(frozen=True)
class RunPhotos:
    """The photos of a run, by what identifies them.

    Attributes:
        contents: hashes of their files.
        signs: of their perceptual hashes; None = the run does not keep those of all its photos.
    """

    contents: frozenset[str]
    signs: Signs | None = None

    def near(self, hashes: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) which photos with these perceptual hashes are near copies of a photo of the run."""
        return np.zeros(len(hashes), bool) if self.signs is None else near_any(hashes, self.signs)


def run_photos(result: AuditResult) -> RunPhotos:
    """The photos of a finished run.

    Raises:
        ResultError: a shard of the run is damaged, or was changed after it was written.
    """
    hashes = _hashes(result)
    known = None if hashes is None else as_signs([each for each in hashes if each])
    return RunPhotos(frozenset(str(each) for each in result.images["content"] if each), known)


def _hashes(result: AuditResult) -> list[str] | None:
    """Perceptual hash of every photo, "" for one without; None where the run was freed of its shards."""
    batch, total = config_of(result.info).batch_size, len(result.images)
    if batch is None:  # an audit always writes it
        return None
    run, size, found = Run(result.path), batch * attention.BATCHES_PER_SHARD, list[str]()
    for start in range(0, total, size):
        name, count = shard_path(start // size), min(size, total - start)
        if not (result.path / name).is_file():
            return None
        verified(result.path / SHARDS / name.rpartition("/")[2], result.shards)
        records: list[dict[str, Any]] = run.read_arrays(name, partial(attention.records_of, count=count)) or []
        found += [str(each.get("#hash") or "") for each in records]
    return found
