"""The benchmark scripts run; their figures are for people, not for tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options", "last"),
    [
        ("audit_pass.py", ["--rounds", "1", "--masks"], "peak memory:"),
        ("loader_difference.py", [], "image_dataset_from_directory: probabilities differ"),
    ],
)
def test_scripts_run(tiny, script, options, last):
    masks = [tiny.masks] if "--masks" in options else []
    arguments = [tiny.follows_object, tiny.images, *options, *masks]
    done = subprocess.run([sys.executable, SCRIPTS / script, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(last)
