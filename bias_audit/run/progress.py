"""Display of an audit's progress: a bar on a terminal, a few lines in a log, nothing when quiet.

All messages also go to the logger `bias_audit`, whatever is shown, so that a program that audits quietly can keep them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator

from bias_audit.run.printable import printable

LOG = logging.getLogger("bias_audit")

QUIET, NORMAL, VERBOSE = 0, 1, 2

LOG_EVERY = 15.0
"""Seconds between two lines about a stage where there is no terminal."""

Advance = Callable[[int], None]


class Progress:
    """Display of stages: a bar with rate and time left on a terminal, a few lines in a log, nothing when quiet.

    Args:
        verbosity: QUIET, NORMAL or VERBOSE.
    """

    def __init__(self, verbosity: int = NORMAL) -> None:
        self.verbosity = verbosity

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None, unit: str = "") -> Iterator[Advance]:
        """Context that shows one stage; it gives a function to call with the number of units done since the last call.

        The beginning is logged at DEBUG; the end, with the number of units and the seconds, at INFO.

        Args:
            title: name of the stage.
            total: number of units; None = unknown.
            unit: what is counted, in the plural.
        """
        LOG.debug("%s begins", title)
        start, done = time.monotonic(), 0
        with self._shown(title, total, unit) as advance:

            def count(n: int) -> None:
                nonlocal done
                done += n
                advance(n)

            yield count
        LOG.info("%s:%s in %.1f s", title, f" {done} {unit}" if done else "", time.monotonic() - start)

    def note(self, text: str) -> None:
        """Print a sentence on stderr, unless quiet; it is logged at INFO."""
        text = printable(text)
        LOG.info("%s", text)
        if self.verbosity != QUIET:
            self._print(text)

    def detail(self, text: str) -> None:
        """Print a sentence on stderr, if verbose; it is logged at DEBUG."""
        text = printable(text)
        LOG.debug("%s", text)
        if self.verbosity == VERBOSE:
            self._print(text)

    def _print(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _shown(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        if self.verbosity == QUIET:
            yield lambda n: None
        elif sys.stderr.isatty():
            with self._bar(title, total, unit) as advance:
                yield advance
        else:
            yield from self._lines(title, total, unit)

    @contextlib.contextmanager
    def _bar(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        counted = (MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()) if total else ()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), *counted, TimeElapsedColumn())
        start, done = time.monotonic(), 0
        # A terminal of its own: importing TensorFlow silences the process's stderr for seconds.
        terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w")
        with terminal, RichProgress(*columns, console=Console(file=terminal)) as bars:
            task = bars.add_task(title, total=total, rate="")

            def advance(n: int) -> None:
                nonlocal done
                done += n
                rate = done / max(time.monotonic() - start, 1e-9)
                bars.update(task, advance=n, rate=f"{rate:z.0f} {unit}/s")

            yield advance
            if total:
                bars.update(task, completed=total)

    def _lines(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        start = last = time.monotonic()
        done = 0
        if self.verbosity == VERBOSE:
            self._print(f"{title} ...")

        def advance(n: int) -> None:
            nonlocal done, last
            done += n
            now = time.monotonic()
            if now - last >= LOG_EVERY:
                last = now
                rate = done / (now - start)
                left = f", {(total - done) / rate:z.0f} s left" if total and rate else ""
                self._print(f"{title}: {done}{f' of {total}' if total else ''} {unit}, {rate:z.0f}/s{left}")

        yield advance
        seconds = time.monotonic() - start
        if seconds >= 2 or self.verbosity == VERBOSE:
            counted = f" {done} {unit}" if done else ""
            self._print(f"{title}:{counted} in {seconds:z.1f} s")
