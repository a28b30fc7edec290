"""What a process is told that passes photos of an audit through the model, and how it tells what went wrong."""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit import errors, packages, users_code
from bias_audit.errors import BiasAuditError, ConfigError, ResultError, first_line
from bias_audit.limits.watchdog import late_calls_are_told, late_calls_end_the_process
from bias_audit.run.progress import Progress

OPTION = "--executor"

GO_ON = "Start it again with --resume: what is there is not made twice."


@dataclass(frozen=True)
class SharedAudit:
    """An audit whose photos other processes pass through the model.

    Attributes:
        model, data: what is audited, each by its path or address.
        call: further arguments of `shared.share_audit` by name, the same for all processes.
        progress: display of the progress, in the process that was asked for the audit.
    """

    model: str | Path
    data: Any
    call: Mapping[str, Any]
    progress: Progress

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.call["out"])

    def packed(self) -> bytes:
        """Its arguments as bytes for `unpacked`; whoever sends such bytes can run any code in who unpacks them.

        Raises:
            ConfigError: something in it cannot be handed to another process.
        """
        searches = users_code.searches_working_folder()
        try:
            return pickle.dumps((os.getcwd(), searches, self.model, self.data, dict(self.call)))
        except Exception as error:  # objects of the user's raise anything
            raise ConfigError(
                f"{OPTION}: an argument cannot be handed to another process: {first_line(error)}",
                "Give paths, numbers, text, lists and dicts.",
            ) from error


Pass = Callable[[SharedAudit], None]
"""Makes all shards of an audit that are not there; a BiasAuditError says what went wrong."""


Job = tuple[int, int | None]
"""(number of a phase, number of a part to make of it); part None = to tell what the phase is."""

Jobs = Callable[[Iterable[Job]], Iterator[Mapping[str, Any]]]
"""Lets processes do jobs, and gives what they tell: {"phase": `Phases.described`}, or units of a part with "before"."""


def make_parts(audit: SharedAudit, who: str, do: Jobs, count: int = 1) -> None:
    """Make all parts of the experiments, see `pipeline.parts`, when all photos are passed.

    Args:
        audit: the audit.
        who: makes them, in words.
        do: lets the processes do jobs.
        count: number of processes that find out at the same time what a phase is, where each has to.

    Raises:
        BiasAuditError: a process has failed.
    """
    for number in itertools.count():
        with audit.progress.stage(f"Preparing experiments, {who}", None):
            phase = [told["phase"] for told in do([(number, None)] * count)][-1]
        if phase is None:
            return
        with audit.progress.stage(f"{phase['title']}, {who}", phase["total"], phase["unit"]) as advance:
            for told in do((number, part) for part in range(phase["parts"])):
                advance(told["units"], before=told["before"])


def unpacked(content: bytes) -> tuple[str | Path, Any, dict[str, Any]]:
    """(model, data, call) of a SharedAudit, in whose working folder this process is from now on.

    Raises:
        ConfigError: there is no such folder here.
    """
    folder, searches, model, data, call = pickle.loads(content)
    try:
        os.chdir(folder)
    except OSError as error:
        raise ConfigError(
            f"{OPTION}: the working folder {folder!r} is not there for every process: {error.strerror}",
            "All machines must see the photos, the model and the run folder at the same paths.",
        ) from error
    if searches:
        users_code.search_working_folder()
    return model, data, call


@contextlib.contextmanager
def in_words(late: Callable[[str], None] | None = None) -> Iterator[None]:
    """Context of a process of an executor: what the command line tells in a sentence is a BiasAuditError in it.

    Args:
        late: is told of a call of the model that comes too late; None = it ends the process.

    Raises:
        BiasAuditError: for errors of the system, missing packages and modules that end the program, too.
    """
    ended = "a module ended the process before it was done"
    lateness = late_calls_end_the_process() if late is None else late_calls_are_told(late)
    with lateness, packages.needed(OPTION), users_code.running(ended, exits_only=True):
        try:
            yield
        except OSError as error:
            if error.filename is None or error.errno is None:
                raise
            raise ResultError(f"cannot use {str(error.filename)!r}: {error.strerror}") from error


def as_told(error: BiasAuditError) -> dict[str, str]:
    """An error in words, from which `as_raised` makes it again in another process."""
    return {"error": type(error).__name__, "message": error.message, "hint": error.hint}


def as_raised(told: Mapping[str, str]) -> BiasAuditError:
    """The error that another process told by `as_told`; where its class is none of `errors`, a BiasAuditError."""
    kind: Any = getattr(errors, told["error"], None)
    if not (isinstance(kind, type) and issubclass(kind, BiasAuditError)):
        kind = BiasAuditError
    error: BiasAuditError = kind(told["message"], told["hint"])
    return error
