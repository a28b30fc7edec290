"""Give a cluster of a finished run a name: the run is judged and shown anew, without the model."""

from __future__ import annotations

from pathlib import Path

from bias_audit.checks.base import Measured
from bias_audit.checks.recurring_cues import names
from bias_audit.checks.recurring_cues.check import RecurringCues
from bias_audit.pipeline.finish import judge_again
from bias_audit.run import tables
from bias_audit.run.folder import Run
from bias_audit.run.result import AuditResult, load


def name_in_run(
    folder: Path, cluster_id: str, name: str, judgement: str, file: Path | None = None, *, reviewer: str = ""
) -> AuditResult:
    """Write the name into the file of names, and into the run's table, findings and page.

    Args:
        folder: a finished run.
        cluster_id: of that run.
        name, judgement, reviewer: see `names.name_cue`.
        file: of the names; None = `names.FILE` beside the run.

    Raises:
        ConfigError: no such cluster, an empty name, another judgement, a damaged file of names.
        ResultError: the run is missing or damaged, or something cannot be written.
    """
    result = load(folder)
    file = file or folder.absolute().parent / names.FILE
    names.name_cue(result.cluster_spots, cluster_id, name, judgement, file, reviewer=reviewer)
    rows = [{**row, "name": "", "judgement": ""} for row in tables.rows(result.clusters)]
    spots = tables.rows(result.cluster_spots)
    clusters = tables.table("clusters", names.named(rows, spots, names.read_names(file)))
    run = Run(folder)
    tables.write_table(run, "clusters", clusters)
    measured = Measured({"clusters": clusters, "cluster_spots": result.cluster_spots})
    return judge_again(run, result, RecurringCues(), measured)
