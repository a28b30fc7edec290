"""Who passes the photos of an audit through the model: several processes of this machine, or a Ray cluster.

An executor is a function and a line of `EXECUTORS`. It makes the shards of a shared audit (`run.shares`), of which
those that are there are kept, so no executor decides what a number is. What follows the pass happens in the process
that was asked for the audit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError
from bias_audit.pipeline import agreed
from bias_audit.pipeline.executors.local import local
from bias_audit.pipeline.executors.ray_cluster import ray
from bias_audit.pipeline.executors.work import OPTION, Pass, SharedAudit
from bias_audit.pipeline.shared import finish_shares
from bias_audit.run import shares
from bias_audit.run.folder import Run
from bias_audit.run.lock import gives_back
from bias_audit.run.notebook_progress import usual
from bias_audit.run.progress import Progress
from bias_audit.run.result import AuditResult

EXECUTORS: Mapping[str, Callable[[str], Pass]] = {"local": local, "ray": ray}
"""Name of each executor -> a function of what follows the name and a colon, which gives what makes the shards."""

FORMS = "local:N or ray[:HOST:PORT]"


def find_executor(text: str) -> Pass:
    """What makes the shards, for instance of "local:4" or "ray".

    Raises:
        ConfigError: there is no such executor, or what follows its name is wrong.
        PackageError: a package that it needs is not installed.
    """
    name, _, given = str(text).partition(":")
    if name not in EXECUTORS:
        raise ConfigError(f"{OPTION} {text}: there is no such executor", f"Write {FORMS}.")
    return EXECUTORS[name](given)


def audit_with(
    executor: str,
    model: str | Path | Any,
    data: str | Path | Any,
    *,
    predictions: str | Path | None,
    out: str | Path | None,
    resume: bool,
    overwrite: bool,
    profile: bool,
    progress: Progress | None,
    **call: Any,
) -> AuditResult:
    """Audit with the photos passed by an executor; arguments, result and errors are those of `audit`."""
    passes = find_executor(executor)
    agreed.refuse(model, data, predictions, overwrite=overwrite, option=OPTION)
    if profile:
        raise ConfigError(f"{OPTION} and --profile contradict each other: the time of several processes is no one's")
    progress = progress or usual()
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="bias-audit-"))
    _check(folder, progress, resume)
    passes(SharedAudit(model, data, {**call, "out": folder}, progress))
    agreed.same_packages(folder, shares.agreed(folder), progress.note)
    return finish_shares(model, data, out=folder, progress=progress, **call)


@gives_back  # at once: the folder is for the others now
def _check(folder: Path, progress: Progress, resume: bool) -> None:
    """Refuse a folder that holds something else, see `Run.check`."""
    Run(folder, progress.note, share="an audit in several processes").check(resume=resume, overwrite=False)
