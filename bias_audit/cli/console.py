"""Functions that print what commands show: results, tables and errors. Rich is imported only when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bias_audit.checks.levels import failed_map_tests
from bias_audit.errors import BiasAuditError
from bias_audit.run.printable import printable, printable_json
from bias_audit.run.progress import QUIET

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, OverflowMethod
    from rich.text import Text

    from bias_audit.checks.background.write import Written
    from bias_audit.gate import GateResult
    from bias_audit.heatmaps.explanation import Explained
    from bias_audit.run.result import AuditResult

LOG_WIDTH = 140
"""Width of a table in characters where the output is no terminal."""

MOST_GATE_ROWS = 50
"""Largest number of rows of each status that the gate shows."""

MOST_PICTURES = 50
"""Largest number of rows in a table of pictures; explain.csv holds all."""

_STYLES = {
    "CONTEXT": "cyan",
    "TOO FEW IMAGES": "cyan",
    "MODEL WARNING": "yellow",
    "WATCH": "yellow",
    "COLLATERAL": "magenta",
    "SUSPICIOUS": "bold red",
    "HIDDEN": "bold red",
    "CONFIRMED": "bold white on red",
}


def show_error(error: BiasAuditError) -> None:
    """Print the sentence and the hint of an error on stderr."""
    print(f"bias-audit: {_one_line(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"\n{_one_line(error.hint)}", file=sys.stderr)


def show_result(result: AuditResult, verbosity: int) -> None:
    """Print the result of an audit on stdout: verdict, findings, class table, notes, and the level again at the end.

    Args:
        result: the finished run.
        verbosity: QUIET, NORMAL or VERBOSE; with QUIET only the verdict is printed.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    if verbosity == QUIET:
        print(printable(result.verdict))
        return
    style = _STYLES.get(result.level, "bold")
    console.print(_text(result.verdict, style))
    console.print()
    _show_findings(console, result)
    _show_classes(console, result)
    if result.info.counts.get("strangers"):
        from bias_audit.checks.strangers.encounters import encounters

        for met in encounters(result.strangers, result.images):
            console.print(_text(f"Strangers: {met.sentence}"))
    for note in result.info.notes:
        console.print(_text(f"- {note}", "dim"))
    console.print()
    last = Text.assemble((printable(result.level), style), f". Report: {printable(result.path / 'report.html')}")
    console.print(last, soft_wrap=True)


def show_written(made: Written, folder: Path, verbosity: int) -> None:
    """Print how many pictures were written, and what comes next.

    Args:
        made: what was written.
        folder: where.
        verbosity: QUIET, NORMAL or VERBOSE; with QUIET the numbers only.
    """
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


def show_json(content: Mapping[str, Any]) -> None:
    """Print plain values as JSON."""
    import json

    print(printable_json(json.dumps(content, indent=1, ensure_ascii=not _takes_unicode())))


