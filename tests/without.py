"""Runs commands in a fresh interpreter in which packages cannot be imported, as if they were not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

CODE = """
import contextlib, io, json, sys
from importlib.abc import MetaPathFinder

absent, only, commands = json.loads(sys.argv[1])
there = {*sys.stdlib_module_names, *sys.modules, *only}

class Absent(MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        name = fullname.partition(".")[0]
        if name in absent or (only and name not in there):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)

sys.meta_path.insert(0, Absent())
from bias_audit.cli import main
told = []
for command in commands:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(command)
        except SystemExit as leave:
            code = leave.code
    told.append((code or 0, out.getvalue(), err.getvalue()))
print("TOLD" + json.dumps([told, sorted({name.partition(".")[0] for name in sys.modules} - there)]))
"""


def without(
    absent: Collection[str], commands: Sequence[Sequence[object]], folder: Path, *, only: Collection[str] = ()
) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each command, all of them run by one interpreter.

    Args:
        absent: packages that cannot be imported.
        commands: arguments of `bias-audit`, each.
        folder: working folder.
        only: if given, nothing but these packages and Python's own modules can be imported.
    """
    given = json.dumps([sorted(absent), sorted(only), [[str(part) for part in command] for command in commands]])
    done = subprocess.run(
        [sys.executable, "-c", CODE, given], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=True
    )
    told, foreign = json.loads(done.stdout.rpartition("TOLD")[2])
    assert not only or not foreign, foreign
    return [(code, out, err) for code, out, err in told]
