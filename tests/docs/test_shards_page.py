"""What one copies from the page on shards is well-formed: shell and YAML."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / "docs/how-to/shards.md").read_text(), re.MULTILINE | re.DOTALL)
YAML = [text for kind, text in BLOCKS if kind == "yaml"]
SHELL = [text for kind, text in BLOCKS if kind == "sh" or text.startswith("bias-audit ")]


@pytest.mark.parametrize("text", YAML)
def test_yaml(text: str) -> None:
    config = YamlLintConfig((ROOT / ".yamllint.yml").read_text())
    assert [str(problem) for problem in linter.run(text, config)] == []


@pytest.mark.parametrize("text", SHELL)
def test_shell(text: str) -> None:
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).stderr == ""


def test_there_is_something_to_check() -> None:
    assert (len(YAML), len(SHELL)) == (2, 10)
