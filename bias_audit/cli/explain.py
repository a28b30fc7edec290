"""The command `bias-audit explain MODEL IMAGE...`: predictions and heatmaps of single pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import (
    MODEL,
    add_config,
    add_explaining,
    add_limits,
    add_training,
    add_verbosity,
    command,
    settings,
    words,
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "explain pictures: what the model takes them for, and where it sees that"
    parser = command(commands, "explain", run, text)
    parser.add_argument("model", metavar="MODEL", type=Path, help=MODEL)
    parser.add_argument("images", metavar="IMAGE", type=Path, nargs="+", help="pictures, or folders of them")
    parser.add_argument("--out", metavar="DIR", type=Path, help="default: reports/explain-MODEL")
    parser.add_argument("--style", metavar="NAME", default="grey", help="grey (default), colour or contour")
    parser.add_argument("--class", dest="target", metavar="NAME", help="explain this class, not the predicted one")
    names = parser.add_mutually_exclusive_group()
    names.add_argument("--classes", metavar="A,B,C", type=words, help="names of the outputs, in their order")
    names.add_argument("--labels", metavar="FILE", type=Path, help="the same in a text file, one name per line")
    add_config(parser)
    add_limits(parser)
    add_verbosity(parser, quiet="no table, no progress")
    add_training(parser)
    add_explaining(parser)


def run(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_explained
    from bias_audit.config import read_config
    from bias_audit.heatmaps.explanation import default_folder, explain, read_labels
    from bias_audit.run.progress import Progress

    config, _ = read_config(options.config, **settings(options))
    out = options.out or default_folder(options.model)
    records = explain(
        options.model,
        options.images,
        out=out,
        style=options.style,
        target=options.target,
        classes=read_labels(options.labels) if options.labels else options.classes,
        class_map=options.class_map,
        config=config,
        progress=Progress(options.verbosity),
        keep_maps=False,
    )
    show_explained(records, out, options.verbosity)
    return 0
