"""Watches calls of the model that may never return, such as a graph with an endless loop.

Nothing can end such a call but the end of the process. So the command line lets a late call write one sentence and end
the process with exit code 2 (`late_calls_end_the_process`); files of a run are written whole or not at all, and
`audit --resume` goes on. A program that calls the package from Python is not ended: there, a late call is logged as a
warning, and it is up to the program to give up.

The thread that watches is started by the first call. Its clock is its own ticks: time in which the computer sleeps or
the process is stopped is not the model's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from bias_audit.limits.bounds import flag
from bias_audit.limits.spent import call_begins, call_ends

LOG = logging.getLogger("bias_audit")

EXIT_LATE = 2
"""Exit code of a command that was ended: bad input, as in `cli.options.EXIT_CODES`."""

TICK = 1.0
"""Seconds between two looks; a tick that took longer, for want of a processor, counts as two at most."""

NOWHERE = -1

_running: dict[int, watched] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None
_ending: int | None = None
"""File to which the sentence goes before the process ends; None = late calls are logged."""
_teller: Callable[[str], None] | None = None
"""Is told the sentence instead, and the process goes on; None = nobody is."""


class watched:
    """Context of one call of the model.

    Args:
        what: what is done, the subject of the sentence: "a prediction of 32 images".
        seconds: most seconds that it may take.
        pictures: number of pictures that the model is given, for `limits.spent`.
    """

    def __init__(self, what: str, seconds: float, pictures: int = 0) -> None:
        self.what, self.seconds, self.pictures, self.spent, self.told = what, seconds, pictures, 0.0, False

    def __enter__(self) -> None:
        _running[id(self)] = self  # one operation on a dictionary, which needs no lock
        if _thread is None:
            _start()
        call_begins()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        call_ends(self.pictures)
        _running.pop(id(self), None)


@contextlib.contextmanager
def late_calls_end_the_process() -> Iterator[None]:
    """Context of a command, in which a late call ends the process instead of being logged."""
    global _ending
    before = _ending
    try:
        _ending = os.dup(2)  # what is imported meanwhile may have silenced stderr itself
    except OSError:  # there is none: the exit code has to do
        _ending = NOWHERE
    try:
        yield
    finally:
        if _ending not in (None, NOWHERE):
            os.close(_ending)
        _ending = before


@contextlib.contextmanager
def late_calls_are_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Context in which the sentence about a late call is told, by the thread that watches, to who then gives up."""
    global _teller
    before, _teller = _teller, tell
    try:
        yield
    finally:
        _teller = before


def sentence(call: watched) -> str:
    """What is said of a late call."""
    return (
        f"{call.what} has not returned within {call.seconds:g} seconds, the limit seconds_per_call "
        f"(raise it with {flag('seconds_per_call', max(2 * call.seconds, 1))})"
    )


def look(passed: float, end: Callable[[str], None]) -> None:
    """Add the seconds that passed to every running call, and tell of those that are late for the first time.

    Args:
        passed: seconds since the last look.
        end: called with the sentence about a late call.
    """
    for call in list(_running.values()):
        call.spent += passed
        if call.spent >= call.seconds and not call.told:
            call.told = True
            end(sentence(call))


def _start() -> None:
    global _thread
    with _lock:
        if _thread is None:
            _thread = threading.Thread(target=_watch, name="seconds per call", daemon=True)
            _thread.start()


def _watch() -> None:
    last = time.monotonic()
    while True:
        tick = min([TICK, *(call.seconds / 4 for call in list(_running.values()))])
        time.sleep(max(tick, 0.01))
        now = time.monotonic()
        look(min(now - last, 2 * tick), _late)
        last = now


def _late(said: str) -> None:
    if _teller is not None:
        _teller(said)
        return
    if _ending is None:
        LOG.warning("%s", said)
        return
    end = "\033[?25h\n" if sys.stderr is not None and sys.stderr.isatty() else ""  # progress bars hide the cursor
    text = f"{end}bias-audit: {said}\n\nAn unfinished audit continues with --resume.\n"
    with contextlib.suppress(OSError):
        os.write(_ending, text.encode("utf-8", "backslashreplace"))
    os._exit(EXIT_LATE)
