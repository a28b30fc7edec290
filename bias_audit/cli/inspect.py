"""The command `bias-audit inspect MODEL`: layers, head, input and cost of a model, before anything is audited."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bias_audit.cli.console import LOG_WIDTH, open_console, show_json, text
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
    from bias_audit.config import read_config
    from bias_audit.heatmaps.inspection import inspect
    from bias_audit.run.progress import Progress

    config, _ = read_config(options.config, **settings(options))
    facts = inspect(options.model, class_map=options.class_map, config=config, progress=Progress(options.verbosity))
    if options.json:
        show_json(facts)
    else:
        _show(facts)
    return 0


def _show(facts: Mapping[str, Any]) -> None:
    """Print the facts about a model, result of `inspection.inspect`, as tables."""
    from rich.table import Table

    console = open_console(LOG_WIDTH)
    names, count = facts["class_names"], facts["class_count"]
    size, per_thousand = facts["input"], facts["seconds_per_1000_images"]
    made = "predictions" if facts["method"] == "none" else "predictions and heatmaps"
    rows = {
        "model": facts["model"],
        "parameters": "unknown" if facts["parameters"] is None else f"{facts['parameters']:,}",
        "head": f"{facts['head']}, {facts['outputs']} output{'s' if facts['outputs'] != 1 else ''}",
        "classes": ", ".join(names) + (f" and {count - len(names):,} more" if count > len(names) else ""),
        "input": f"{size['height']}x{size['width']} pixels, {size['channels']} channels",
        "done inside": "; ".join(facts["inside"]) or ("nothing" if facts["inside_shown"] else "not shown by the model"),
        "pictures": facts["pictures"],
        "--preprocess": facts["preprocess_hint"],
        "explained": _explained_by(facts),
        "cost": f"{per_thousand:z.3g} s per 1,000 images for {made}, without reading files: measured here on "
        f"{facts['timed_images']} images in batches of {facts['batch_size']}",
    }
    about = Table(show_header=False, box=None, pad_edge=False)
    about.add_column(style="bold", no_wrap=True)
    about.add_column(overflow="fold")
    for name, said in rows.items():
        about.add_row(name, text(said))
    console.print(about)
    console.print()
    table = Table("", "layer", "grid", "channels", title="layers that can be explained (--layer)", title_style="dim")
    for layer in facts["layers"]:
        mark, style = ("explained", "bold green") if layer["chosen"] else ("", "")
        grid = f"{layer['grid'][0]}x{layer['grid'][1]}"
        table.add_row(mark, text(layer["path"]), grid, str(layer["channels"] or "-"), style=style)
    if facts["layers"]:
        console.print(table)
    for note in facts["notes"]:
        console.print(text(f"- {note}", "dim"))


def _explained_by(facts: Mapping[str, Any]) -> str:
    """Method, layer and grid of the heatmaps in words."""
    if facts["method"] == "none":
        return "no heatmaps"
    where = f" at {facts['layer']}" if facts["layer"] else ""
    return f"{facts['method']}{where}, maps of {facts['map'][0]}x{facts['map'][1]}"
