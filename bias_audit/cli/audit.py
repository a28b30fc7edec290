"""The command `bias-audit audit MODEL DATA` (or `--predictions FILE DATA`): tables, report and a verdict."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bias_audit.checks.base import Check
from bias_audit.cli import gate
from bias_audit.cli.options import (
    DATA,
    EXIT_CODES,
    MODEL,
    add_config,
    add_explaining,
    add_limits,
    add_objects,
    add_reading,
    add_strangers,
    add_training,
    add_verbosity,
    command,
    place,
    settings,
    source_options,
)
from bias_audit.cli.shard import share, show_share
from bias_audit.errors import ConfigError

PREDICTIONS = "--predictions"


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    checks: Sequence[Check],
    given: Sequence[str] = (),
) -> None:
    """Add the command `audit` to the parser, with the options of the given checks.

    Args:
        commands: where the command is added.
        checks: checks whose options are added.
        given: the arguments. Where --predictions is among them there is no MODEL: argparse takes a place that may be
            empty for empty as soon as an option stands before it.
    """
    audit = command(commands, "audit", run, "audit MODEL on DATA: tables, report and a verdict", EXIT_CODES)
    if any(PREDICTIONS.startswith(each.partition("=")[0]) for each in given if each.startswith("--pred")):
        audit.set_defaults(model=None)
    else:
        text = f"{MODEL}; left out with --predictions"
        audit.add_argument("model", metavar="MODEL", type=Path, help=text)
    audit.add_argument("data", metavar="DATA", type=place, help=DATA)
    audit.add_argument(
        PREDICTIONS,
        metavar="FILE",
        type=Path,
        help="table of predictions made elsewhere, instead of MODEL: image_id, and a probability per class",
    )
    audit.add_argument(
        "--composites",
        metavar="DIR",
        type=Path,
        help="pictures that `bias-audit composites` wrote; --predictions holds rows of them, too",
    )
    audit.add_argument(
        "--heatmaps",
        metavar="PATH",
        type=Path,
        help="maps of the predicted classes, made elsewhere: folder of IMAGE_ID.npy, or an .npz file",
    )
    add_objects(audit)
    add_strangers(audit)
    audit.add_argument(
        "--train",
        metavar="DIR",
        type=place,
        help="training pictures: are test photos among them? A folder, an archive or the address of one",
    )
    audit.add_argument("--cues", metavar="FILE", type=Path, help="names of cues (default: cues.json beside the run)")
    audit.add_argument("--out", metavar="RUN", type=Path, help="run folder (default: reports/MODEL-DATA)")
    add_config(audit)
    audit.add_argument(
        "--gate", metavar="FILE", type=Path, help="judge the result with this gate.toml: exit code 0 or 1"
    )
    audit.add_argument(
        "--baseline", metavar="OLD", type=Path, help="compare with an older run: new and worse findings fail"
    )
    audit.add_argument(
        "--shard",
        metavar="I/N",
        type=share,
        help="only the predictions and heatmaps of the I-th of N parts of the photos, for instance 1/3; all parts go "
        "into one run folder, and `bias-audit merge` finishes it; auto: I and N of a SLURM job array",
    )
    audit.add_argument(
        "--executor",
        metavar="NAME",
        help="who makes the predictions and heatmaps: local:N = N processes on this machine, ray[:HOST:PORT] = a Ray "
        "cluster; the same command then finishes the audit",
    )
    audit.add_argument("--resume", action="store_true", help="continue a killed run")
    audit.add_argument("--overwrite", action="store_true", help="replace an older run in the folder")
    audit.add_argument(
        "--ignore", metavar="RULE", action="append", default=[], help="do not judge this rule; repeatable"
    )
    audit.add_argument(
        "--profile", action="store_true", help="tell where the time went, by stage; also written to profile.csv"
    )
    add_limits(audit)
    add_verbosity(audit)

    add_training(audit)
    add_reading(audit)
    shown = add_explaining(audit, "how it is explained and tested")
    shown.add_argument(
        "--thorough",
        action="store_true",
        default=None,
        help="every experiment on every class and photo, also where its first part shows that nothing will be found",
    )
    for option in (option for check in checks for option in check.options):
        shown.add_argument(option.flag, dest=option.setting, metavar=option.metavar, type=int, help=option.help)


def run(options: argparse.Namespace) -> int:
    from bias_audit.config import read_config

    if options.shard is not None and (options.baseline is not None or options.profile):
        said = "--baseline" if options.baseline is not None else "--profile"
        raise ConfigError(f"--shard and {said} contradict each other: a share has no result", "Merge the shares first.")
    if options.shard is not None and options.executor is not None:
        raise ConfigError("--shard and --executor contradict each other: an executor makes all shares by itself")
    config, thresholds = read_config(options.config, **settings(options))
    if options.gate is not None:  # a wrong gate file must not cost an audit first
        from bias_audit.gate import read_gate

        bounded = read_gate(options.gate).columns
        config = config.changed({"measured": (*config.measured, *bounded)})
    if options.baseline is not None:
        from bias_audit.run.result import load

        load(options.baseline)
    from bias_audit.cli.result import show_result
    from bias_audit.models.doors import folder_name
    from bias_audit.pipeline.audit import audit
    from bias_audit.run.progress import Progress

    progress = Progress(options.verbosity)
    about = options.predictions.stem if options.predictions else folder_name(options.model)
    call: dict[str, Any] = dict(
        predictions=options.predictions,
        composites=options.composites,
        heatmaps=options.heatmaps,
        masks=options.masks,
        boxes=options.boxes,
        backgrounds=options.backgrounds,
        strangers=options.strangers,
        cues=options.cues,
        train=options.train,
        out=options.out or Path("reports") / f"{about}-{options.data.stem}",
        class_map=options.class_map,
        allow_outside=options.allow_outside,
        resume=options.resume,
        overwrite=options.overwrite,
        ignore=options.ignore,
        config=config,
        thresholds=thresholds,
        progress=progress,
        **source_options(options),
    )
    if options.shard is not None:
        return show_share(options.shard, options.model, options.data, call)
    result = audit(options.model, options.data, profile=options.profile, executor=options.executor, **call)
    judged = None
    if options.gate is not None or options.baseline is not None:
        judged = gate.judge_and_write(result.path, options.gate, options.baseline)  # before anything is printed
    show_result(result, progress)
    return 0 if judged is None else gate.show(judged, result.path)
