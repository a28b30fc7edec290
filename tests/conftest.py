"""Shared material: photo-like pictures, folders of them with masks, a real browser; and which tests are quick.

Everything is generated from seeds, so a test fails on the same picture everywhere. TensorFlow is imported by the
fixtures that need it only.

`pytest --quick` leaves out the tests that load TensorFlow or Keras, or open a browser, and those marked `slow`. Which
load them is read off the folder and the fixtures; a test that does so in another way is marked `heavy` by hand, for
under `--quick` these packages cannot be imported: a test that tries fails, whatever it makes of the refusal.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

if TYPE_CHECKING:
    from made_run import Parts

    from bias_audit.run.result import AuditResult

HEAVY_PACKAGES = ("tensorflow", "keras", "tf_keras", "torch", "playwright")
"""What no quick test imports: each takes seconds to load, or starts a browser."""

HEAVY_FIXTURES = {"browser", "tiny", "planted", "clean"}
"""Fixtures that load them; those that are made from these (a finished audit) are found by asking for them."""

HEAVY_FOLDERS = tuple(Path(__file__).parent / name for name in ("keras", "torch_models"))
"""Their files import a framework at their head, so that even collecting them loads it."""


class Refusal(MetaPathFinder):
    """Refuses to import the heavy packages, and keeps what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.partition(".")[0] in HEAVY_PACKAGES:
            self.asked.append(fullname)
            raise ModuleNotFoundError(f"{fullname} is not for quick tests: mark this one `heavy`", name=fullname)


REFUSAL = Refusal()


os.environ.pop("COLUMNS", None)  # readline, which pytest imports for pdb, sets it for processes that are started

settings.register_profile("untimed", deadline=None)  # a busy machine fails no test
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "leave out tests that are slow, load TensorFlow or Keras or open a browser; one that tries to fails"
    parser.addoption("--quick", action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # of a background job; programs under test would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--quick"):
        if loaded := [name for name in HEAVY_PACKAGES if name in sys.modules]:
            raise pytest.UsageError(f"--quick: {', '.join(loaded)} loaded before the first test, by a plugin?")
        sys.meta_path.insert(0, REFUSAL)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: not looking it over for garbage again and again saves a tenth of all time."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def pytest_unconfigure() -> None:
    if REFUSAL in sys.meta_path:
        sys.meta_path.remove(REFUSAL)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--quick") and any(map(collection_path.is_relative_to, HEAVY_FOLDERS)) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if any(map(item.path.is_relative_to, HEAVY_FOLDERS)) or HEAVY_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("heavy")
    if hasattr(config, "workerinput"):  # in a process of pytest-xdist
        long_files_first(items)
    if config.getoption("--quick"):
        quick: list[pytest.Item] = []
        left_out: list[pytest.Item] = []
        for item in items:
            marked = any(item.get_closest_marker(name) for name in ("heavy", "slow"))
            (left_out if marked else quick).append(item)
        config.hook.pytest_deselected(items=left_out)
        items[:] = quick


def long_files_first(items: list[pytest.Item]) -> None:
    """Order files so that no process of pytest-xdist is left alone with a long one at the end.

    Files with slow tests come first, then those that load much, quick ones last; within these, those of many tests.
    """
    slow, heavy = ({item.path for item in items if item.get_closest_marker(name)} for name in ("slow", "heavy"))
    size = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[bool, bool, int, str]:
        return item.path not in slow, item.path not in heavy, -size[item.path], str(item.path)

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """No test cuts the power, and an audit waits 35 times for its files to lie on the disk: a tenth of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Last of a test, so that its fixtures are torn down before this fails: code may have swallowed the refusal."""
    if REFUSAL.asked:
        asked = ", ".join(dict.fromkeys(REFUSAL.asked))
        REFUSAL.asked.clear()
        pytest.fail(f"a quick test imported {asked}: mark it `heavy`, or import less", pytrace=False)


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


@pytest.fixture
def parts() -> Parts:
    """A run with a finding, made by hand; tests change parts of it before it is written."""
    from made_run import made_parts

    return made_parts()


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[[Parts], Path]:
    """Writes parts as a run folder and returns it."""
    from made_run import write_parts

    return lambda parts: write_parts(parts, tmp_path / "run")


@pytest.fixture
def result(parts: Parts, write_run: Callable[[Parts], Path]) -> AuditResult:
    """The run with a finding, read back."""
    from bias_audit.run.result import load

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


@pytest.fixture(scope="session")
def axe(browser: Any) -> Callable[..., list[dict[str, Any]]]:
    """`axe(page, within=None)`: what axe finds wrong with a page. What passes is not listed, for half of the time."""
    run = pytest.importorskip("axe_playwright_python.sync_playwright").Axe().run
    return lambda page, within=None: run(page, within, {"resultTypes": ["violations"]}).response["violations"]


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
