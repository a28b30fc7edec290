"""The run folder of `made_run`, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_run import Parts, made_parts, write_parts

from bias_audit.result import AuditResult, load


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


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome, or None."""
    named = os.environ.get("CHROMIUM")
    for candidate in (named, "/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome"):
        if candidate and (path := shutil.which(candidate)):
            return path
    return None


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium. Where there is none the tests are skipped, unless BIAS_AUDIT_REQUIRE_BROWSER is set."""
    path = find_chromium()
    if path is None:
        reason = "no Chromium found: set CHROMIUM to its path, or install the package chromium"
        if os.environ.get("BIAS_AUDIT_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()
