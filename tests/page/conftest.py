"""The run folder of `made_run`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_run import Parts, made_parts, write_parts

from bias_audit.run.result import AuditResult, load


@pytest.fixture
def parts() -> Parts:
    """A run with a finding; tests change parts of it before it is written."""
    return made_parts()


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[[Parts], Path]:
    """Writes parts as a run folder and returns it."""
    return lambda parts: write_parts(parts, tmp_path / "run")


@pytest.fixture
def result(parts: Parts, write_run: Callable[[Parts], Path]) -> AuditResult:
    """The run with a finding, read back."""
    return load(write_run(parts))
