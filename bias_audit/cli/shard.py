"""The option --shard of `bias-audit audit`, and what a share prints at its end."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bias_audit.run.shares import Share

SLURM = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT")
"""Variables of a task of a SLURM job array: its number, the first number, and how many there are."""


def share(text: str) -> Share:
    """Parse a share: "2/3", or "auto" for that of a task of a SLURM job array.

    Raises:
        ArgumentTypeError: it is no share, or a variable of SLURM is not set.
    """
    from bias_audit.run.shares import Share

    if text == "auto":
        if absent := [name for name in SLURM if name not in os.environ]:
            raise argparse.ArgumentTypeError(f"auto is for a task of a SLURM job array, and {absent[0]} is not set")
        task, first, count = (_whole(os.environ[name], f"{name} is {os.environ[name]!r}") for name in SLURM)
        number, of = task - first + 1, count
        said = f"auto: task {task} of {count} from {first} on"
    else:
        said = repr(text)
        number, of = (_whole(part, said) for part in text.partition("/")[::2])
    if not 1 <= number <= of:
        raise argparse.ArgumentTypeError(f"{said} is no share; write I/N with I from 1 to N, for instance 1/3")
    return Share(number, of)


def _whole(text: str, said: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{said}: expected I/N, two whole numbers, for instance 1/3, or auto")
    return int(text)


def show_share(number: Share, model: Path, data: Any, call: Mapping[str, Any]) -> int:
    """Run a share of an audit, and print how far all shares are; `call` holds arguments of `audit` by name."""
    from bias_audit.pipeline.shared import share_audit
    from bias_audit.run.printable import printable

    state = share_audit(number, model, data, **call)
    print(printable(f"share {number} is done: {state.words()}"))
    if not state.missing:
        call["progress"].note(f"Finish the audit with `bias-audit merge {call['out']}`.")
    return 0
