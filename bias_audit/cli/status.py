"""The command `bias-audit status RUN`: how far an audit is that several processes share."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import command


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = command(commands, "status", run, "how far an audit is that several processes share (audit --shard)")
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of the shares")


def run(options: argparse.Namespace) -> int:
    from bias_audit.run.folder import FINISHED
    from bias_audit.run.shares import state_of

    finished = (options.folder / FINISHED).exists()
    print("finished: the shares were merged" if finished else state_of(options.folder).words())
    return 0
