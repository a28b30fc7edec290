"""Runs the cases of the benchmark in worker processes; a run that was killed continues where it stopped."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from bias_audit.errors import BiasAuditError, ResultError
from bias_audit.packages import require
from bias_audit.planted.benchmark.grid import Case
from bias_audit.planted.benchmark.unit import finished_unit, make_unit, single_thread
from bias_audit.run.atomic import guarded

WORK = "work"
"""Folder below the benchmark's output with the trained models and the tables of their audits."""

_WORKERS = {
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "PYTHONSAFEPATH": "1",
}  # fmt: skip
"""Environment variables of the workers.

Several processes of one thread are faster than one process of several threads. PYTHONSAFEPATH: a new interpreter would
otherwise look for its first modules in the working folder.
"""

Make = Callable[[Case, Path], dict[str, Any]]
"""(case, folder of all units) -> record of the unit, as `unit.make_unit`."""


def run_cases(
    cases: Sequence[Case], out: Path, *, workers: int, done: Callable[[Case, float], None], make: Make = make_unit
) -> dict[str, str]:
    """Train and audit all cases that are not finished yet.

    Args:
        cases: the cases, in the order in which they are started.
        out: folder of the benchmark.
        workers: number of processes.
        done: called with each finished case and the seconds that it took; 0 for a case that was finished before.
        make: function that a worker calls for a case; tests give another one.

    Returns:
        Name of each case that failed -> the error. All other cases are finished.

    Raises:
        BiasAuditError: TensorFlow is not installed, the folder cannot be written, a worker died, or an audit refused
            its input.
    """
    if make is make_unit:
        require("tensorflow", "the benchmark")  # before anything is drawn
    work = out / WORK
    guarded(lambda: work.mkdir(parents=True, exist_ok=True), work, "Give another folder with --out.")
    missing = []
    for case in cases:
        if finished_unit(case, work) is None:
            missing.append(case)
        else:
            done(case, 0.0)
    failed: dict[str, str] = {}
    if not missing:
        return failed
    with _environment(), _pool(min(workers, len(missing))) as pool:
        running: dict[Future[dict[str, Any]], Case] = {pool.submit(make, case, work): case for case in missing}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                case = running.pop(future)
                try:
                    done(case, sum(future.result()["seconds"].values()))
                except BiasAuditError:
                    raise
                except BrokenProcessPool as error:
                    raise ResultError(
                        f"a worker of the benchmark died while others ran ({case.name} or another)",
                        "Out of memory? Run the same command again with --workers 1: what is finished is kept.",
                    ) from error
                except Exception as error:
                    failed[case.name] = f"{type(error).__name__}: {error}"
    return failed


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Context with a pool of new processes, since TensorFlow does not survive a fork.

    At its end, cases that have not begun are dropped.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=single_thread)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _WORKERS}
    os.environ.update(_WORKERS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