def show_inspection(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the facts about a model, as tables or as JSON.

    Args:
        facts: result of `inspection.inspect`.
        as_json: print JSON.
    """
    if as_json:
        show_json(facts)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
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
    for name, text in rows.items():
        about.add_row(name, _text(text))
    console.print(about)
    console.print()
    table = Table("", "layer", "grid", "channels", title="layers that can be explained (--layer)", title_style="dim")
    for layer in facts["layers"]:
        mark, style = ("explained", "bold green") if layer["chosen"] else ("", "")
        grid = f"{layer['grid'][0]}x{layer['grid'][1]}"
        table.add_row(mark, _text(layer["path"]), grid, str(layer["channels"] or "-"), style=style)
    if facts["layers"]:
        console.print(table)
    for note in facts["notes"]:
        console.print(_text(f"- {note}", "dim"))


def _explained_by(facts: Mapping[str, Any]) -> str:
    """Method, layer and grid of the heatmaps in words."""
    if facts["method"] == "none":
        return "no heatmaps"
    where = f" at {facts['layer']}" if facts["layer"] else ""
    return f"{facts['method']}{where}, maps of {facts['map'][0]}x{facts['map'][1]}"


def show_explained(records: Sequence[Explained], folder: Path, verbosity: int) -> None:
    """Print predictions of single pictures, pictures that could not be read, and the folder of the overlays.

    Args:
        records: result of `explanation.explain`; at least one picture was read.
        folder: folder of overlays, maps and explain.csv.
        verbosity: QUIET, NORMAL or VERBOSE; with QUIET nothing is printed.
    """
    if verbosity == QUIET:
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    read = [record for record in records if record.top]
    ranks = max(len(record.top) for record in read)
    table = Table()
    table.add_column("picture", overflow="fold")  # a path that is cut names no file
    for title in ("predicted", *("second", "third")[: ranks - 1], "map shows", "overlay"):
        table.add_column(title)
    for record in read[:MOST_PICTURES]:
        top = [_text(f"{name} {probability:z.3f}") for name, probability in record.top]
        drawn = record.overlay.name if record.overlay else ""
        table.add_row(_text(record.path), *top, _text(record.explained), _text(drawn))
    console.print(table)
    if len(read) > MOST_PICTURES:
        console.print(f"... and {len(read) - MOST_PICTURES} more pictures in explain.csv")
    unread = [record for record in records if not record.top]
    for record in unread[:MOST_PICTURES]:
        console.print(_text(f"not read: {record.path}: {record.status_reason}", "yellow"))
    if len(unread) > MOST_PICTURES:
        console.print(f"... and {len(unread) - MOST_PICTURES} more that could not be read, in explain.csv")
    print(f"\nOverlays, maps and explain.csv: {printable(folder)}")


def show_tables(
    headline: str,
    sentences: Sequence[str],
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    most: int,
    closing: str = "",
) -> None:
    """Print a headline, remarks, and tables of text.

    Args:
        headline: first sentence.
        sentences: remarks below the headline.
        tables: title -> (heads, rows); tables without rows are left out.
        most: largest number of rows shown per table.
        closing: last sentence; "" = none.
    """
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    console.print(_text(headline, "bold"))
    for sentence in sentences:
        console.print(_text(f"- {sentence}", "dim"))
    for title, (heads, rows) in tables.items():
        if not rows:
            continue
        table = Table(*(Column(_text(head)) for head in heads), title=_text(title), title_style="dim")
        for row in rows[:most]:
            table.add_row(*(_text(cell, overflow="fold") for cell in row))
        console.print(table)
        if len(rows) > most:
            console.print(_text(f"... and {len(rows) - most} more {title}"))
    if closing:
        console.print(_text(closing, "dim"))


def _text(content: object, style: str = "", overflow: OverflowMethod | None = None) -> Text:
    """One line of a name, a sentence or a number for a table or a terminal, see `printable`."""
    from rich.text import Text

    return Text(printable(content), style=style, overflow=overflow)


def _lines(*parts: str, style: str = "") -> Text:
    """Lines of a cell, without those that are empty."""
    from rich.text import Text

    return Text("\n".join(printable(part) for part in parts if part), style=style)


def _one_line(text: str) -> str:
    return printable(" ".join(text.splitlines()))


def _takes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def show_gate(gate: GateResult, thresholds: str) -> None:
    """Print the verdict of a gate: source of the thresholds, rows that did not simply pass, notes, and the summary.

    Rows are sorted worst first, at most MOST_GATE_ROWS per status: a log of a thousand classes is not read, and
    gate.json holds all.

    Args:
        gate: the verdict.
        thresholds: the first line, "Thresholds: ...".
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    table = Table()
    for title, width in (("", 10), ("where", 18), ("check,\nasked for by", 14), ("measured", 14)):
        table.add_column(title, max_width=width, overflow="fold")
    table.add_column("what", overflow="fold", ratio=1)
    console.print(_text(thresholds))
    left = []
    for status, style in _GATE_STYLES.items():
        rows = [row for row in gate.rows if row.status == status]
        for row in rows[:MOST_GATE_ROWS]:
            interval = "" if row.low is None or row.high is None else f"\n[{row.low:z.3g}, {row.high:z.3g}]"
            measured = "" if row.measured is None else f"{row.measured:z.3g}{interval}"
            bound = "" if row.threshold is None or row.level else f"\nbound {row.threshold:z.3g}"
            state = row.state if row.status in ("failed", "warning") else ""
            named = _lines(row.status, row.change, state, style=style)
            cue = row.cue if row.cue != row.subject else ""
            where, check = _lines(row.subject or row.scope, cue), _lines(row.check, row.origin)
            table.add_row(named, where, check, Text(f"{measured}{bound}".strip()), _text(row.sentence))
        table.add_section()
        if len(rows) > MOST_GATE_ROWS:
            left.append(f"{len(rows) - MOST_GATE_ROWS} more {status}")
    if table.row_count:
        console.print(table)
    if left:
        console.print(f"... and {', '.join(left)}, see gate.json")
    for said in (*gate.resolved, *gate.notes):
        console.print(_text(f"- {said}"))
    console.print(_text(gate.summary, "bold green" if gate.passed else "bold red"))


_GATE_STYLES = {"failed": "bold red", "warning": "yellow", "not judged": "cyan", "waived": "magenta"}


def _show_findings(console: Console, result: AuditResult) -> None:
    from rich.table import Table

    found = result.found()
    if not found:
        return
    table = Table("level", "rule", "class", "what was done and what happened", show_lines=True)
    for outcome in found:
        style = _STYLES.get(outcome.level or "", "")
        row = (_text(outcome.level or "", style), _text(outcome.code), _text(outcome.subject or "-"))
        table.add_row(*row, _text(outcome.sentence))
    console.print(table)


def _show_classes(console: Console, result: AuditResult) -> None:
    from rich.table import Table

    from bias_audit.run.tables import class_summary

    summary = class_summary(result.classes)
    most = 30
    estimated = "; estimated masks" if result.info.counts.get("estimated_masks") else ""
    table = Table("class", *summary.columns, title=f"rates with their 95 % interval{estimated}", title_style="dim")
    rows: Sequence[tuple[object, ...]] = list(summary.itertuples())
    for row in rows[:most]:
        table.add_row(*(_text(cell) for cell in row))
    console.print(table)
    if failed := failed_map_tests(result.outcomes):
        text = f"The maps failed: {', '.join(failed)}. Attention columns are not to be used."
        console.print(_text(text, "yellow"))
    if len(rows) > most:
        console.print(f"... and {len(rows) - most} more classes in classes.csv")
