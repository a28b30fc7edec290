"""Display of progress in a notebook: a bar for the stage that runs, and the stages before it with their seconds."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Iterator
from typing import Any

from bias_audit.run.printable import printable
from bias_audit.run.progress import CROSS, QUIET, TICK, Advance, Progress, Stage

BETWEEN = 0.1
"""Fewest seconds between two drawings of a bar."""


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
    def _shown(self, stage: Stage) -> Iterator[Advance]:
        drawn = time.monotonic()
        self._show(_bar(stage))

        def advance(n: int, /, *, before: bool = False) -> None:
            nonlocal drawn
            stage.advance(n, before=before)
            now = time.monotonic()
            if now - drawn >= BETWEEN:
                drawn = now
                self._show(_bar(stage))

        ended = CROSS
        try:
            yield advance
            ended = TICK
        finally:
            counted = f" {stage.done:,} {stage.unit}" if stage.done else ""
            self._before.append(f"{ended} {stage.title}:{counted} in {stage.elapsed():z.1f} s")
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


def _bar(stage: Stage) -> str:
    known = stage.known()
    told = stage.so_far() if stage.done else ""
    amount = f'value="{stage.done}" max="{known}"' if known else ""  # without these it says only that something runs
    return f"<div><label>{_text(stage.title)} <progress {amount}></progress></label> {_text(told)}</div>"


def _text(text: object) -> str:
    return html.escape(printable(text))
