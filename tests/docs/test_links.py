"""Every relative link in a text of the repository leads to a file, and to a heading where it names one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))

import reference  # noqa: E402
import stage  # noqa: E402

TEXTS = ["README.md", ".github/pull_request_template.md", *stage.pages()]


def anchors(markdown: str) -> set[str]:
    """What one may link to: of each heading its small letters, with hyphens for spaces, as GitHub has it."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", stage.FENCE.sub("", markdown), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def dead(path: str, text: str) -> list[str]:
    """The targets of a page that are not there."""
    gone = []
    for target in stage.targets(path, text):
        name, _, anchor = target.partition("#")
        file = ROOT / name
        if name.startswith("docs/reference/"):
            content = reference.pages().get(name.removeprefix("docs/"), "")
        elif not file.exists() or not file.resolve().is_relative_to(ROOT):
            gone.append(target)
            continue
        else:
            content = file.read_text(encoding="utf-8") if file.suffix == ".md" else ""
        if anchor and (name.endswith(".md") and anchor not in anchors(content)):
            gone.append(target)
    return gone


@pytest.mark.parametrize("path", TEXTS)
def test_links_lead_somewhere(path):
    assert dead(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_dead_links_are_seen():
    text = "[a](start.md) [b](no.md)\n[c](concepts.md#no-such-thing) [d](science.md#targets) [e](https://x.y)\n```\n[f](g.md)\n```"
    assert dead("docs/index.md", text) == ["docs/no.md", "docs/concepts.md#no-such-thing"]


def test_every_page_is_in_the_contents_once():
    """Sphinx warns of it, too, but not everybody builds the site."""
    index = (ROOT / stage.INDEX).read_text(encoding="utf-8")
    lines = stage.contents(index, reference.pages()).splitlines()
    listed = [line.rpartition("<")[2].rstrip(">") for line in lines if ".md" in line]
    wanted = {str(stage.site_path(path)) for path in stage.pages()} - {"index.md"}
    wanted |= {name for name in reference.pages() if name.count("/") == 1}
    assert sorted(listed) == sorted(wanted)


def test_links_on_the_site():
    needed: set[str] = set()

    def moved(text: str, path: str = "docs/how-to/masks.md") -> str:
        return stage.on_site(path, text, "https://host/owner/repo", needed)

    assert moved("[a](../science.md#targets) [b](in-python.md)") == "[a](../science.md#targets) [b](in-python.md)"
    assert moved("[a](../../SECURITY.md#x)") == "[a](../security.md#x)"
    assert moved("[a](docs/design.md)", "SECURITY.md") == "[a](design.md)"
    assert moved("[a](../../Makefile)") == "[a](https://host/owner/repo/blob/main/Makefile)"
    assert moved("[a](../../tests)") == "[a](https://host/owner/repo/tree/main/tests)"
    assert moved("![a](../fills.png)") == "![a](../fills.png)"
    assert needed == {"docs/fills.png"}
    assert moved("[two\nlines](../../CHANGELOG.md)") == "[two\nlines](../changelog.md)"
    assert moved("```\n[a](../../SECURITY.md)\n```") == "```\n[a](../../SECURITY.md)\n```"


def test_a_notebook_becomes_a_page(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "source": ["1 + 1"],
            "outputs": [
                {"output_type": "stream", "text": ["printed\n"]},
                {"output_type": "execute_result", "data": {"text/plain": ["2"]}},
                {"output_type": "stream", "text": ["in ", "pieces\n"]},
                {"output_type": "display_data", "data": {"image/png": ["aGk="], "text/plain": ["<Figure>"]}},
                {
                    "output_type": "display_data",
                    "data": {"text/html": ['<p><a href="work/run/a.html">a</a></p>\n\n<p>b</p>']},
                },
            ],
        },
    ]
    text = stage.notebook({"cells": cells}, tmp_path / "page.md")
    assert text == (
        "# Title\ntext\n\n```python\n1 + 1\n```\n\n```text\nprinted\nin pieces\n```\n\n```text\n2\n```\n\n"
        '![what the cell shows](page-1-3.png)\n\n<div class="shown"><p>a</p>\n<p>b</p></div>\n'
    )
    assert (tmp_path / "page-1-3.png").read_bytes() == b"hi"
