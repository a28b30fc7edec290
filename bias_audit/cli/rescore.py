"""The command `bias-audit rescore RUN`: score and judge a finished run again, without the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.parser import did_you_mean


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from bias_audit.cli import options as cli_options

    text = "score a finished run again with new masks or thresholds, without the model"
    closing = (
        "The run itself is not changed. What composites measured (background gaps and the like) stays as measured with "
        "the earlier masks; the new run says so."
    )
    parser = commands.add_parser("rescore", help=text, description=text, epilog=closing)
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of an audit, with its shards")
    parser.add_argument(
        "--masks",
        metavar="DIR",
        type=Path,
        help="new or corrected masks: same tree and stems as the images; images without one there keep theirs",
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML with [thresholds] and [limits]; [audit] is not applied"
    )
    parser.add_argument(
        "--threshold",
        metavar="NAME=NUMBER",
        type=_threshold,
        action="append",
        default=[],
        help="a single threshold, for instance min_gap=0.1; repeatable",
    )
    cli_options.add_allow_outside(parser)
    cli_options.add_limits(parser)
    parser.add_argument("--ignore", metavar="RULE", action="append", default=[], help="do not judge it; repeatable")
    parser.add_argument("--out", metavar="NEWRUN", type=Path, help="folder of the new run (default: RUN-rescored)")
    parser.add_argument("--overwrite", action="store_true", help="replace a run that is in NEWRUN")
    cli_options.add_verbosity(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from bias_audit.checks.registry import settings_of_others
    from bias_audit.cli.result import show_result
    from bias_audit.config import read_config
    from bias_audit.pipeline.judge import refuse_unknown
    from bias_audit.pipeline.rescore import rescore, thresholds_of
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import load

    refuse_unknown(options.ignore)
    config, _ = read_config(options.config, settings_of_others(), limits=options.limits)
    progress = Progress(options.verbosity)
    result = rescore(
        options.folder,
        masks=options.masks,
        thresholds=thresholds_of(load(options.folder), options.config, dict(options.threshold)),
        out=options.out,
        ignore=options.ignore,
        overwrite=options.overwrite,
        allow_outside=options.allow_outside,
        limits=config.limits,
        progress=progress,
    )
    show_result(result, progress, what="Scored again:")
    return 0


def _threshold(text: str) -> tuple[str, str]:
    from bias_audit.checks.thresholds import MEANINGS

    name, equals, number = text.partition("=")
    if not equals or not name or not number:
        raise argparse.ArgumentTypeError(f"{text!r} is no threshold; write NAME=NUMBER, for instance min_gap=0.1")
    if name not in MEANINGS:
        raise argparse.ArgumentTypeError(f"no threshold {name!r}{did_you_mean(name, MEANINGS)}")
    return name, number
