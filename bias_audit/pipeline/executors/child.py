"""A process that passes one share of the photos of an audit through the model, for `executors.local`.

Then it makes the parts of the experiments that its parent orders. It reads what to do from stdin, as its parent alone
can write it, and tells a line of JSON about each thing that happens on what was stdout. Since stdin is the parent's for
as long as that lives, its end is the end of this process as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from bias_audit.errors import BiasAuditError
from bias_audit.pipeline.executors.work import Job, as_told, in_words, unpacked
from bias_audit.pipeline.parts import Phases
from bias_audit.pipeline.shared import STAGE, begin_share, pass_share
from bias_audit.run.lock import gives_back
from bias_audit.run.progress import QUIET, Advance, Progress, Stage
from bias_audit.run.shares import Share

ORPHANED = 130
"""Exit code of a process whose parent has ended, which nobody sees."""


class Told(Progress):
    """Progress that is told to the parent: photos of the pass, and what is noticed during it and while parts are made.

    The parent goes through all other stages itself, and notices there what is to be noticed.

    Args:
        title: of the stage that is told.
        parent: where the lines go.
    """

    def __init__(self, title: str, parent: BinaryIO) -> None:
        super().__init__(QUIET)
        self._title, self._parent = title, parent
        self.working = False

    def tell(self, **message: Any) -> None:
        """Tell a line."""
        self._parent.write(json.dumps(message).encode() + b"\n")
        self._parent.flush()

    @contextlib.contextmanager
    def _shown(self, stage: Stage) -> Iterator[Advance]:
        if stage.title != self._title:
            yield stage.advance
            return

        def advance(n: int, /, *, before: bool = False) -> None:
            stage.advance(n, before=before)
            self.tell(photos=n, before=before)

        self.tell(begun=True)
        with self.works():
            yield advance

    @contextlib.contextmanager
    def works(self) -> Iterator[None]:
        """Context in which this process does what no other does."""
        self.working = True
        try:
            yield
        finally:
            self.working = False

    def note(self, text: str) -> None:
        """Tell a sentence, if it is about what this process alone does."""
        if self.working:
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
    orders: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(alive, orders), name="parent", daemon=True).start()
    progress = Told(STAGE.format(share), told)
    try:
        with in_words():
            model, data, call = unpacked(content)
            _work(share, model, data, call, progress, orders)
    except BiasAuditError as error:
        progress.tell(**as_told(error))
    else:
        progress.tell(done=True)


@gives_back
def _work(
    share: Share,
    model: Any,
    data: Any,
    call: Mapping[str, Any],
    progress: Told,
    orders: queue.SimpleQueue[Job | None],
) -> None:
    """Pass the share, and then do jobs until there are no more."""
    prepared = begin_share(share.doing, model, data, progress=progress, **call)
    pass_share(prepared, share)
    progress.tell(passed=True)
    phases = Phases(prepared)

    def advance(n: int, /, *, before: bool = False) -> None:
        progress.tell(units=n, before=before)

    while (job := orders.get()) is not None:
        number, part = job
        if part is None:
            progress.tell(phase=phases.described(number))
        else:
            with progress.works():
                phases.make(number, part, advance)
        progress.tell(idle=True)


def _listen(alive: int, orders: queue.SimpleQueue[Job | None]) -> None:
    with os.fdopen(alive, "rb") as lines:
        for line in lines:
            orders.put(json.loads(line))
    os._exit(ORPHANED)
