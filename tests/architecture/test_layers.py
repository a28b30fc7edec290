"""Imports point one way: the contracts stand in pyproject.toml ([tool.importlinter])."""

from __future__ import annotations

import re
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "bias_audit" / "checks"


def test_import_contracts(monkeypatch):
    monkeypatch.chdir(ROOT)
    # It would silence every logger of this process, those of the next tests among them.
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


def test_files_stay_readable():
    """A file over 400 lines wants splitting."""
    long = {
        path.name: n for path in (ROOT / "bias_audit").rglob("*.py") if (n := len(path.read_text().splitlines())) > 400
    }
    assert not long


def sibling_imports(source: str, check: str) -> set[str]:
    """Other checks that a file of this check imports."""
    named = set(re.findall(r"\bbias_audit\.checks\.(\w+)\.", source))
    named |= set(re.findall(r"from bias_audit\.checks import (\w+)", source))
    return (named & {path.parent.name for path in CHECKS.glob("*/__init__.py")}) - {check}


def test_checks_do_not_know_their_siblings():
    found = {path: sibling_imports(path.read_text(), path.parent.name) for path in CHECKS.glob("*/*.py")}
    assert len(found) > 40
    assert {path.relative_to(CHECKS).as_posix(): names for path, names in found.items() if names} == {}


def test_what_iterates_over_the_checks_names_none_of_them():
    """Naming a cue, the live test and its photos, writing composites and what they could find are about one check."""
    about_one = {
        "name_cue.py", "live_test.py", "audited_photos.py", "composites.py", "look_at_data.py", "beforehand.py",
    }  # fmt: skip
    files = [path for path in (ROOT / "bias_audit" / "pipeline").glob("*.py") if path.name not in about_one]
    files += [*(ROOT / "bias_audit" / "gate").rglob("*.py"), *(ROOT / "bias_audit" / "run").glob("*.py")]
    found = {path.name: sibling_imports(path.read_text(), "") for path in files}
    assert len(found) > 30
    assert {name: checks for name, checks in found.items() if checks} == {}


def test_the_check_can_fail():
    assert sibling_imports("from bias_audit.checks.slices.rule import worst_slice", "inputs") == {"slices"}
    assert not sibling_imports("from bias_audit.checks.slices.rule import worst_slice", "slices")
