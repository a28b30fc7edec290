"""What a worker of a Ray cluster does for `executors.ray_cluster`: one shard at a time, with a model that it keeps."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from bias_audit.errors import BiasAuditError
from bias_audit.pipeline.executors.work import as_told, in_words, unpacked
from bias_audit.pipeline.prepare import Prepared
from bias_audit.pipeline.shared import begin_share, pass_files
from bias_audit.run.lock import gives_back
from bias_audit.run.progress import QUIET, Progress

OMP = "OMP_NUM_THREADS"
"""Variable that Ray sets where it is not set, to the number of CPUs of a task."""

DOING = "a Ray worker of an audit"

_kept: dict[str, Prepared] = {}
"""Hash of what a worker was told -> the prepared audit; one at most."""


def pass_shard(content: bytes, number: int | None, omp: bool) -> dict[str, Any]:
    """Make a shard, unless it is there.

    Args:
        content: what is packed, see `SharedAudit.packed`.
        number: of the shard; None = only prepare.
        omp: whether OMP_NUM_THREADS is set in the process that was asked for the audit.

    Returns:
        {"photos": number of photos, "before": whether the shard was there}; or a BiasAuditError as `as_told` gives it,
        since an exception of a task is a traceback.
    """
    if not omp:
        os.environ.pop(OMP, None)  # it was set to what it means where it is not set, so that Ray would not set it to 1
    try:
        with in_words():
            return _pass(content, number)
    except BiasAuditError as error:
        return as_told(error)


@gives_back
def _pass(content: bytes, number: int | None) -> dict[str, Any]:
    name = hashlib.sha256(content).hexdigest()
    prepared = _kept.get(name)
    if prepared is None:
        _kept.clear()
        model, data, call = unpacked(content)
        prepared = begin_share(DOING, model, data, progress=Progress(QUIET), **call)
        _kept[name] = prepared
    prepared.context.run.check(resume=True, overwrite=False)  # which locks the run folder while the shard is made
    passed = {"photos": 0, "before": False}

    def advance(n: int, /, *, before: bool = False) -> None:
        passed["photos"] += n
        passed["before"] = before

    if number is not None:
        pass_files(prepared, range(number, number + 1), advance)
    return passed
