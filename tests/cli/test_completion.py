"""The completion scripts: made of the parser, and what bash makes of one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("shtab")

from bias_audit.cli.command_line import COMMANDS
from bias_audit.cli.completion import SHELLS

HEAVY = ("tensorflow", "keras", "torch", "onnxruntime", "pandas", "scipy", "sklearn", "cv2", "matplotlib")

TRY = """
source "$1"
complete -p bias-audit > /dev/null || exit 1
function=$(complete -p bias-audit | sed 's/.*-F \\([^ ]*\\).*/\\1/')
shift
COMP_WORDS=(bias-audit "$@")
COMP_CWORD=$#
$function bias-audit "${@: -1}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> Path:
    code, out, err = command("completion", "bash")
    assert (code, err) == (0, "")
    file = tmp_path / "completion.bash"
    file.write_text(out)
    return file


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_is_in_the_script(command: Callable[..., tuple[int, str, str]], shell: str) -> None:
    code, out, _ = command("completion", shell)
    assert code == 0
    names = ["audit", *(module.__name__.rpartition(".")[2] for module in COMMANDS)]
    assert [name for name in names if name not in out] == []
    assert "--overwrite" in out or "-l overwrite" in out


def completed(script: Path, *typed: str) -> list[str]:
    """What bash proposes for the last word, in the folder of the script."""
    arguments = ["bash", "-c", TRY, "bash", str(script), *typed]
    done = subprocess.run(arguments, cwd=script.parent, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        (["au"], ["audit"]),
        (["re"], ["report", "review", "repair", "rescore"]),
        (["gate", "--ba"], ["--baseline"]),
        (["audit", "--mask"], ["--masks", "--mask-foreground", "--mask-ignore"]),
        (["report", "x", "--images", ""], ["none", "flagged", "all"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
    ],
)
def test_what_bash_completes(script: Path, typed: list[str], proposed: list[str]) -> None:
    assert completed(script, *typed) == proposed


def test_paths_are_completed_as_paths(script: Path) -> None:
    (script.parent / "runs").mkdir()
    (script.parent / "runs.csv").touch()
    assert completed(script, "report", "ru") == ["runs"], "a run is a folder"


def test_no_framework_is_loaded_for_it() -> None:
    ask = "import sys; from bias_audit.cli import main; main(['completion', 'zsh'])"
    ask += f"; print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.rsplit("LOADED", 1)[1].split() == []
