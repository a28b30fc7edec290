"""The package works under `python -OO`, which drops docstrings and asserts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import bias_audit

CHANGES = (ast.Await, ast.NamedExpr, ast.Yield, ast.YieldFrom)
"""What an assert must not contain: under -O it would not happen."""


def reads_docstrings(tree: ast.AST) -> bool:
    named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return bool(named & {"__doc__", "getdoc"})


def asserts_that_act(tree: ast.AST) -> list[int]:
    asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return [node.lineno for node in asserts if any(isinstance(part, CHANGES) for part in ast.walk(node))]


def test_no_module_reads_docstrings_or_acts_in_an_assert():
    package = Path(bias_audit.__file__).parent
    trees = {path.relative_to(package): ast.parse(path.read_text(encoding="utf-8")) for path in package.rglob("*.py")}
    assert not [name for name, tree in trees.items() if reads_docstrings(tree)]
    assert not [name for name, tree in trees.items() if asserts_that_act(tree)]


def test_the_check_can_fail():
    assert reads_docstrings(ast.parse("print(f.__doc__)"))
    assert asserts_that_act(ast.parse("assert (n := 1)")) == [1]


def test_commands_run_without_docstrings(finished_run):
    """The page of a finished run is written, a rule is explained, and every rule has its title."""
    code = f"""
from bias_audit.cli import main
from bias_audit.rules import RULES, SUMMARIES
if main(["report", {str(finished_run)!r}]) or main(["rule", "BA201"]):
    raise SystemExit("a command failed")
if set(RULES) != set(SUMMARIES) or RULES["BA201"].__doc__ is not None:
    raise SystemExit("docstrings are there, or a rule has no title")
"""
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (finished_run / "report.html").is_file()
