"""The executor `local:N`: N processes on this machine, each with its share of the photos; then they make parts of the
experiments, as each has time.

They are processes of the standard library that run `executors.child`. None inherits the program of its parent, as those
of `multiprocessing` do, so that a script needs no `if __name__ == "__main__"`.
"""

from __future__ import annotations

import contextlib
import glob
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import IO, Any

from bias_audit.errors import ConfigError, ResultError
from bias_audit.pipeline.executors.work import GO_ON, OPTION, Job, Pass, SharedAudit, as_raised, make_parts
from bias_audit.run import shares

MOST = 256
"""Most processes."""

DEVICES = "CUDA_VISIBLE_DEVICES"

LAST = 20_000
"""Most bytes that are read of what a process wrote last, where it ended without a word."""

BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from bias_audit.pipeline.executors.child import main; main()"
)
"""Program of a process: it finds modules where its parent does."""


def local(given: str) -> Pass:
    """Processes of this machine.

    Args:
        given: how many, in digits.

    Raises:
        ConfigError: it is no number of processes.
    """
    if not (given.isascii() and given.isdecimal() and len(given) < 10 and 1 <= int(given) <= MOST):
        raise ConfigError(f"{OPTION} local:{given}: expected local:N with N processes, from 1 to {MOST}")
    return partial(_pass, count=int(given))


def devices(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that CUDA shows a process, as CUDA_VISIBLE_DEVICES names them; found without a framework.

    Args:
        environment: variables of the environment of the process.
    """
    if (named := environment.get(DEVICES)) is not None:
        each = (name.strip() for name in named.split(","))
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), each))
    return [str(number) for number, _ in enumerate(glob.glob("/dev/nvidia[0-9]*"))]


class Child:
    """A process with a share of the photos, which runs until it has ended or `stop` is called.

    Args:
        share: its share.
        content: what is packed for it, see `SharedAudit.packed`.
        environment: its variables.
    """

    def __init__(self, share: shares.Share, content: bytes, environment: Mapping[str, str]) -> None:
        self.share = share
        self.told: Mapping[str, Any] = {}
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        self._process = subprocess.Popen(
            [sys.executable, "-c", BEGIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=dict(environment),
        )
        self._write(_line(sys.path), _line((share.number, share.of, len(content))), content)

    def order(self, job: Job | None) -> None:
        """Let the process do a job when it has passed its photos; None = there are no more."""
        self._write(_line(job))

    def _write(self, *parts: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # why it has ended, is told when its end is noticed
            self._process.stdin.writelines(parts)
            self._process.stdin.flush()

    def listen(self, messages: queue.SimpleQueue[tuple[Child, dict[str, Any] | None]]) -> None:
        """Put what the process tells into a queue, and None at its end."""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.endswith(b"\n"):  # else it was killed while it told this
                    messages.put((self, json.loads(line)))
        messages.put((self, None))

    def stop(self) -> None:
        """End the process, if it still runs."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._errors.close()

    def check_end(self) -> None:
        """Wait for the end of the process, and raise what went wrong.

        Raises:
            BiasAuditError: what the process told; or it has ended without a word, or a call of the model came too late.
            RuntimeError: an exception that nobody foresaw ended it.
        """
        if "error" in self.told:
            raise as_raised({name: str(self.told[name]) for name in ("error", "message", "hint")})
        code = self._process.wait()
        if code == 0 and "done" in self.told:
            return
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - LAST))
        last = self._errors.read().decode("utf-8", "replace").strip()
        if code == 1 and "Traceback" in last:
            raise RuntimeError(f"share {self.share} of the audit was ended by an exception:\n{last}")
        begun, said = f"share {self.share} of the audit", last.rpartition("bias-audit: ")[2].partition("\n")[0]
        if code == 2 and "bias-audit: " in last:  # see `limits.watchdog`
            raise ResultError(f"{begun}: {said}", GO_ON)
        if code < 0:
            by = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            memory = "; perhaps for want of memory" if -code == signal.SIGKILL else ""
            raise ResultError(f"{begun} was ended by {by}{memory}", GO_ON)
        raise ResultError(f"{begun} ended with exit code {code} before it was done", GO_ON)


def _line(content: Any) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _pass(audit: SharedAudit, count: int) -> None:
    """Make all shards and parts in `count` processes, each with one GPU where there are several.

    Raises:
        BiasAuditError: one of them has failed; the others are stopped.
    """
    content, environment = audit.packed(), dict(os.environ)
    gpus = devices(environment)
    messages: queue.SimpleQueue[tuple[Child, dict[str, Any] | None]] = queue.SimpleQueue()
    told = f"{count} processes" if count > 1 else "1 process"
    with contextlib.ExitStack() as running:
        children = []
        with audit.progress.stage(f"Starting {told}", None):
            for number in range(count):
                if len(gpus) > 1:
                    environment[DEVICES] = gpus[number % len(gpus)]
                child = Child(shares.Share(number + 1, count), content, environment)
                running.callback(child.stop)
                children.append(child)
                threading.Thread(target=child.listen, args=(messages,), daemon=True).start()
            heard = _heard(messages, count)
            for _, message in heard:
                if "begun" in message:
                    break
        photos = shares.state_of(audit.folder).photos
        with audit.progress.stage(f"Predictions and heatmaps, {told}", photos, "images") as advance:
            passing = count
            while passing:
                _, message = next(heard)
                if "photos" in message:
                    advance(message["photos"], before=message["before"])
                elif "note" in message:
                    audit.progress.note(message["note"])
                passing -= "passed" in message

        def do(jobs: Iterable[Job]) -> Iterator[Mapping[str, Any]]:
            left, idle, waited = iter(jobs), list(children), 0
            while True:
                while idle and (job := next(left, None)) is not None:
                    idle.pop(0).order(job)
                    waited += 1
                if not waited:
                    return
                child, message = next(heard)
                if "idle" in message:
                    idle.append(child)
                    waited -= 1
                elif "note" in message:
                    audit.progress.note(message["note"])
                else:
                    yield message

        make_parts(audit, told, do, count)
        for child in children:
            child.order(None)
        for _ in heard:
            pass


def _heard(
    messages: queue.SimpleQueue[tuple[Child, dict[str, Any] | None]], running: int
) -> Iterator[tuple[Child, Mapping[str, Any]]]:
    """Who tells what, until all processes have ended.

    Raises:
        BiasAuditError, RuntimeError: see `Child.check_end`.
    """
    while running:
        child, message = messages.get()
        if message is None:
            running -= 1
            child.check_end()
        elif "done" in message or "error" in message:
            child.told = message
        else:
            yield child, message
