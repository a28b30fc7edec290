"""What a command costs as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_TIMED = """
import json, os, resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}).returncode
end, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([end - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, code]))
"""
"""Runs a command from a process that is small itself: a child begins with the peak memory of its parent."""


@dataclass(frozen=True)
class Costs:
    """What a process cost: wall-clock seconds, seconds of CPU, its peak memory in MB, and its exit code."""

    seconds: float
    used: float
    memory: float
    code: int


def costs_of(arguments: list[str], folder: Path | None = None) -> Costs:
    """Run a command, in a folder, and say what it cost. What it prints is thrown away, but for its errors."""
    ended = subprocess.run(
        [sys.executable, "-S", "-c", _TIMED, *arguments], stdout=subprocess.PIPE, check=True, cwd=folder
    )
    return Costs(*json.loads(ended.stdout))
