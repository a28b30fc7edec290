"""The executor `ray[:HOST:PORT]`: tasks of Ray Core, one for each shard and each part of the experiments.

Ray starts a task again whose worker is lost. The run folder, which all machines see, says which shards are there.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from bias_audit import packages
from bias_audit.errors import ConfigError, ResultError, first_line
from bias_audit.limits.room import cores
from bias_audit.pipeline.agreed import THREADS
from bias_audit.pipeline.executors.ray_task import OMP, Task, do
from bias_audit.pipeline.executors.work import GO_ON, OPTION, Pass, SharedAudit, as_raised, make_parts
from bias_audit.run import shares

RETRIES = 3
"""Times that a task is started again whose worker was lost."""

WAITING = 2
"""Tasks that are handed to Ray for each that can run at a time."""

STORE = 128 * 2**20
"""Bytes of the object store of a cluster of this machine; what passes through it is small."""

AUTH = "RAY_AUTH_"
"""Beginning of variables of the environment: how Ray authenticates; those of the user's are left as they are."""

_ADDRESS = re.compile(r"auto|(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


def ray(given: str) -> Pass:
    """A Ray cluster.

    Args:
        given: its address, HOST:PORT, or "auto", the one that runs on this machine; "" = one for this audit alone.

    Raises:
        ConfigError: it is no address.
        PackageError: Ray is not installed.
    """
    if given and not _ADDRESS.fullmatch(given):
        raise ConfigError(
            f"{OPTION} ray:{given}: expected ray, ray:auto or ray:HOST:PORT",
            "The command runs on a machine of the cluster; Ray's client (ray://) is not used.",
        )
    packages.require("ray", f"{OPTION} ray")
    return partial(_pass, address=given)


def _pass(audit: SharedAudit, address: str) -> None:
    """Make all shards and parts by tasks of a cluster.

    Raises:
        BiasAuditError: a task has failed, or the cluster cannot be reached.
    """
    core = _ray(address)
    content, begun_here = audit.packed(), not core.is_initialized()
    if not begun_here and address:
        raise ConfigError(
            f"{OPTION} ray:{address}: this program is connected to a cluster already", f"Write {OPTION} ray to use it."
        )
    with contextlib.ExitStack() as stack:
        # Ray prints on stdout that a worker was lost, where the result is printed.
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        with audit.progress.stage("Starting the Ray cluster", None):
            if begun_here:
                stack.callback(core.shutdown)
                _connect(core, address)
        told = _Tasks(core, content)
        with audit.progress.stage("Starting a Ray worker", None):
            next(told.results([Task(None, None)]))
        state = shares.state_of(audit.folder)
        with audit.progress.stage("Predictions and heatmaps, Ray", state.photos, "images") as advance:
            for each in told.results(Task(None, number) for number in range(state.files)):
                advance(each["units"], before=each["before"])
        make_parts(audit, "Ray", lambda jobs: told.results(Task(*job) for job in jobs))


def _ray(address: str) -> Any:
    """The package ray.

    A cluster of this machine listens to the network, and runs what comes with its token. Ray keeps one for all clusters
    in the home folder; here it is another one each time, which Ray knows if it is set before the import.

    Raises:
        PackageError: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # which else are sent over the network
    if not address and "ray" not in sys.modules and not any(name.startswith(AUTH) for name in os.environ):
        os.environ.update({f"{AUTH}MODE": "token", f"{AUTH}TOKEN": secrets.token_hex(32)})
    with packages.needed(f"{OPTION} ray"):
        import ray as core
    return core


def _connect(core: Any, address: str) -> None:
    """Start a cluster, or become a driver of one.

    Raises:
        ResultError: there is no cluster at the address, or none can be started.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    own = {"include_dashboard": False, "object_store_memory": STORE}
    try:
        core.init(address=address, **quiet) if address else core.init(address="local", **quiet, **own)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError, what gRPC raises
        where = f"at {address!r}" if address else "on this machine"
        hint = "`ray start --head` starts one; a machine of it must run the command." if address else ""
        raise ResultError(f"there is no Ray cluster {where}: {first_line(error)}", hint) from error


class _Tasks:
    """Tasks of one audit.

    Args:
        core: the package ray, connected to a cluster.
        content: what is packed for the workers.
    """

    def __init__(self, core: Any, content: bytes) -> None:
        self._core = core
        nodes = [node["Resources"] for node in core.nodes() if node["Alive"]]
        threads = os.environ.get(OMP, str(cores()))
        if any(node.get("GPU", 0) >= 1 for node in nodes):
            takes, of = {"num_gpus": 1, "num_cpus": 1}, "GPU"
        else:  # the CPUs that its threads use, but no more than a machine has: it would wait for ever
            most = int(max((node.get("CPU", 0) for node in nodes), default=1))
            takes, of = {"num_cpus": max(1, min(int(threads) if threads.isdecimal() else 1, most))}, "CPU"
        each = takes["num_gpus" if of == "GPU" else "num_cpus"]
        self._most = WAITING * max(1, sum(int(node.get(of, 0)) // each for node in nodes))
        variables = {OMP: threads, **{name: os.environ[name] for name in THREADS if name in os.environ}}
        self._task = core.remote(do).options(max_retries=RETRIES, runtime_env={"env_vars": variables}, **takes)
        self._given = (core.put(content), OMP in os.environ)

    def results(self, tasks: Iterable[Task]) -> Iterator[Mapping[str, Any]]:
        """What each task tells, as they end, see `ray_task.do`; few wait at a time.

        Args:
            tasks: what is to be done.

        Raises:
            BiasAuditError: a task has failed; the others are cancelled.
        """
        content, omp = self._given
        left = iter(tasks)
        running: list[Any] = []
        try:
            while True:
                for task in itertools.islice(left, self._most - len(running)):
                    running.append(self._task.remote(content, task, omp))
                if not running:
                    return
                (ended, *_), running = self._core.wait(running, num_returns=1)
                yield self._told(ended)
        finally:
            for each in running:
                self._core.cancel(each, force=True)

    def _told(self, ended: Any) -> Mapping[str, Any]:
        errors = self._core.exceptions
        try:
            told: Mapping[str, Any] = self._core.get(ended)
        except errors.RayTaskError:  # an exception that nobody foresaw
            raise
        except errors.RayError as error:
            raise ResultError(
                f"a task of the Ray cluster was lost {RETRIES + 1} times: {first_line(error)}",
                f"Its logs say why; is there enough memory? {GO_ON}",
            ) from error
        if "error" in told:
            raise as_raised(told)
        return told
