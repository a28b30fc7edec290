"""Shared material: photo-like pictures, folders of them with masks, and a real browser.

Everything is generated from seeds, so a test fails on the same picture everywhere. TensorFlow is imported by the
fixtures that need it only.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image


def _photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: smooth noise at three scales, so that JPEG and resampling behave as on a photo."""
    rng = np.random.default_rng(seed)
    values = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((3, 0.5), (8, 0.3), (24, 0.2)):
        coarse = rng.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
        values += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(values, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def photo() -> Callable[..., np.ndarray]:
    """`photo(height, width, seed=0)` -> (height, width, 3) uint8 RGB."""
    return _photo


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """Two classes with three JPEGs each, of different sizes: DATA/husky/0.jpg .. DATA/wolf/2.jpg."""
    root = tmp_path / "photos"
    for label, name in enumerate(("husky", "wolf")):
        (root / name).mkdir(parents=True)
        for i, (height, width) in enumerate(((60, 80), (97, 61), (48, 48))):
            Image.fromarray(_photo(height, width, 10 * label + i)).save(root / name / f"{i}.jpg", quality=90)
    return root


@pytest.fixture
def mask_folder(photo_folder: Path) -> Path:
    """A mask per photo of `photo_folder`, same tree and stem: 255 in the middle half of both sides, else 0."""
    root = photo_folder.parent / "masks"
    for path in sorted(photo_folder.rglob("*.jpg")):
        with Image.open(path) as image:
            width, height = image.size
        mask = np.zeros((height, width), np.uint8)
        mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 255
        target = root / path.relative_to(photo_folder).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)
    return root


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


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `bias-audit ARGUMENTS` in this process: exit code, stdout, stderr."""
    from bias_audit.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leave:  # argparse leaves this way
            code = int(leave.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run
