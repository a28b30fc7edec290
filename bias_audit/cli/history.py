"""The command `bias-audit history RUN...`: finished runs over time, with a row per run and class."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.errors import ConfigError

MOST_ROWS = 200
"""Largest number of rows that a terminal shows."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "list finished runs over time: a row per run and class"
    closing = "A damaged run is named and left out; the exit code is 2 if none is left."
    parser = commands.add_parser("history", help=text, description=text, epilog=closing)
    parser.add_argument("folders", metavar="RUN", type=Path, nargs="+", help="run folders of audits")
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="write a page with charts (.html), Markdown (.md) or all rows (.csv)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.out is not None and options.out.suffix.lower() not in (".html", ".md", ".csv"):
        raise ConfigError(f"{str(options.out)!r} has no ending that history writes", "Use .html, .md or .csv.")
    from bias_audit.cli.console import show_tables
    from bias_audit.compare.history import as_csv, history
    from bias_audit.compare.history_page import SHORT_HEADS, markdown, page_of, short_rows
    from bias_audit.compare.writing import write
    from bias_audit.run.printable import printable

    past = history(options.folders)
    shown = {"rows": (SHORT_HEADS, short_rows(past))}
    show_tables(f"{len(past.runs)} runs", [f"left out: {said}" for said in past.skipped], shown, MOST_ROWS)
    if options.out is not None:
        kind = options.out.suffix.lower()
        text = "" if kind == ".html" else markdown(past) if kind == ".md" else as_csv(past)
        content = page_of(past) if kind == ".html" else text.encode("utf-8", "backslashreplace")
        print(printable(write(options.out, content)))
    return 0
