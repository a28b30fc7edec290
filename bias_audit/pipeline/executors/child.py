"""A process that passes one share of the photos of an audit through the model, for `executors.local`.

It reads what to do from stdin, as its parent alone can write it, and tells a line of JSON about each thing that happens
on what was stdout. Since stdin is the parent's for as long as that lives, its end is the end of this process as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

from bias_audit.errors import BiasAuditError
from bias_audit.pipeline.executors.work import as_told, in_words, unpacked
from bias_audit.pipeline.shared import STAGE, share_audit
from bias_audit.run.progress import QUIET, Advance, Progress, Stage
from bias_audit.run.shares import Share

ORPHANED = 130
"""Exit code of a process whose parent has ended, which nobody sees."""


class Told(Progress):
    """Progress that is told to the parent: photos of the pass, and what is noticed during it.

    The parent goes through all other stages itself, and notices there what is to be noticed.

    Args:
        title: of the stage that is told.
        parent: where the lines go.
    """

    def __init__(self, title: str, parent: BinaryIO) -> None:
        super().__init__(QUIET)
        self._title, self._parent, self._passing = title, parent, False

    def tell(self, **message: Any) -> None:
        """Tell a line."""
        self._parent.write(json.dumps(message).encode() + b"\n")
        self._parent.flush()

    @contextlib.contextmanager
    def _shown(self, stage: Stage) -> Iterator[Advance]:
        self._passing = stage.title == self._title

        def advance(n: int, /, *, before: bool = False) -> None:
            stage.advance(n, before=before)
            if self._passing:
                self.tell(photos=n, before=before)

        if self._passing:
            self.tell(begun=True)
        try:
            yield advance
        finally:
            self._passing = False

    def note(self, text: str) -> None:
        """Tell a sentence, if it is about the pass."""
        if self._passing:
            self.tell(note=text)


def main() -> None:
    """Do what stdin says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent, which ends this process
    number, of, size = json.loads(sys.stdin.buffer.readline())
    content = sys.stdin.buffer.read(size)
    share = Share(number, of)
    alive, told = os.dup(sys.stdin.fileno()), os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    with open(os.devnull) as nothing:  # code of the user reads and prints without harm
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=_end_with_parent, args=(alive,), name="parent", daemon=True).start()
    progress = Told(STAGE.format(share), told)
    try:
        with in_words():
            model, data, call = unpacked(content)
            share_audit(share, model, data, progress=progress, **call)
    except BiasAuditError as error:
        progress.tell(**as_told(error))
    else:
        progress.tell(done=True)


def _end_with_parent(alive: int) -> None:
    while os.read(alive, 1):
        pass
    os._exit(ORPHANED)
