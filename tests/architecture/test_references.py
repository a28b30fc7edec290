"""docs/science.md and the code lead to each other: no reference, no anchor and no name ends in nothing."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bias_audit.config import Thresholds

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "bias_audit"
TEXT = ROOT / "docs" / "science.md"

FORMER = re.compile(r"\bSCIEN" + r"CE\b")
"""How the code named a text outside of the repository, before this one; in two parts, or this file would name it."""

KINDS = (".py", ".md", ".toml", ".html", ".json", ".csv")


def texts() -> Iterator[tuple[str, str]]:
    """Name and content of every text of the repository."""
    files = [ROOT / "README.md", ROOT / "pyproject.toml"]
    for folder in ("bias_audit", "docs", "reports", "tests"):
        files += (path for path in (ROOT / folder).rglob("*") if path.suffix in KINDS and path.is_file())
    for path in files:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def without_code(markdown: str) -> str:
    """The same without fenced blocks, in which # and ` mean other things."""
    return re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)


def anchors(markdown: str) -> list[str]:
    """What GitHub lets one link to: of each heading its small letters, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", without_code(markdown), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def references(text: str) -> list[str]:
    """Anchors that a text refers to, in docs/science.md."""
    return re.findall(r"docs/science\.md#([\w-]*)", text)


def names(markdown: str) -> list[str]:
    """Names of the code, `module.function` and longer, in code spans; files are none."""
    found = re.findall(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)`", without_code(markdown))
    return [name for name in found if not name.endswith(KINDS)]


def defined(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Functions, classes and assigned names of a module or class."""
    result: dict[str, ast.stmt] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            result[node.name] = node
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            for target in targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                result.update((part.id, node) for part in parts if isinstance(part, ast.Name))
    return result


def resolves(name: str) -> bool:
    """Whether a name below the package exists: read, not imported, since TensorFlow takes seconds."""
    parts = name.split(".")
    folder = PACKAGE
    while parts and (folder / parts[0]).is_dir():
        folder /= parts.pop(0)
    file = folder / f"{parts[0]}.py" if parts else folder
    if not file.is_file() or len(parts) < 2:
        return False
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for part in parts[1:]:
        node = defined(body).get(part)
        if node is None:
            return False
        body = node.body if isinstance(node, ast.ClassDef) else []
    return True


def defaults(markdown: str) -> dict[str, float]:
    """Name -> default, of the table of thresholds."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", markdown, re.MULTILINE)
    return {name: float(value) for name, value in rows}


def test_nothing_names_a_text_outside_of_the_repository():
    assert [name for name, text in texts() if FORMER.search(text)] == []


def test_every_reference_leads_to_a_heading():
    there = set(anchors(TEXT.read_text(encoding="utf-8")))
    broken = {
        name: lost
        for name, text in texts()
        if name != "tests/architecture/test_references.py" and (lost := set(references(text)) - there)
    }
    assert broken == {}


def test_links_within_the_text_lead_to_headings_of_one_name_each():
    text = TEXT.read_text(encoding="utf-8")
    there = Counter(anchors(text))
    assert [anchor for anchor, count in there.items() if count > 1] == []
    assert [anchor for anchor in re.findall(r"\]\(#([\w-]*)\)", text) if anchor not in there] == []


def test_every_name_of_the_code_exists():
    found = names(TEXT.read_text(encoding="utf-8"))
    assert len(found) > 100
    assert [name for name in found if not resolves(name)] == []


def test_every_section_with_a_formula_says_where_it_stands_in_the_code():
    sections = re.split(r"^#+ ", TEXT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    without = [section.split("\n")[0] for section in sections if "```" in section and "In the code:" not in section]
    assert without == ["One dense layer"]  # what is derived there is computed by the methods above it


def test_thresholds_are_those_of_the_code():
    assert defaults(TEXT.read_text(encoding="utf-8")) == dataclasses.asdict(Thresholds())


def test_the_package_refers_to_the_text():
    """Or the tests above would pass on a repository without references."""
    assert sum(len(references(text)) for name, text in texts() if name.startswith("bias_audit/")) > 40


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("stats.intervals.wilson", True),
        ("checks.thresholds.Thresholds.min_gap", True),
        ("checks.thresholds.Thresholds.no_such_bound", False),
        ("config.FIRST_FILL", True),
        ("stats.intervals.no_such_interval", False),
        ("no_such_module.wilson", False),
        ("stats.wilson", False),  # a name is looked for where it is defined
        ("config", False),
    ],
)
def test_a_name_that_does_not_exist_is_seen(name, there):
    assert resolves(name) == there


def test_the_checks_can_fail():
    text = "# A title\n## Two words\n```text\n# none, `no.name`\n```\n`a.b`, `c.md`, `x = 1`\n| `fdr` | 0.05 | why |\n"
    assert anchors(text) == ["a-title", "two-words"]
    assert names(text) == ["a.b"]
    assert defaults(text) == {"fdr": 0.05}
    assert references("see docs/science.md#two-words, and docs/science.md") == ["two-words"]
    assert FORMER.search("as in SCIEN" + "CE, E1")
