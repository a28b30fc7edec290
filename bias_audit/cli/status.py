"""The command `bias-audit status RUN`: how far an audit is that several processes share."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import command


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = command(commands, "status", run, "how far an audit is that several processes share (audit --shard)")
    parser.add_argument(
        "folders", metavar="RUN", type=Path, nargs="+", help="run folder of all shares, or a folder of each"
    )


def run(options: argparse.Namespace) -> int:
    from bias_audit.run.folder import FINISHED
    from bias_audit.run.shares import state_of

    finished = len(options.folders) == 1 and (options.folders[0] / FINISHED).exists()
    print("finished: the shares were merged" if finished else state_of(*options.folders).words())
    return 0
