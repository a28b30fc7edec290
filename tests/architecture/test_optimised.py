"""The package works under `python -OO`, which drops docstrings and asserts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import bias_audit

CHANGES = re.compile(r"^ *assert\b.*(:=|\bawait\b|\byield\b)", re.MULTILINE)
"""An assert that does something: under -O it would not happen."""


def relies_on_what_is_dropped(source: str) -> bool:
    return "__doc__" in source or "getdoc" in source or bool(CHANGES.search(source))


def test_no_module_reads_docstrings_or_acts_in_an_assert():
    package = Path(bias_audit.__file__).parent
    assert not [path for path in package.rglob("*.py") if relies_on_what_is_dropped(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("source", ["print(f.__doc__)", "inspect.getdoc(f)", "if x:\n    assert (n := 1)"])
def test_the_check_can_fail(source):
    assert relies_on_what_is_dropped(source)
    assert not relies_on_what_is_dropped("assert x is not None")


def test_commands_run_without_docstrings(finished_run):
    """The page of a finished run is written, a rule is explained, and every rule has its title."""
    code = f"""
from bias_audit.cli import main
from bias_audit.pipeline.judge import RULES, judge
if main(["report", {str(finished_run)!r}]) or main(["rule", "BA201"]):
    raise SystemExit("a command failed")
if judge.__doc__ is not None or not all(rule.title for rule in RULES.values()):
    raise SystemExit("docstrings are there, or a rule has no title")
"""
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (finished_run / "report.html").is_file()
