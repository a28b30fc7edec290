"""The command `bias-audit inspect MODEL`: layers, head, input and cost of a model, before anything is audited."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bias_audit.cli.console import WIDEST, line_width, show_json, show_lines, show_sentence
from bias_audit.cli.fitting import folded
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
from bias_audit.cli.tables import table_lines
from bias_audit.run.printable import printable


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
    """Print the facts about a model, result of `inspection.inspect`."""
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
    name_width = max(map(len, rows)) + 2
    for name, said in rows.items():
        first, *rest = folded(printable(said), min(line_width(), WIDEST) - name_width) or [""]
        show_lines([f"{name:<{name_width}}{first}", *(" " * name_width + line for line in rest)])
    if facts["layers"]:
        _show_layers(facts["layers"])
    for note in facts["notes"]:
        show_sentence(f"- {note}", "dim", hanging=2)


def _show_layers(layers: Sequence[Mapping[str, Any]]) -> None:
    """Print the layers that can be explained, those that are by default in a style of their own."""
    texts = [
        (
            layer["path"],
            f"{layer['grid'][0]}x{layer['grid'][1]}",
            str(layer["channels"] or "-"),
            "explained" if layer["chosen"] else "",
        )
        for layer in layers
    ]
    show_lines(["", "layers that can be explained (--layer)"], "bold")
    heads, lines = table_lines(("layer", "grid", "channels", ""), texts, line_width())
    show_lines(heads, "dim")
    for place, line in lines:
        show_lines([line], "bold green" if layers[place]["chosen"] else "")


def _explained_by(facts: Mapping[str, Any]) -> str:
    """Method, layer and grid of the heatmaps in words."""
    if facts["method"] == "none":
        return "no heatmaps"
    where = f" at {facts['layer']}" if facts["layer"] else ""
    return f"{facts['method']}{where}, maps of {facts['map'][0]}x{facts['map'][1]}"
