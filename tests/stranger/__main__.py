"""A stranger's path: in an empty environment the commands of README.md and docs/ end as the texts say.

`make stranger`, or `python -m tests.stranger [--page PAGE ...]`. The committed tree is cloned, an environment is made,
and what the README says is typed there; then the commands of each page, in a folder of its own that holds the files
which the page takes as given. `--bin DIR` takes the programs of a finished environment instead, and leaves
out what installs. Exit code 1 where a command ended otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.stranger.steps import PATH, Step

ROOT = Path(__file__).parents[2]
PATIENCE = 3600
"""Seconds that a command may take; `make demo` installs TensorFlow."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="append", choices=PATH, help="only this page; may be given several times")
    parser.add_argument("--bin", type=Path, help="programs of an environment that is there already")
    parser.add_argument("--keep", type=Path, help="folder to work in, which is kept")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stranger-")))
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        clone = folder / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        given = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        programs = options.bin.resolve() if options.bin else folder / "environment" / "bin"
        given["PATH"] = f"{programs}{os.pathsep}{given['PATH']}"
        if options.bin:
            given["PYTHONPATH"] = str(clone)
            first = "bias-audit demo --out reports/demo"
        else:
            subprocess.run([sys.executable, "-m", "venv", str(programs.parent)], check=True)
            first = "make demo && pip install -e '.[tensorflow]'"
        wrong = [] if _ended(Step(first), clone, given) else [f"README.md: {first}"]
        for page in options.page or PATH:
            wrong += tried(page, clone, folder, given, installs=not options.bin)
        print("\n".join(wrong) or "Every command ended as the texts say.")
    return int(bool(wrong))


def tried(page: str, clone: Path, folder: Path, given: dict[str, str], *, installs: bool) -> list[str]:
    """Type the commands of a page, and return those that ended otherwise than it says."""
    place = folder / page.replace("/", "-").removesuffix(".md")
    place.mkdir()
    world = Path(__file__).with_name("world.py")
    subprocess.run(["python", str(world), str(clone), str(place)], check=True, env=given)
    wrong = []
    for step in PATH[page]:
        of_clone = step.command.startswith(("make ", "pip "))
        if of_clone and not installs:
            continue
        if not _ended(step, clone if of_clone else place, given):
            wrong.append(f"{page}: {step.command}")
    return wrong


def line_of(step: Step) -> str:
    """The command as it is typed: without what it stands for."""
    line = step.command
    for word, meaning in step.words.items():
        line = line.replace(word, meaning)
    return line


def _ended(step: Step, place: Path, given: dict[str, str]) -> bool:
    """Whether a command ended as its page says; says so."""
    begun = time.monotonic()
    for line in step.before:
        if "pip " not in line or "PYTHONPATH" not in given:
            subprocess.run(line, shell=True, cwd=place, env=given, check=True, capture_output=True)
    line = line_of(step)
    code, output = (_stayed if step.stays else _ran)(line, step, place, given)
    missing = [name for name in step.files if not (place / name).exists()]
    good = code == step.code and step.says in output and not missing
    print(f"{'ok' if good else 'WRONG':6}{time.monotonic() - begun:6.0f} s  {line}", flush=True)
    if not good:
        print(f"       code {code}, expected {step.code}; missing {missing or 'nothing'}; {step.says!r} said: "
              f"{step.says in output}\n{output[-3000:]}", flush=True)  # fmt: skip
    return good


def _ran(line: str, step: Step, place: Path, given: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(line, shell=True, cwd=place, env=given, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


def _stayed(line: str, step: Step, place: Path, given: dict[str, str]) -> tuple[int, str]:
    """Start what serves, wait until it says where, and end it: (the code that is expected, what was said)."""
    words = [*shlex.split(line), "--no-browser"]
    server = subprocess.Popen(words, cwd=place, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said: list[str] = []
    assert server.stdout is not None
    for text in server.stdout:
        said.append(text)
        if step.says in text:
            break
    with contextlib.suppress(ProcessLookupError):
        server.send_signal(signal.SIGINT)
    server.wait(60)
    return step.code, "".join(said)


if __name__ == "__main__":
    raise SystemExit(main())
