"""The command `bias-audit audit MODEL DATA`: audit a model, with tables, report and a verdict."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bias_audit.checks.base import Check
from bias_audit.cli import gate
from bias_audit.cli.options import (
    EXIT_CODES,
    add_allow_outside,
    add_config,
    add_explaining,
    add_limits,
    add_strangers,
    add_training,
    add_verbosity,
    command,
    integers,
    settings,
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], checks: Sequence[Check]) -> None:
    """Add the command `audit` to the parser, with the options of the given checks."""
    audit = command(commands, "audit", run, "audit MODEL on DATA: tables, report and a verdict", EXIT_CODES)
    audit.add_argument("model", metavar="MODEL", type=Path, help="Keras model (.keras, .h5) or SavedModel folder")
    audit.add_argument("data", metavar="DATA", type=Path, help="folder with a folder per class, or a CSV/Parquet table")
    audit.add_argument(
        "--masks",
        metavar="DIR",
        type=Path,
        help="foreground masks: same tree and stems as the images; without masks and boxes the objects of the "
        "experiments are estimated (auto); none = they are not",
    )
    audit.add_argument("--boxes", metavar="FILE", type=Path, help="table image,x_min,y_min,x_max,y_max: a row per box")
    audit.add_argument(
        "--backgrounds",
        metavar="DIR",
        type=Path,
        help="real scenes without an object, to paste on without any fill: a folder per class, or scenes of no class",
    )
    add_strangers(audit)
    audit.add_argument("--train", metavar="DIR", type=Path, help="training pictures: are test photos among them?")
    audit.add_argument("--cues", metavar="FILE", type=Path, help="names of cues (default: cues.json beside the run)")
    audit.add_argument("--out", metavar="RUN", type=Path, help="run folder (default: reports/MODEL-DATA)")
    add_config(audit)
    audit.add_argument(
        "--gate", metavar="FILE", type=Path, help="judge the result with this gate.toml: exit code 0 or 1"
    )
    audit.add_argument(
        "--baseline", metavar="OLD", type=Path, help="judge it beside an older run: new and worse findings fail"
    )
    audit.add_argument("--resume", action="store_true", help="continue a killed run")
    audit.add_argument("--overwrite", action="store_true", help="replace what a run wrote into the folder")
    audit.add_argument(
        "--ignore", metavar="RULE", action="append", default=[], help="do not judge this rule; repeatable"
    )
    add_limits(audit)
    add_verbosity(audit)

    add_training(audit)
    data = audit.add_argument_group("how the data are read")
    data.add_argument(
        "--segmenter",
        metavar="NAME",
        help="estimates the missing masks of the experiments: auto (GrabCut; default without masks and boxes), a "
        "segmentation model (.keras, .h5, .tflite, .onnx) or module:function",
    )
    data.add_argument("--split", metavar="NAME", help="only the rows of a table with this value in column split")
    text = "column of patients or scenes: their photos count as one (also called --cluster)"
    data.add_argument("--group-by", "--cluster", dest="cluster", metavar="COLUMN", help=text)
    add_allow_outside(data)
    data.add_argument(
        "--mask-foreground",
        metavar="V,V",
        type=integers,
        help="mask values that are foreground (default: all but 0)",
    )
    data.add_argument(
        "--mask-ignore", metavar="V", type=int, help="mask value that is neither (trimap: 3; palette default: 255)"
    )

    shown = add_explaining(audit, "how it is explained and tested")
    for option in (option for check in checks for option in check.options):
        shown.add_argument(option.flag, dest=option.setting, metavar=option.metavar, type=int, help=option.help)


def run(options: argparse.Namespace) -> int:
    from bias_audit.config import read_config

    config, thresholds = read_config(options.config, **settings(options))
    if options.gate is not None:  # a wrong gate file must not cost an audit first
        from bias_audit.gate import read_gate

        read_gate(options.gate)
    if options.baseline is not None:
        from bias_audit.run.result import load

        load(options.baseline)
    from bias_audit.cli.console import show_result
    from bias_audit.pipeline.audit import audit
    from bias_audit.run.progress import Progress

    result = audit(
        options.model,
        options.data,
        masks=options.masks,
        boxes=options.boxes,
        backgrounds=options.backgrounds,
        strangers=options.strangers,
        cues=options.cues,
        train=options.train,
        out=options.out or Path("reports") / f"{options.model.stem}-{options.data.stem}",
        class_map=options.class_map,
        split=options.split,
        allow_outside=options.allow_outside,
        resume=options.resume,
        overwrite=options.overwrite,
        ignore=options.ignore,
        config=config,
        thresholds=thresholds,
        progress=Progress(options.verbosity),
    )
    judged = None
    if options.gate is not None or options.baseline is not None:
        judged = gate.judge_and_write(result.path, options.gate, options.baseline)  # before anything is printed
    show_result(result, options.verbosity)
    return 0 if judged is None else gate.show(judged, result.path)
