"""The command `bias-audit data DATA`: what is in a data set, and what an audit of it could find; no model is loaded."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import (
    DATA,
    add_class_map,
    add_config,
    add_donors,
    add_limits,
    add_masks,
    add_reading,
    add_verbosity,
    command,
    place,
    settings,
    source_options,
)

MOST_ROWS = 40
"""Most rows of each table; --json lists all."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = command(commands, "data", run, "look at the data before a model is audited on them")
    parser.add_argument("data", metavar="DATA", type=place, help=DATA)
    add_masks(parser)
    parser.add_argument(
        "--out", metavar="FILE.html", type=Path, help="write a page: pictures of each class with their masks drawn in"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    add_config(parser)
    add_limits(parser)
    add_verbosity(parser, quiet="no progress")
    add_class_map(add_reading(parser))
    add_donors(parser)


def run(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_json, show_tables
    from bias_audit.config import read_config
    from bias_audit.pipeline import data_words
    from bias_audit.pipeline.look_at_data import look_at_data
    from bias_audit.run.progress import Progress

    config, thresholds = read_config(options.config, **settings(options))
    look = look_at_data(
        options.data,
        masks=options.masks,
        boxes=options.boxes,
        class_map=options.class_map,
        allow_outside=options.allow_outside,
        out=options.out,
        config=config,
        thresholds=thresholds,
        progress=Progress(options.verbosity),
        **source_options(options),
    )
    if options.json:
        show_json(look.as_dict())
        return 0
    page = f" Pictures: {options.out}" if options.out else ""
    show_tables(
        data_words.headline(look),
        data_words.remarks(look),
        data_words.tables(look),
        MOST_ROWS,
        f"{data_words.MEANT}{page}",
    )
    return 0
