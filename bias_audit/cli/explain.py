"""The command `bias-audit explain MODEL IMAGE...`: predictions and heatmaps of single pictures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bias_audit.cli.console import line_width, show_lines, show_sentence
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
from bias_audit.cli.tables import table_lines
from bias_audit.run.printable import printable
from bias_audit.run.quantities import quantity

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
    read = [record for record in records if record.top]
    ranks = max(len(record.top) for record in read)
    rows = []
    for record in read[:MOST_PICTURES]:
        top = [f"{name} {quantity(probability, 'share')}" for name, probability in record.top]
        drawn = record.overlay.name if record.overlay else ""
        rows.append((str(record.path), *top, *[""] * (ranks - len(top)), record.explained, drawn))
    titles = ("picture", "predicted", *("second", "third")[: ranks - 1], "map shows", "overlay")
    heads, lines = table_lines(titles, rows, line_width())
    show_lines(heads, "dim")
    show_lines(line for _, line in lines)
    if len(read) > MOST_PICTURES:
        show_sentence(f"... and {len(read) - MOST_PICTURES:,} more pictures in explain.csv")
    unread = [record for record in records if not record.top]
    for record in unread[:MOST_PICTURES]:
        show_sentence(f"not read: {record.path}: {record.status_reason}", "yellow", hanging=2)
    if len(unread) > MOST_PICTURES:
        show_sentence(f"... and {len(unread) - MOST_PICTURES:,} more that could not be read, in explain.csv")
    print(f"\nOverlays, maps and explain.csv: {printable(folder)}")
