"""What a worker of a Ray cluster does for `executors.ray_cluster`: a shard or a part at a time, with a model that it
keeps."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from typing import Any, NamedTuple

from bias_audit.errors import BiasAuditError, ResultError
from bias_audit.pipeline.executors.work import GO_ON, as_told, in_words, unpacked
from bias_audit.pipeline.parts import Phases
from bias_audit.pipeline.prepare import Prepared
from bias_audit.pipeline.shared import begin_share, pass_files
from bias_audit.run.lock import gives_back
from bias_audit.run.progress import QUIET, Progress

OMP = "OMP_NUM_THREADS"
"""Variable that Ray sets where it is not set, to the number of CPUs of a task."""

DOING = "a Ray worker of an audit"


class Task(NamedTuple):
    """What a worker does.

    Attributes:
        phase: number of the phase of which it makes a part, see `pipeline.parts`; None = it passes photos.
        part: number of the part, or of the shard of photos; None = it tells what the phase is, or only prepares.
    """

    phase: int | None
    part: int | None


_kept: dict[str, tuple[Prepared, Phases]] = {}
"""Hash of what a worker was told -> the prepared audit; one at most."""


def do(content: bytes, task: Task, omp: bool) -> dict[str, Any]:
    """Do a task; what is there is not made again.

    Args:
        content: what is packed, see `SharedAudit.packed`.
        task: the task.
        omp: whether OMP_NUM_THREADS is set in the process that was asked for the audit.

    Returns:
        {"units": number of photos or of units of the part, "before": whether they were there}, or {"phase": what
        `Phases.described` gives}; or a BiasAuditError as `as_told` gives it, since an exception of a task is a
        traceback.
    """
    if not omp:
        os.environ.pop(OMP, None)  # it was set to what it means where it is not set, so that Ray would not set it to 1
    # A call of the model that never returns holds its thread for ever. Were the process ended, as elsewhere, Ray would
    # start the task again, and nobody would be told why it was lost.
    told: queue.SimpleQueue[dict[str, Any] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            with in_words(late=lambda said: told.put(as_told(ResultError(said, GO_ON)))):
                told.put(_done(content, task))
        except BiasAuditError as error:
            told.put(as_told(error))
        except BaseException as error:
            told.put(error)

    threading.Thread(target=work, name="task", daemon=True).start()
    if isinstance(first := told.get(), BaseException):
        raise first
    return first


@gives_back
def _done(content: bytes, task: Task) -> dict[str, Any]:
    name = hashlib.sha256(content).hexdigest()
    if name not in _kept:
        _kept.clear()
        model, data, call = unpacked(content)
        begun = begin_share(DOING, model, data, progress=Progress(QUIET), **call)
        _kept[name] = begun, Phases(begun)
    prepared, phases = _kept[name]
    prepared.context.run.check(resume=True, overwrite=False)  # which locks the run folder while the task is done
    made = {"units": 0, "before": False}

    def advance(n: int, /, *, before: bool = False) -> None:
        made["units"] += n
        made["before"] = before

    if task.phase is None and task.part is not None:
        pass_files(prepared, range(task.part, task.part + 1), advance)
    elif task.phase is not None and task.part is not None:
        phases.make(task.phase, task.part, advance)
    elif task.phase is not None:
        return {"phase": phases.described(task.phase)}
    return made
