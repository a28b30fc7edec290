"""Imports and runs code that a user names; whatever this code raises becomes one sentence."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from bias_audit.errors import BiasAuditError, ConfigError

IMPORTABLE = "the module must be importable (pip install it, set PYTHONPATH, or keep it in the working folder)"
"""Hint that says how a user's module is found."""

_folder: str | None = None


def search_working_folder() -> None:
    """Let `import_module` find modules of the working folder as well, for a command line.

    The folder is put on the path when the first module is imported, and at its end: a `keras.py` that happens to lie in
    a folder of models is not what anybody named.
    """
    global _folder
    _folder = os.getcwd()


def searches_working_folder() -> bool:
    """Whether modules of the working folder are found as well."""
    return _folder is not None


def import_module(name: str) -> Any:
    """Import the module of this name; call this function within `running`.

    Raises:
        BaseException: whatever the module raises.
    """
    if _folder is not None and _folder not in sys.path:
        sys.path.append(_folder)
    return importlib.import_module(name)


def import_function(name: str, what: str, hint: str) -> Any:
    """Import a function that is named as `module:function`.

    Args:
        name: `module:function`.
        what: what the function is to the user, such as "preprocess function".
        hint: what to do where the function cannot be imported.

    Raises:
        ConfigError: the function cannot be imported.
    """
    module, _, attribute = name.partition(":")
    with running(f"cannot import the {what} {name!r}", hint, kind=False):
        return getattr(import_module(module), attribute)


@contextlib.contextmanager
def running(said: str, hint: str = "", *, kind: bool = True, exits_only: bool = False) -> Iterator[None]:
    """A context in which anything that a user's code raises becomes a ConfigError of one sentence.

    SystemExit is included: a module that calls `sys.exit()` would end an audit, and the gate after it, with exit code
    0. KeyboardInterrupt is included as well, unless somebody pressed Ctrl-C.

    Args:
        said: beginning of the sentence.
        hint: what to do.
        kind: whether the sentence names the kind of error, too.
        exits_only: whether only errors that are no `Exception`, such as SystemExit, become a ConfigError.

    Raises:
        ConfigError: `said: what was raised`.
        KeyboardInterrupt: Ctrl-C was pressed.
        BiasAuditError: as the code inside raised it.
        Exception: with `exits_only`, as the code inside raised it.
    """
    with interruptions() as pressed:
        try:
            yield
        except BaseException as error:
            if isinstance(error, BiasAuditError) or (isinstance(error, KeyboardInterrupt) and pressed()):
                raise
            if exits_only and isinstance(error, Exception):
                raise
            raise ConfigError(f"{said}: {raised(error, kind=kind)}", hint) from error


@contextlib.contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """A context that yields a function which says whether Ctrl-C was pressed since the context was entered.

    Code can raise KeyboardInterrupt by itself, so the exception alone does not tell.
    """
    came = False

    def note(number: int, frame: Any) -> Any:
        nonlocal came
        came = True
        return before(number, frame) if callable(before) else None

    # Signals reach the main thread only, so Ctrl-C cannot interrupt any other thread.
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    if not callable(before):
        yield lambda: came
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGINT, before)


def raised(error: BaseException, *, kind: bool = True) -> str:
    """An error in words, on one line; an error that would end the program says where it was raised."""
    text = " ".join(str(error).split())
    if not isinstance(error, Exception):
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}{f' {text}' if text else ''}, raised in {place.filename}, line {place.lineno}"
    return f"{type(error).__name__}: {text}" if kind or not text else text
