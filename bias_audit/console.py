"""The only file that prints: progress, tables, error sentences. Rich is imported when something is shown."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from bias_audit.errors import BiasAuditError

if TYPE_CHECKING:
    from rich.console import Console

    from bias_audit.gate import GateResult
    from bias_audit.result import AuditResult

QUIET, NORMAL, VERBOSE = 0, 1, 2

LOG_EVERY = 15.0
"""Seconds between lines of a stage where there is no terminal."""

LOG_WIDTH = 140
"""Columns of a table where there is no terminal to ask."""

_STYLES = {
    "CONTEXT": "cyan",
    "TOO FEW IMAGES": "cyan",
    "MODEL WARNING": "yellow",
    "WATCH": "yellow",
    "COLLATERAL": "magenta",
    "SUSPICIOUS": "bold red",
    "HIDDEN": "bold red",
    "CONFIRMED": "bold white on red",
}

Advance = Callable[[int], None]


class Progress:
    """Shows stages: a bar with rate and time left on a terminal, a few lines in a log, nothing when quiet.

    Args:
        verbosity: QUIET, NORMAL or VERBOSE.
    """

    def __init__(self, verbosity: int = NORMAL) -> None:
        self.verbosity = verbosity

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None, unit: str = "") -> Iterator[Advance]:
        """Show one stage; yields a function that counts finished units. total None = length unknown."""
        if self.verbosity == QUIET:
            yield lambda n: None
        elif sys.stderr.isatty():
            with self._bar(title, total, unit) as advance:
                yield advance
        else:
            yield from self._lines(title, total, unit)

    def note(self, text: str) -> None:
        """A sentence on stderr, unless quiet."""
        if self.verbosity != QUIET:
            print(text, file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        """A sentence on stderr, when verbose."""
        if self.verbosity == VERBOSE:
            print(text, file=sys.stderr, flush=True)

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
                bars.update(task, advance=n, rate=f"{rate:.0f} {unit}/s")

            yield advance
            if total:
                bars.update(task, completed=total)

    def _lines(self, title: str, total: int | None, unit: str) -> Iterator[Advance]:
        start = last = time.monotonic()
        done = 0
        if self.verbosity == VERBOSE:
            self.note(f"{title} ...")

        def advance(n: int) -> None:
            nonlocal done, last
            done += n
            now = time.monotonic()
            if now - last >= LOG_EVERY:
                last = now
                rate = done / (now - start)
                left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
                self.note(f"{title}: {done}{f' of {total}' if total else ''} {unit}, {rate:.0f}/s{left}")

        yield advance
        seconds = time.monotonic() - start
        if seconds >= 2 or self.verbosity == VERBOSE:
            counted = f" {done} {unit}" if done else ""
            self.note(f"{title}:{counted} in {seconds:.1f} s")


def show_error(error: BiasAuditError) -> None:
    """The sentence and the hint on stderr."""
    print(f"bias-audit: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"\n{error.hint}", file=sys.stderr)


def show_result(result: AuditResult, verbosity: int) -> None:
    """Verdict, findings and class table on stdout; only the verdict when quiet."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    if verbosity == QUIET:
        print(result.verdict)
        return
    console.print(Text(result.verdict, style=_STYLES.get(result.level, "bold")))
    console.print()
    _show_findings(console, result)
    _show_classes(console, result)
    for note in result.info.notes:
        console.print(Text(f"- {note}", style="dim"))
    print(f"\nReport: {result.path / 'report.html'}")


def show_gate(gate: GateResult) -> None:
    """The rows that failed or could not be judged, and the verdict."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    shown = [row for row in gate.rows if row.status != "passed"]
    if shown:
        table = Table("", "where", "check", "what", show_lines=False)
        for row in shown:
            style = "bold red" if row.status == "failed" else "yellow"
            subject = Text(row.subject or row.scope)
            table.add_row(Text(row.status, style=style), subject, Text(row.check), Text(row.sentence))
        console.print(table)
    console.print(Text(gate.summary, style="bold green" if gate.passed else "bold red"))


def _show_findings(console: Console, result: AuditResult) -> None:
    from rich.table import Table
    from rich.text import Text

    found = result.found()
    if not found:
        return
    table = Table("level", "rule", "class", "what was done and what happened", show_lines=True)
    for outcome in found:
        style = _STYLES.get(outcome.level or "", "")
        row = (Text(outcome.level or "", style=style), Text(outcome.code), Text(outcome.subject or "-"))
        table.add_row(*row, Text(outcome.sentence))
    console.print(table)


def _show_classes(console: Console, result: AuditResult) -> None:
    from rich.table import Table
    from rich.text import Text

    from bias_audit.tables import class_summary

    summary = class_summary(result.classes)
    most = 30
    table = Table("class", *summary.columns, title="rates with their 95 % interval", title_style="dim")
    rows: Sequence[tuple[object, ...]] = list(summary.itertuples())
    for row in rows[:most]:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)
    if len(rows) > most:
        console.print(f"... and {len(rows) - most} more classes in classes.csv")
