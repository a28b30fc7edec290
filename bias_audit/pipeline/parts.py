"""Parts of the experiments, which several processes make before one of them finishes the audit.

The one that finishes finds their files, as a resumed audit does. So no part decides what a number is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from bias_audit.checks.parts import Phase
from bias_audit.heatmaps import attention
from bias_audit.pipeline import outlines
from bias_audit.pipeline.prepare import Prepared
from bias_audit.run.folder import PARTS
from bias_audit.run.progress import Advance
from bias_audit.run.statuses import OK


class Phases:
    """The phases of an audit, in a process that makes some of their parts.

    Args:
        prepared: the audit, whose photos have all been passed.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._run = prepared.context.run
        self._coming = _phases(prepared)
        self._phase: Phase | None = None
        self._number = -1

    def described(self, number: int) -> dict[str, Any] | None:
        """What is told of a phase: title, total, unit and number of its parts; None = there is no such phase.

        It is kept in the run for `bias-audit status`. All parts of the phases before it must be there.
        """
        phase = self._at(number)
        if phase is None:
            return None
        self._run.write_json(PARTS, {"title": phase.title, "files": phase.files})
        return {"title": phase.title, "total": phase.total, "unit": phase.unit, "parts": len(phase.files)}

    def make(self, number: int, part: int, advance: Advance) -> None:
        """Make a part of a phase, unless it is there; `advance` is told its units.

        Raises:
            ResultError: another process makes it.
        """
        phase = self._at(number)
        assert phase is not None, number
        with self._run.locked(phase.files[part]):
            phase.make(part, advance)

    def _at(self, number: int) -> Phase | None:
        while self._number < number:
            self._phase = next(self._coming, None)
            self._number += 1
        return self._phase


def _phases(prepared: Prepared) -> Iterator[Phase]:
    """First the masks that experiments need (`outlines`), then what the checks declare (`Check.parts`)."""
    context = prepared.context
    declared = [parts for check in prepared.checks if (parts := check.parts(context.config)) is not None]
    if not declared:
        return
    columns = outlines.COLUMNS.union(*(parts.columns for parts in declared))
    batch = context.explainer.model.batch_size
    records = attention.passed(context.dataset, context.geometry, batch, context.run, columns)
    if not any(record["status"] == OK for record in records):  # which the process tells that finishes the audit
        return
    context = dataclasses.replace(context, records=records)
    yield from outlines.phases(context, records)
    for parts in declared:
        yield from parts.phases(context)
