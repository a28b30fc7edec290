"""All cases of the benchmark in worker processes; a killed run goes on where it stood."""

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
from bias_audit.planted.benchmark.grid import Case
from bias_audit.planted.benchmark.unit import finished_unit, make_unit, single_thread
from bias_audit.run.atomic import guarded

WORK = "work"
"""Folder below the benchmark's output with the trained models and the tables of their audits."""

_WORKERS = {
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1",
}  # fmt: skip
"""Environment of the workers. Several processes with a thread each beat one with several, and a fresh interpreter would
look for its first modules in the working folder."""

Make = Callable[[Case, Path], dict[str, Any]]


def run_cases(
    cases: Sequence[Case], out: Path, *, workers: int, done: Callable[[Case, float], None], make: Make = make_unit
) -> dict[str, str]:
    """Make the units of all cases that are not there yet.

    Args:
        cases: in the order in which they are started.
        out: the benchmark's folder.
        workers: processes.
        done: called with each case that is finished and the seconds it took; 0 for one that was there before.
        make: what a worker does with a case; for tests.

    Returns:
        case name -> what went wrong, of the cases that failed. The others are complete.

    Raises:
        BiasAuditError: the folder cannot be written, a worker died, or an audit refused its input.
    """
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
    """Fresh processes, for TensorFlow does not survive a fork; on the way out, what has not begun is dropped."""
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
