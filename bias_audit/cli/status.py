"""The command `bias-audit status RUN...`: how far an audit is that several processes share."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import command


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = command(commands, "status", run, "how far an audit is that several processes share (audit --shard)")
    parser.add_argument(
        "folders", metavar="RUN", type=Path, nargs="+", help="run folder of all shares, or a folder of each"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(options: argparse.Namespace) -> int:
    from bias_audit.cli.console import show_json
    from bias_audit.run.folder import FINISHED
    from bias_audit.run.share_status import status_of

    if len(options.folders) == 1 and (options.folders[0] / FINISHED).exists():
        finished, lines = {"finished": True}, ["finished: the shares were merged"]
    else:
        status = status_of(options.folders)
        finished, lines = {"finished": False, **status.as_dict()}, list(status.lines())
    if options.json:
        show_json(finished)
    else:
        print("\n".join(lines))
    return 0
