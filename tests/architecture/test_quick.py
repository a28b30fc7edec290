"""`pytest --quick` keeps its word: a test that loads the framework fails there, even one that hides it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

WRITTEN = """
import pytest

def test_hidden():
    try:
        import keras
    except ImportError:
        pass

def test_innocent():
    pass

@pytest.mark.heavy
def test_named():
    import keras

def test_with_a_browser(browser):
    pass
"""


def test_who_imports_the_framework_is_told(tmp_path):
    (tmp_path / "test_written.py").write_text(WRITTEN)
    command = [sys.executable, "-m", "pytest", "--quick", "-p", "conftest", "-p", "no:cacheprovider", "test_written.py"]
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "a quick test imported keras: mark it `heavy`" in done.stdout
    assert "2 passed, 2 deselected" in done.stdout
    assert "1 error" in done.stdout
