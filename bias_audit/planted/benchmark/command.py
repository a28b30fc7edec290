"""Runs the command `bias-audit benchmark`: chooses cases, trains and audits models, scores, writes the report."""

from __future__ import annotations

from pathlib import Path

from bias_audit.errors import ConfigError
from bias_audit.planted.benchmark import grid
from bias_audit.planted.benchmark.run import WORK, run_cases
from bias_audit.planted.benchmark.unit import forget_audits
from bias_audit.run.progress import Progress


def benchmark(
    out: Path, *, quick: bool, tune: bool, seeds: int, workers: int, reaudit: bool, progress: Progress
) -> str:
    """Run the cases of the benchmark that are not finished, and score all cases.

    Args:
        out: folder of the report; models and tables are kept in a folder below.
        quick: run a subset of the cases of the report seeds, which takes minutes.
        tune: run the tuning seeds, by which thresholds are chosen; no report is written.
        seeds: number of report or tuning seeds to use; without effect with `quick`.
        workers: number of processes.
        reaudit: audit all trained models again.
        progress: shows the progress.

    Returns:
        The text to print.

    Raises:
        BiasAuditError: options that exclude each other or are out of range, a folder that cannot be written, a worker
            that died, or an audit that refused its input. A case that fails otherwise is noted and left out.
    """
    if quick and tune:
        raise ConfigError("--quick is a subset of the report seeds, --tune runs the tuning seeds: give one of them")
    if not 1 <= seeds <= len(grid.REPORT_SEEDS):
        raise ConfigError(f"seeds must lie in 1..{len(grid.REPORT_SEEDS)}, got {seeds}")
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    chosen = (grid.TUNING_SEEDS if tune else grid.REPORT_SEEDS)[:seeds]
    cases = grid.quick_cases() if quick else [case for seed in chosen for case in grid.cases(seed)]
    if reaudit:
        forget_audits(out / WORK)
    with progress.stage("Planting, training, auditing", len(cases), "models") as advance:
        failed = run_cases(cases, out, workers=workers, done=lambda case, seconds: advance(1))
    for name, reason in failed.items():
        progress.note(f"failed: {name}: {reason}")
    from bias_audit.config import Thresholds
    from bias_audit.planted.benchmark.report import write_report
    from bias_audit.planted.benchmark.score import score
    from bias_audit.planted.benchmark.table import tuning_text
    from bias_audit.planted.benchmark.units import read_units, thresholds_digest

    with progress.stage("Scoring", None):
        thresholds = Thresholds()
        units = read_units([case for case in cases if case.name not in failed], out / WORK, thresholds)
        scored = score(units)
        digest = thresholds_digest(thresholds)
        return tuning_text(scored, digest) if tune else write_report(scored, units, digest, failed, out)
