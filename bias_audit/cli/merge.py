"""The command `bias-audit merge RUN...`: finish an audit whose photos several processes passed through the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli import options as cli_options
from bias_audit.errors import ConfigError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "finish an audit whose shares are all there (audit --shard): experiments, cues, rules and report"
    closing = "No photo gets its prediction and heatmap again. A shard that is missing is named."
    parser = cli_options.command(commands, "merge", run, text, closing)
    parser.add_argument(
        "folders", metavar="RUN", type=Path, nargs="+", help="run folder of all shares, or a folder of each"
    )
    parser.add_argument(
        "--out", metavar="RUN", type=Path, help="run folder that is made of several, in which nothing is changed"
    )
    found = parser.add_argument_group("where things lie now (default: where the first share found them)")
    found.add_argument("--model", metavar="MODEL", type=Path, help=cli_options.MODEL)
    found.add_argument("--data", metavar="DATA", type=cli_options.place, help=cli_options.DATA)
    for name, meaning in (
        ("masks", "foreground masks"),
        ("boxes", "table of boxes"),
        ("backgrounds", "real scenes without an object"),
        ("strangers", "pictures of no class that the model knows"),
        ("train", "training pictures"),
    ):
        found.add_argument(
            f"--{name}", metavar="PATH", type=cli_options.place, help=f"{meaning}, as the shares had them"
        )
    found.add_argument("--cues", metavar="FILE", type=Path, help="names of cues, as the shares had them")
    found.add_argument("--images", metavar="DIR", help="folder of the pictures of a COCO file, as the shares had it")
    trusted = cli_options.add_trusted(parser)
    cli_options.add_custom_objects(trusted)
    for name, what in (("preprocess", "preprocessing"), ("method", "heatmap method"), ("segmenter", "segmenter")):
        trusted.add_argument(f"--{name}", metavar="module:function", help=f"the shares' own {what}")
    cli_options.add_allow_outside(trusted)
    cli_options.add_limits(parser)
    cli_options.add_verbosity(parser)


def run(options: argparse.Namespace) -> int:
    if len(options.folders) > 1 and options.out is None:
        raise ConfigError("several folders are merged into one, and none is named", "Name it with --out RUN.")
    from bias_audit.cli.result import show_result
    from bias_audit.config import read_config
    from bias_audit.pipeline.agreed import PLACES
    from bias_audit.pipeline.shared import merge, merge_all
    from bias_audit.run.progress import Progress

    progress = Progress(options.verbosity)
    allowed, _ = read_config(options.config, **cli_options.settings(options))
    places = {name: getattr(options, name) for name in PLACES}
    given = {"images": options.images, "outside": options.allow_outside}
    if options.out is None:
        result = merge(options.folders[0], places, allowed, **given, progress=progress)
    else:
        result = merge_all(options.folders, options.out, places, allowed, **given, progress=progress)
    show_result(result, progress)
    return 0
