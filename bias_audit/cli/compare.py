"""The command `bias-audit compare OLD NEW`: what became better or worse between two runs.

It is no gate: the exit code is 0 even if something became worse.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "compare two finished runs: what became better or worse"
    parser = commands.add_parser("compare", help=text, description=text)
    parser.add_argument("old", metavar="OLD", type=Path, help="the earlier run folder")
    parser.add_argument("new", metavar="NEW", type=Path, help="the later run folder")
    parser.add_argument("--out", metavar="FILE.html", type=Path, help="write a page, in the style of the report")
    parser.add_argument("--markdown", metavar="FILE.md", type=Path, help="write Markdown, for a pull request")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from bias_audit.cli.comparison import show
    from bias_audit.compare.compared import compare
    from bias_audit.compare.markdown import markdown
    from bias_audit.compare.page import page_of
    from bias_audit.compare.writing import write
    from bias_audit.run.printable import printable
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import load

    with Progress().stage("Comparing", None):
        comparison = compare(load(options.old), load(options.new))
    written = []
    if options.out is not None:
        written.append(write(options.out, page_of(comparison)))
    if options.markdown is not None:
        written.append(write(options.markdown, markdown(comparison).encode("utf-8", "backslashreplace")))
    show(comparison)
    for file in written:
        print(printable(file))
    return 0
