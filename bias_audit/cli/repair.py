"""The command `bias-audit repair RUN`: refit the last layer of a convicted model, and prove what that did."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bias_audit.cli import options as cli_options
from bias_audit.run.printable import printable

if TYPE_CHECKING:
    from bias_audit.repair.result import Repair

CLOSING = """Only the last layer gets other weights; no file is overwritten. The repaired model and a control, the
same refit on the training photos as they are, are audited as RUN was. An interrupted repair goes on
with the same command. The exit code is 0 whatever the verdict: `bias-audit gate` judges the new run."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "refit the last layer of a convicted model on changed training photos, and prove what that did"
    parser = cli_options.command(commands, "repair", run, text, CLOSING)
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of the audit that convicted it")
    parser.add_argument("--model", metavar="MODEL", required=True, type=Path, help="the model that was audited")
    parser.add_argument(
        "--train", metavar="DIR", required=True, type=cli_options.place, help="the photos that it was trained on"
    )
    parser.add_argument(
        "--train-masks",
        metavar="DIR",
        type=cli_options.place,
        help="foreground masks of these; without masks and boxes their objects are estimated",
    )
    parser.add_argument(
        "--train-boxes", metavar="FILE", type=Path, help="table image,x_min,y_min,x_max,y_max of these: a row per box"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="file of the repaired model, in the model's format (default: beside RUN)",
    )
    parser.add_argument(
        "--export",
        metavar="FILE.npz",
        type=Path,
        help="weights and bias of the new layer, for where no file is written",
    )
    parser.add_argument(
        "--report", metavar="DIR", type=Path, help="folder of the two audits and repair.html (default: RUN-repaired)"
    )
    parser.add_argument("--force", action="store_true", help="refit against backgrounds although nothing is proven")
    parser.add_argument("--split", metavar="NAME", help="only this part of the training data")
    cli_options.add_verbosity(parser)
    trusted = cli_options.add_trusted(parser)
    trusted.add_argument("--custom-objects", metavar="MODULE", help="the model's own classes; it is run")
    trusted.add_argument("--preprocess", metavar="module:function", help="the run's own preprocessing")
    trusted.add_argument("--method", metavar="module:function", help="the run's own heatmap method")
    trusted.add_argument(
        "--segmenter",
        metavar="NAME",
        help="estimates masks that the training photos lack (default: as the run, else auto); also the run's own",
    )
    cli_options.add_allow_outside(trusted)
    cli_options.add_limits(parser)


def run(options: argparse.Namespace) -> int:
    from bias_audit.config import read_config
    from bias_audit.repair.repairing import repair
    from bias_audit.run.progress import QUIET, Progress

    allowed, _ = read_config(options.config, **cli_options.settings(options))
    made = repair(
        options.folder,
        options.model,
        options.train,
        options.train_masks,
        boxes=options.train_boxes,
        out=options.out,
        export=options.export,
        report=options.report,
        force=options.force,
        allow_outside=options.allow_outside,
        config=allowed,
        progress=Progress(options.verbosity),
        split=options.split,
    )
    if options.verbosity == QUIET:
        print(printable(made.sentence))
    else:
        _show(made)
    return 0


def _show(made: Repair) -> None:
    """Print the numbers of the classes, the verdict and where everything is."""
    from bias_audit.cli.console import line_width, show_lines
    from bias_audit.cli.fitting import paragraph
    from bias_audit.cli.tables import table_lines
    from bias_audit.repair.proof import class_table, runs

    width = line_width()
    if made.proof is not None:
        rows = class_table(made.proof)
        shown = [[row["class"], row["what"], *row["cells"]] for row in rows[:MOST_ROWS]]
        heads, lines = table_lines(["class", "", *runs(made.proof)], shown, width)
        show_lines(heads, "dim")
        show_lines(line for _, line in lines)
        if len(rows) > MOST_ROWS:
            show_lines([f"... and {len(rows) - MOST_ROWS} more rows in repair.html"])
    show_lines(paragraph(made.sentence, width), "bold")
    if made.path is None or made.made is None:
        return
    places = {"Model": made.model, "Layer": made.made.layer, "Report": made.path / "repair.html", "Run": made.run.path}
    for title, place in places.items():
        if place is not None:
            print(printable(f"  {title:<9}{place}"))
    print(printable(f"  {'CI':<9}bias-audit gate {made.run.path}"))


MOST_ROWS = 60
"""Most rows of the table of classes; the page has all."""
