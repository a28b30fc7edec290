"""Work of a check that several processes can do together: phases, each of parts that do not depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bias_audit.errors import ResultError

if TYPE_CHECKING:
    from bias_audit.checks.base import Context
    from bias_audit.run.folder import Run
    from bias_audit.run.progress import Advance, Progress


@dataclass(frozen=True)
class Phase:
    """Parts that can be made at the same time, each into a file of the run folder.

    Attributes:
        title: of its stage in the display of the progress.
        total: number of units in all parts, at most.
        unit: what is counted, in the plural.
        files: the file that each part makes, by its path inside the run folder.
        make: makes a part by its number and counts its units; a file that is there is read.
        prepare: does what parts that are not there need, where that has a stage of its own; where it was not called,
            `make` does the same.
    """

    title: str
    total: int
    unit: str
    files: tuple[str, ...]
    make: Callable[[int, Advance], None]
    prepare: Callable[[], None] = lambda: None

    def in_one_process(self, progress: Progress) -> None:
        """Make all parts, one after the other."""
        self.prepare()
        with progress.stage(self.title, self.total, self.unit) as advance:
            for number in range(len(self.files)):
                self.make(number, advance)


@dataclass(frozen=True)
class Parts:
    """What of a check's measurement can be made in parts.

    Attributes:
        columns: columns of `Context.records` that the phases read; the others may be missing.
        phases: gives the phases one after the other. The next one is asked for when all files of the one before are
            there, and every process finds the same number of them, whatever was there before.
    """

    columns: frozenset[str]
    phases: Callable[[Context], Iterator[Phase]]


def missing(run: Run, file: str) -> ResultError:
    """What is wrong where a file of a phase is missing, or damaged, that others have made."""
    return ResultError(
        f"{str(run.path / file)!r} is missing or damaged", "Start the audit again with --resume, which makes it anew."
    )
