"""Display of an audit's progress: a line per stage on a terminal, a few lines in a log, nothing when quiet.

All messages also go to the logger `bias_audit`, whatever is shown, so that a program that audits quietly can keep them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from bias_audit.limits.spent import Spent, spent
from bias_audit.run.printable import printable
from bias_audit.run.quantities import duration

LOG = logging.getLogger("bias_audit")

QUIET, NORMAL, VERBOSE = 0, 1, 2

LOG_EVERY = 15.0
"""Seconds between two lines about a stage where there is no terminal."""

SETTLED = 1.0
"""Seconds of a stage before a rate or a time left is told: the first units often take longest."""

TICK, CROSS = "\N{CHECK MARK}", "\N{BALLOT X}"


class Advance(Protocol):
    """Counts units of a stage that are done."""

    def __call__(self, n: int, /, *, before: bool = False) -> None:
        """Count `n` more units; `before`: an interrupted audit did them, so that they tell nothing of the speed."""


class Progress:
    """Display of stages: on a terminal a line each, which ends with a tick; a few lines in a log; nothing when quiet.

    Args:
        verbosity: QUIET, NORMAL or VERBOSE.

    Attributes:
        seconds: title of each finished stage -> the seconds that it took, in the order of their beginnings.
        spent: title of each finished stage -> what this thread spent its time on in it, see `limits.spent`.
    """

    def __init__(self, verbosity: int = NORMAL) -> None:
        self.verbosity = verbosity
        self.seconds: dict[str, float] = {}
        self.spent: dict[str, Spent] = {}
        self._begun = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the display was made."""
        return time.monotonic() - self._begun

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
        stage, before = Stage(title, total, unit), spent()
        with self._shown(stage) as advance:
            yield advance
        self.spent[title] = self.spent.get(title, Spent()) + (spent() - before)
        self.seconds[title] = self.seconds.get(title, 0.0) + stage.elapsed()
        LOG.info("%s:%s in %.1f s", title, f" {stage.done} {unit}" if stage.done else "", stage.elapsed())

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
        if sys.stderr.isatty():  # a log keeps a sentence on one line, where it is looked for
            text = textwrap.fill(text, shutil.get_terminal_size().columns, break_on_hyphens=False)
        print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _shown(self, stage: Stage) -> Iterator[Advance]:
        if self.verbosity == QUIET:
            yield stage.advance
        elif sys.stderr.isatty():
            with _bar(stage) as advance:
                yield advance
        else:
            yield from self._lines(stage)

    def _lines(self, stage: Stage) -> Iterator[Advance]:
        last = time.monotonic()
        if self.verbosity == VERBOSE:
            self._print(f"{stage.title} ...")

        def advance(n: int, /, *, before: bool = False) -> None:
            nonlocal last
            stage.advance(n, before=before)
            now = time.monotonic()
            if now - last >= LOG_EVERY:
                last = now
                self._print(f"{stage.title}: {stage.so_far()}")

        yield advance
        if stage.elapsed() >= 2 or self.verbosity == VERBOSE:
            self._print(f"{stage.title}: {stage.at_end()}")


class Stage:
    """A stage that is running: how many of its units are done, and how fast.

    Args:
        title, total, unit: see `Progress.stage`.
        clock: gives the seconds since some moment.
    """

    def __init__(
        self, title: str, total: int | None, unit: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = 0
        self._before = 0
        self._clock = clock
        self._begun = self._since = self._counted = clock()

    def advance(self, n: int, /, *, before: bool = False) -> None:
        """Count units, see `Advance`."""
        self.done += n
        self._counted = self._clock()
        if before:
            self._before += n
            self._since = self._counted

    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return self._clock() - self._begun

    def known(self) -> int | None:
        """The number of units; None where nobody knows it, or where more are done than there should be."""
        return self.total if self.total and self.total >= self.done else None

    def so_far(self) -> str:
        """What is done, how fast, and what is left where that is known: "12 of 40 images, 2.5 s each, 1 min 10 s left".

        A total that turned out too small is not told.
        """
        known = self.known()
        counted = f"{self.done:,}{f' of {known:,}' if known else ''} {self.unit}".rstrip()
        taken, made = self._counted - self._since, self.done - self._before
        if not made or taken < SETTLED:
            return counted
        waited = self._clock() - self._counted
        left = (known - self.done) * taken / made - waited if known else 0.0
        return f"{counted}, {rate(made, taken)}{f', {duration(left)} left' if left > 0 else ''}"

    def at_end(self) -> str:
        """What was done, and the seconds that it took: "40 images in 12 s"."""
        counted = f"{self.done:,} {self.unit}".rstrip() + " " if self.done else ""
        return f"{counted}in {duration(self.elapsed())}"


def rate(done: int, seconds: float) -> str:
    """How fast units are done: "37/s", "3.2/s", and below one a second "2.5 s each".

    Args:
        done: number of units, at least 1.
        seconds: the time that they took, above 0.
    """
    per_second = done / seconds
    if per_second < 0.95:
        return f"{duration(seconds / done)} each"
    return f"{per_second:z.1f}/s" if per_second < 9.95 else f"{per_second:z,.0f}/s"


@contextlib.contextmanager
def _bar(stage: Stage) -> Iterator[Advance]:
    """The line of a stage on a terminal: a spinner, the title, a bar where the total is known, and what is done.

    At the end the spinner becomes a tick, or a cross where an exception ended the stage.
    """
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Mark(SpinnerColumn):
        def render(self, task: Task) -> Any:
            end = task.fields["end"]
            return Text(end, style="green" if end == TICK else "red") if end else super().render(task)

    class Bar(ProgressColumn):
        def render(self, task: Task) -> Any:
            running = stage.total and not task.fields["end"]
            return BarColumn(bar_width=12).render(task) if running else Text("")

    class Done(ProgressColumn):
        def render(self, task: Task) -> Text:
            if task.fields["end"]:
                return Text(stage.at_end(), style="dim")
            return Text(stage.so_far() if stage.done else duration(stage.elapsed()), no_wrap=True, overflow="ellipsis")

    # A terminal of its own: importing TensorFlow silences the process's stderr for seconds.
    terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w")
    title = TextColumn("{task.description}", markup=False)
    with terminal, RichProgress(Mark(), title, Bar(), Done(), console=Console(file=terminal)) as bars:
        task = bars.add_task(stage.title, total=stage.total, end="")

        def advance(n: int, /, *, before: bool = False) -> None:
            stage.advance(n, before=before)
            bars.update(task, advance=n)

        end = CROSS
        try:
            yield advance
            end = TICK
        finally:
            bars.update(task, end=end)
