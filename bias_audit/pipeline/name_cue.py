"""Naming of a recurring cue in a finished run; the run is judged and its page written again, without the model."""

from __future__ import annotations

from pathlib import Path

from bias_audit.checks.base import Measured
from bias_audit.checks.recurring_cues import names
from bias_audit.checks.recurring_cues.check import RecurringCues
from bias_audit.pipeline.finish import judge_again
from bias_audit.run import tables
from bias_audit.run.cue_titles import cue_titles
from bias_audit.run.folder import Run
from bias_audit.run.lock import PATIENCE, gives_back, hold
from bias_audit.run.result import AuditResult, load


@gives_back
def name_in_run(
    folder: Path, cue_id: str, name: str, judgement: str, file: Path | None = None, *, reviewer: str = ""
) -> AuditResult:
    """Name a cue of a finished run: in the file of names, and in the run's table, outcomes and page.

    Args:
        folder: folder of a finished run.
        cue_id: id of a cue of that run, or its title ("cue 1 of wolf", or the name that it has).
        name, judgement, reviewer: see `names.name_cue`.
        file: the file of names; None = `names.FILE` beside the run folder.

    Returns:
        the run with the new outcomes and verdict.

    Raises:
        ConfigError: the run has no such cue, the name is empty, the judgement is unknown, or the file is damaged.
        ResultError: the run is missing or damaged, or something cannot be written.
    """
    result = load(folder)
    hold(folder, "the naming of a cue", PATIENCE)
    result = load(folder)  # as it is now, after waiting
    file = file or folder.absolute().parent / names.FILE
    cue = names.called(cue_titles(tables.rows(result.cues)), cue_id)
    names.name_cue(result.cue_spots, cue, name, judgement, file, reviewer=reviewer)
    rows = [{**row, "name": "", "judgement": ""} for row in tables.rows(result.cues)]
    spots = tables.rows(result.cue_spots)
    cues = tables.table("cues", names.named(rows, spots, names.read_names(file)))
    measured = Measured({"cues": cues, "cue_spots": result.cue_spots})
    return judge_again(Run(folder), result, RecurringCues(), measured, {"cues": cues})
