"""Imports point one way: the contracts stand in pyproject.toml ([tool.importlinter])."""

from __future__ import annotations

from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]


def test_import_contracts(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_files_stay_readable():
    """A file over 400 lines wants splitting."""
    long = {
        path.name: n for path in (ROOT / "bias_audit").rglob("*.py") if (n := len(path.read_text().splitlines())) > 400
    }
    assert not long
