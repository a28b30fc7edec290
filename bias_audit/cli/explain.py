"""The command `bias-audit explain MODEL IMAGE...`: predictions and heatmaps of single pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bias_audit.cli.console import LOG_WIDTH, open_console, text
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
from bias_audit.run.printable import printable

if TYPE_CHECKING:
    from bias_audit.heatmaps.explanation import Explained

MOST_PICTURES = 50
"""Largest number of rows in the table of pictures; explain.csv holds all."""


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
    from bias_audit.config import read_config
    from bias_audit.heatmaps.explanation import default_folder, explain, read_labels
    from bias_audit.run.progress import QUIET, Progress

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
    if options.verbosity != QUIET:
        _show(records, out)
    return 0


def _show(records: Sequence[Explained], folder: Path) -> None:
    """Print predictions of single pictures, pictures that could not be read, and the folder of the overlays.

    Args:
        records: result of `explanation.explain`; at least one picture was read.
        folder: folder of overlays, maps and explain.csv.
    """
    from rich.table import Table

    console = open_console(LOG_WIDTH)
    read = [record for record in records if record.top]
    ranks = max(len(record.top) for record in read)
    table = Table()
    table.add_column("picture", overflow="fold")  # a path that is cut names no file
    for title in ("predicted", *("second", "third")[: ranks - 1], "map shows", "overlay"):
        table.add_column(title)
    for record in read[:MOST_PICTURES]:
        top = [text(f"{name} {probability:z.3f}") for name, probability in record.top]
        drawn = record.overlay.name if record.overlay else ""
        table.add_row(text(record.path), *top, text(record.explained), text(drawn))
    console.print(table)
    if len(read) > MOST_PICTURES:
        console.print(f"... and {len(read) - MOST_PICTURES} more pictures in explain.csv")
    unread = [record for record in records if not record.top]
    for record in unread[:MOST_PICTURES]:
        console.print(text(f"not read: {record.path}: {record.status_reason}", "yellow"))
    if len(unread) > MOST_PICTURES:
        console.print(f"... and {len(unread) - MOST_PICTURES} more that could not be read, in explain.csv")
    print(f"\nOverlays, maps and explain.csv: {printable(folder)}")
