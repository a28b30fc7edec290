"""SECURITY.md names a test for every sentence about who may do what, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def named(markdown: str) -> list[str]:
    """Tests in code spans: `tests/FILE.py`, with ::CLASS, ::function or both behind it."""
    return re.findall(r"`(tests/[\w/.]+\.py(?:::\w+)*)`", markdown)


def exists(test: str) -> bool:
    file, *names = test.split("::")
    if not (ROOT / file).is_file():
        return False
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    for name in names:
        found = next((node for node in body if getattr(node, "name", None) == name), None)
        if found is None or not name.startswith(("test_", "Test")):
            return False
        body = found.body if isinstance(found, ast.ClassDef) else []
    return True


def rows(markdown: str) -> list[tuple[str, str]]:
    """Sentence and tests of every row of the tables, without their heads."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ") and not line.endswith("| tests |")]
    return [(cells[1].strip(), cells[2].strip()) for line in lines if (cells := line.split("|"))]


def test_every_named_test_exists():
    tests = named(PAGE)
    assert len(tests) > 30
    assert [test for test in tests if not exists(test)] == []


def test_every_sentence_is_held_by_a_test_or_says_that_it_is_open():
    assert len(rows(PAGE)) > 20
    assert [
        said for said, tests in rows(PAGE) if not named(tests) and not (tests == "-" and said.startswith("**"))
    ] == []


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("tests/architecture/test_security_page.py::test_every_named_test_exists", True),
        ("tests/architecture/test_security_page.py", True),
        ("tests/architecture/test_security_page.py::named", False),
        ("tests/architecture/test_security_page.py::test_none", False),
        ("tests/architecture/test_none.py", False),
        ("tests/keras/test_saved_model.py::TestRefused::test_heads_and_inputs", True),
        ("tests/keras/test_saved_model.py::TestRefused::test_none", False),
    ],
)
def test_a_test_that_does_not_exist_is_seen(test, there):
    assert exists(test) == there
