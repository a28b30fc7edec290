"""What a process is told that passes photos of an audit through the model, and how it tells what went wrong."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bias_audit import errors, packages, users_code
from bias_audit.errors import BiasAuditError, ConfigError, ResultError, first_line
from bias_audit.limits.watchdog import late_calls_end_the_process
from bias_audit.run.progress import Progress

OPTION = "--executor"


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
def in_words() -> Iterator[None]:
    """Context of a process of an executor: what the command line tells in a sentence is a BiasAuditError in it.

    Raises:
        BiasAuditError: for errors of the system, missing packages and modules that end the program, too.
    """
    ended = "a module ended the process before it was done"
    with late_calls_end_the_process(), packages.needed(OPTION), users_code.running(ended, exits_only=True):
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
