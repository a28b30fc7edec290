"""Display of progress in a notebook: a bar for the stage that runs, and the stages before it with their seconds."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Iterator
from typing import Any

from bias_audit.run.printable import printable
from bias_audit.run.progress import QUIET, Advance, Progress

BETWEEN = 0.1
"""Fewest seconds between two drawings of a bar."""

TICK, CROSS = "\N{CHECK MARK}", "\N{BALLOT X}"


def usual() -> Progress:
    """The display of a function that was given none: a bar in a notebook, and nothing elsewhere."""
    return NotebookProgress() if in_notebook() else Progress(QUIET)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook (Jupyter, Colab, VS Code and the like)."""
    ipython = sys.modules.get("IPython")  # a kernel has loaded it
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookProgress(Progress):
    """Display of stages in a notebook: one output, which is replaced as the work goes on; it asks for no widgets."""

    def __init__(self) -> None:
        super().__init__(QUIET)  # what is shown is shown here; the logger hears of everything
        self._before: list[str] = []
        self._notes: list[str] = []
        self._running = ""
        self._output: Any = None

    @contextlib.contextmanager
    def stage(self, title: str, total: int | None, unit: str = "") -> Iterator[Advance]:
        """Context that shows one stage, see `Progress.stage`."""
        start = drawn = time.monotonic()
        done = 0
        self._show(_bar(title, done, total, unit))
        ended = CROSS
        try:
            with super().stage(title, total, unit) as count:

                def advance(n: int) -> None:
                    nonlocal done, drawn
                    count(n)
                    done += n
                    now = time.monotonic()
                    if now - drawn >= BETWEEN:
                        drawn = now
                        self._show(_bar(title, done, total, unit))

                yield advance
            ended = TICK
        finally:
            counted = f" {done:,} {unit}" if done else ""
            self._before.append(f"{ended} {title}:{counted} in {time.monotonic() - start:z.1f} s")
            self._show("")

    def note(self, text: str) -> None:
        """Show a sentence below the bar; it is logged at INFO."""
        super().note(text)
        self._notes.append(text)
        self._show(self._running)

    def _show(self, running: str) -> None:
        """Show a bar ("" = nothing runs), the stages that have ended, and the notes."""
        from IPython.display import HTML, display

        self._running = running
        lines = "<br>".join(map(_text, self._before))
        notes = "".join(f"<p>{_text(note)}</p>" for note in self._notes)
        page = HTML(f"<div>{running}<small>{lines}</small>{notes}</div>")
        if self._output is None:
            self._output = display(page, display_id=True)
        else:
            self._output.update(page)


def _bar(title: str, done: int, total: int | None, unit: str) -> str:
    known = total if total and total >= done else None
    told = f"{done:,}{f' of {known:,}' if known else ''} {unit}" if done else ""
    amount = f'value="{done}" max="{known}"' if known else ""  # without these the bar says only that something runs
    return f"<div><label>{_text(title)} <progress {amount}></progress></label> {_text(told)}</div>"


def _text(text: object) -> str:
    return html.escape(printable(text))
