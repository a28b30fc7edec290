"""Runs the command `bias-audit benchmark`: chooses cases, trains and audits models, scores, writes the report."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from bias_audit.errors import ConfigError, ResultError
from bias_audit.planted.benchmark import catalogue, grid
from bias_audit.planted.benchmark.judging import package_digest
from bias_audit.planted.benchmark.run import WORK, run_cases
from bias_audit.planted.benchmark.unit import forget_audits
from bias_audit.run.progress import Progress

ALL = "all"
"""In place of the names of units: all of them."""


def benchmark(
    out: Path,
    *,
    quick: bool,
    tune: bool,
    seeds: int | None,
    worlds: Sequence[str],
    units: Sequence[str],
    workers: int,
    reaudit: bool,
    commit: str,
    progress: Progress,
    stages: bool = False,
) -> str:
    """Run the cases of the benchmark that are not finished, and score all cases.

    A case that was trained and audited before is not trained and audited again; where the package has changed since,
    its kept audit is judged again. After each seed the rows of its cases are kept beside the report (`records`): with
    them the benchmark goes on, by the same package, where models and audits are gone.

    Args:
        out: folder of the report; models and audits are kept in a folder below.
        quick: run a subset of the cases of the report seeds, which takes minutes.
        tune: run the tuning seeds, by which rules are chosen; no report is written.
        seeds: number of report or tuning seeds to use; None = all. Without effect with `quick`.
        worlds: kinds of worlds (keys of `grid.KINDS`) to run, with `tune`; empty = all.
        units: units (keys of `catalogue.UNITS`) to run, or ALL; reported on seeds of their own. Empty = the unit of
            complete masks alone, on its report seeds.
        workers: number of processes.
        reaudit: audit all trained models again.
        commit: commit of the repository, which the report names; "" = none.
        progress: shows the progress.
        stages: train and audit nothing, and compare audits in stages with the kept ones of these cases (`stages`).

    Returns:
        The text to print.

    Raises:
        BiasAuditError: options that exclude each other or are out of range, a folder that cannot be written, a worker
            that died, or an audit that refused its input. A case that fails otherwise is noted and left out.
    """
    if quick and tune:
        raise ConfigError("--quick is a subset of the report seeds, --tune runs the tuning seeds: give one of them")
    if units and (quick or worlds):
        raise ConfigError("--units goes with neither --quick nor --worlds: these are parts of one unit")
    if unknown := sorted(set(units) - {*catalogue.UNITS, ALL}):
        raise ConfigError(f"no unit {', '.join(unknown)}", f"Units: {ALL}, {', '.join(catalogue.UNITS)}.")
    if worlds and not tune:
        raise ConfigError("--worlds goes with --tune: a report has all worlds")
    if unknown := sorted(set(worlds) - set(grid.KINDS)):
        raise ConfigError(f"no kind of world {', '.join(unknown)}", f"Kinds: {', '.join(grid.KINDS)}.")
    if commit and not re.fullmatch(r"[0-9a-f]{7,40}", commit):
        raise ConfigError(f"a commit is 7 to 40 hex digits, got {commit!r}", "Give --commit $(git rev-parse HEAD).")
    known = grid.TUNING_SEEDS if tune else catalogue.UNIT_REPORT_SEEDS if units else grid.REPORT_SEEDS
    if seeds is not None and not 1 <= seeds <= len(known):
        raise ConfigError(f"seeds must lie in 1..{len(known)}, got {seeds}")
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}")
    chosen = () if ALL in units else units or (catalogue.COMPLETE_MASKS,)
    cases = [case for seed in known[:seeds] for case in catalogue.cases_of(seed, chosen)]
    cases = grid.quick_cases() if quick else cases
    cases = [case for case in cases if not worlds or case.kind in worlds]
    if stages:
        return _in_stages(cases, out / WORK, progress)
    if reaudit:
        forget_audits(out / WORK)
    from bias_audit.planted.benchmark import records
    from bias_audit.planted.benchmark import units as tables

    kept = None if tune or reaudit else records.read_records(out, cases, package_digest())
    missing = records.without(cases, kept)
    parts = [] if kept is None else [kept]
    failed: dict[str, str] = {}
    with progress.stage("Planting, training, auditing", len(cases), "models") as advance:
        advance(len(cases) - len(missing))
        for _, group in itertools.groupby(missing, lambda case: case.seed):
            of_seed = list(group)
            failed |= run_cases(of_seed, out, workers=workers, done=lambda case, seconds: advance(1))
            if finished := [case for case in of_seed if case.name not in failed]:
                parts.append(tables.read_units(finished, out / WORK))
                if not tune:
                    records.write_records(out, records.joined(parts))
    for name, reason in failed.items():
        progress.note(f"failed: {name}: {reason}")
    if not parts:
        raise ResultError("every case of the benchmark failed", f"The first: {next(iter(failed.values()))}")
    from bias_audit.config import Thresholds
    from bias_audit.planted.benchmark.by_unit import score_units
    from bias_audit.planted.benchmark.report import write_report
    from bias_audit.planted.benchmark.score import score
    from bias_audit.planted.benchmark.table import Made, tuning_text

    with progress.stage("Scoring", None):
        classes, findings = records.joined(parts)
        complete = classes[classes["unit"] == catalogue.COMPLETE_MASKS]
        scored = score(complete, findings[findings["model"].isin(complete["model"])]) if len(complete) else None
        by_unit = score_units(classes) if units else None
        audited = tuple(sorted(classes["package"].unique()))
        made = Made(commit, package_digest(), audited, tables.thresholds_digest(Thresholds()))
        if tune:
            return tuning_text(scored, made, by_unit)
        return write_report(scored, by_unit, classes, made, failed, out)


def _in_stages(cases: Sequence[grid.Case], work: Path, progress: Progress) -> str:
    from bias_audit.planted.benchmark.stages import compare, told
    from bias_audit.planted.benchmark.unit import RUN, unit_folder

    kept = [case for case in cases if (unit_folder(case, work) / RUN).is_file()]
    missing = [case.name for case in cases if case not in kept]
    if not kept:
        raise ResultError(f"no audit is kept in {str(work)!r}", "Run the benchmark first.")
    compared = []
    with progress.stage("Judging with stages", len(kept), "models") as advance:
        for case in kept:
            compared.append(compare(case, work))
            advance(1)
    return told(compared, missing)
