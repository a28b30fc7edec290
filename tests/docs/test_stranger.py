"""The stranger's path (`make stranger`) leaves out no command of the texts without a reason; a few are typed here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.stranger.__main__ import _ended, line_of  # noqa: E402
from tests.stranger.steps import PATH, Step, left_out  # noqa: E402

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TYPED = ("bias-audit ", "make ", "python ", "pip ")


def commands(page: str) -> list[str]:
    """Commands of a page, without their comments."""
    blocks = FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
    found = [line for language, block in blocks if language in ("", "sh") for line in block.splitlines()]
    return [re.split(r"\s+# ", line)[0].strip() for line in found if line.startswith(TYPED)]


PAGES = ["README.md", *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md")))]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_typed_or_has_a_reason(page):
    typed = {step.command for step in PATH.get(page, ())}
    assert [each for each in commands(page) if each not in typed and not left_out(each)] == []
    assert typed <= set(commands(page)), "a step that the page does not have"


def test_words_are_those_of_the_command():
    for steps in PATH.values():
        for step in steps:
            assert all(word in step.command for word in step.words), step.command
            assert line_of(step) != step.command or not step.words


@pytest.mark.parametrize(
    ("step", "good"),
    [
        (Step("python -c 'print(5)'", says="5"), True),
        (Step("python -c 'print(5)'", says="6"), False),
        (Step("python -c 'exit(1)'", 1), True),
        (Step("python -c 'exit(1)'"), False),
        (Step("touch there", files=("there",)), True),
        (Step("touch there", files=("here",)), False),
        (Step("cat made", says="x", before=("echo x > made",)), True),
    ],
)
def test_ends_are_compared(step, good, tmp_path, capsys):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    assert _ended(step, tmp_path, {"PATH": path}) is good
    assert ("WRONG" in capsys.readouterr().out) is not good


def test_its_help_is_printed():
    done = subprocess.run([sys.executable, "-m", "tests.stranger", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "docs/how-to/ci.md" in done.stdout
