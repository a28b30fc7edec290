"""The command `bias-audit inspect MODEL`: layers, head, input and cost of a model, before anything is audited."""

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
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = command(commands, "inspect", run, "what a model is: layers, head, input, cost")
    parser.add_argument("model", metavar="MODEL", type=Path, help=MODEL)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    add_config(parser)
    add_limits(parser)
    add_verbosity(parser, quiet="no progress")
    add_training(parser)
    add_explaining(parser)


def run(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_inspection
    from bias_audit.config import read_config
    from bias_audit.heatmaps.inspection import inspect
    from bias_audit.run.progress import Progress

    config, _ = read_config(options.config, **settings(options))
    facts = inspect(options.model, class_map=options.class_map, config=config, progress=Progress(options.verbosity))
    show_inspection(facts, as_json=options.json)
    return 0
