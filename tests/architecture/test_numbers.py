"""Numbers in sentences: nothing rounds to -0.00 (issue 14, item 7)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import bias_audit

ROUNDS = ("f", "%", "g", "e")


def formats(source: str) -> Iterator[str]:
    """Format specifications of f-strings that round, as text; nested fields are left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FormattedValue) and isinstance(node.format_spec, ast.JoinedStr):
            parts = node.format_spec.values
            spec = "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
            if "." in spec and spec.endswith(ROUNDS):
                yield spec


def test_rounding_never_leaves_a_minus_before_nothing():
    """The option z of Python 3.11."""
    package = Path(bias_audit.__file__).parent
    wrong = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any("z" not in spec for spec in formats(path.read_text(encoding="utf-8")))
    }
    assert wrong == set()


def test_the_check_can_fail():
    assert list(formats('f"{x:.2f} {y:z.0%} {n:,} {w:>8}"')) == [".2f", "z.0%"]
    assert f"{-0.004:z.2f} {-0.001:z.0%}" == "0.00 0%"
