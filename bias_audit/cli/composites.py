"""The command `bias-audit composites DATA`: the changed pictures of an audit, to be predicted elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bias_audit.cli.options import (
    DATA,
    add_class_map,
    add_config,
    add_custom_objects,
    add_donors,
    add_geometry,
    add_limits,
    add_objects,
    add_reading,
    add_verbosity,
    command,
    place,
    settings,
    source_options,
)
from bias_audit.run.printable import printable

if TYPE_CHECKING:
    from bias_audit.checks.background.write import Written


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "write the changed pictures of an audit as PNG files, to predict them where the model is"
    closing = (
        "manifest.csv lists every picture. Predict them all, then: bias-audit audit --predictions FILE DATA "
        "--composites DIR, with the same options as here."
    )
    parser = command(commands, "composites", run, text, closing)
    parser.add_argument("data", metavar="DATA", type=place, help=DATA)
    add_objects(parser)
    parser.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="folder of the pictures; a started one is continued"
    )
    add_config(parser)
    add_limits(parser)
    add_verbosity(parser, quiet="only the number of pictures")
    seen = parser.add_argument_group("what the model gets")
    add_geometry(seen)
    add_class_map(seen)
    add_custom_objects(add_reading(parser))
    add_donors(parser)


def run(options: argparse.Namespace) -> int:
    from bias_audit.config import read_config
    from bias_audit.pipeline.composites import write_composites
    from bias_audit.run.progress import Progress

    config, _ = read_config(options.config, **settings(options))
    made = write_composites(
        options.data,
        out=options.out,
        masks=options.masks,
        boxes=options.boxes,
        backgrounds=options.backgrounds,
        class_map=options.class_map,
        allow_outside=options.allow_outside,
        config=config,
        progress=Progress(options.verbosity),
        **source_options(options),
    )
    _show(made, options.out, options.verbosity)
    return 0


def _show(made: Written, folder: Path, verbosity: int) -> None:
    """Print how many pictures were written, and what comes next.

    Args:
        made: what was written.
        folder: where.
        verbosity: QUIET, NORMAL or VERBOSE; with QUIET the numbers only.
    """
    from bias_audit.run.progress import QUIET

    changed = sum(made.changed_of.values())
    print(f"{made.composites:,} composites of {changed:,} photos, and {made.photos:,} photos as they are")
    if verbosity == QUIET:
        return
    if without := [name for name, count in made.changed_of.items() if not count]:
        print(printable(f"none of {', '.join(without[:10])}{', ...' if len(without) > 10 else ''}"))
    if made.unreadable:
        print(f"{made.unreadable} photos could not be read")
    print(printable(f"predict every image_id of {folder / 'manifest.csv'} (a path in the folder), then"))
    print(printable(f"  bias-audit audit --predictions FILE DATA --composites {folder}   with the same options"))
