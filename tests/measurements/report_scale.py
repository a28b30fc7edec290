"""Page size, opening, scrolling and gate time of a run of 50,000 images.

    python tests/measurements/report_scale.py make PHOTOS MASKS OUT [--images 50000]
    bias-audit audit MODEL OUT/images --masks OUT/masks --out RUN ...
    python tests/measurements/report_scale.py measure RUN [--gate FILE] [--rounds 5]

`make` writes copies of the photos under new names, 224 pixels wide, each with bytes of its own behind the end of the
JPEG, so that no two files are equal; masks are links. `measure` writes the page anew, opens it in Chromium and prints,
as medians over the rounds: bytes of the page; seconds until it is loaded, and until the image browser shows its rows
once it is in sight; the longest pause of the page's main thread while it is scrolled from end to end, and while the
list is sorted and filtered; seconds of `bias-audit gate` and of `bias-audit --help`, as processes. No assertion:
figures to read.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

SIDE = 224

PAUSES = """() => {
  window.pauses = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.pauses.push(entry.duration);
  }).observe({ type: "longtask" });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    steps = parser.add_subparsers(required=True)
    make = steps.add_parser("make")
    make.add_argument("photos", type=Path)
    make.add_argument("masks", type=Path)
    make.add_argument("out", type=Path)
    make.add_argument("--images", type=int, default=50_000)
    make.set_defaults(run=make_data)
    measure = steps.add_parser("measure")
    measure.add_argument("folder", type=Path)
    measure.add_argument("--gate", type=Path)
    measure.add_argument("--rounds", type=int, default=5)
    measure.add_argument("--chromium", default="/usr/bin/chromium")
    measure.set_defaults(run=measure_run)
    options = parser.parse_args()
    options.run(options)


def make_data(options: argparse.Namespace) -> None:
    photos = sorted(path for path in options.photos.glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    jpegs = []
    for path in photos:
        pixels = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        jpegs.append(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())
        mask = cv2.imread(str(options.masks / path.parent.name / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
        small = options.out / "small" / path.parent.name / f"{path.stem}.png"
        small.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(small), cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST))
    for number in range(options.images):
        path, jpeg = photos[number % len(photos)], jpegs[number % len(photos)]
        name = f"{path.stem}_{number // len(photos):04d}"
        image, mask = (options.out / kind / path.parent.name for kind in ("images", "masks"))
        for folder in (image, mask):
            folder.mkdir(parents=True, exist_ok=True)
        (image / f"{name}.jpg").write_bytes(jpeg + number.to_bytes(4, "big"))
        (mask / f"{name}.png").symlink_to((options.out / "small" / path.parent.name / f"{path.stem}.png").resolve())


def measure_run(options: argparse.Namespace) -> None:
    command = shutil.which("bias-audit") or str(Path(sys.executable).with_name("bias-audit"))
    gate = [command, "gate", str(options.folder), *(["--gate", str(options.gate)] if options.gate else [])]
    report, _ = timed([command, "report", str(options.folder)])
    page = options.folder / "report.html"
    print(f"page: {page.stat().st_size / 1e6:.2f} MB, written in {report:.1f} s")
    for name, arguments in (("gate", gate), ("--help", [command, "--help"])):
        runs = [timed(arguments) for _ in range(options.rounds)]
        print(f"{name}: {statistics.median(seconds for seconds, _ in runs):.2f} s, exit code {runs[0][1]}")
    rounds = [open_page(page, options.chromium) for _ in range(options.rounds)]
    for name in rounds[0]:
        values = [each[name] for each in rounds]
        print(f"{name}: {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})")


def timed(arguments: list[str]) -> tuple[float, int]:
    start = time.monotonic()
    code = subprocess.run(arguments, capture_output=True, env={**os.environ, "NO_COLOR": "1"}).returncode
    return time.monotonic() - start, code


def open_page(page: Path, chromium: str) -> dict[str, float]:
    """Seconds, and milliseconds of the longest pause, of one opening in a fresh browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.monotonic()
        tab.goto(page.absolute().as_uri(), wait_until="load")
        loaded = time.monotonic() - start
        near = time.monotonic()
        tab.evaluate("document.getElementById('images').scrollIntoView({ behavior: 'instant' })")
        tab.locator("#browser [role=option]").first.wait_for()
        shown = time.monotonic() - near
        tab.evaluate(PAUSES)
        found = {
            "loaded, s": loaded,
            "rows of the image browser once it is in sight, s": shown,
            "longest pause while scrolling the page, ms": longest(tab, lambda: scroll_page(tab)),
            "longest pause while scrolling the list, ms": longest(tab, lambda: scroll_list(tab)),
            "longest pause while sorting, ms": longest(tab, lambda: tab.select_option("#browser [name=sort]", index=3)),
            "longest pause while filtering, ms": longest(tab, lambda: tab.fill("#browser [name=text]", "17")),
            "memory of the page's scripts, MB": tab.evaluate("performance.memory.usedJSHeapSize") / 1e6,
        }
        browser.close()
    return found


def longest(tab: Any, act: Callable[[], object]) -> float:
    """The longest task of the main thread during an action; 0 where none reached 50 ms, which browsers call long."""
    tab.evaluate("window.pauses.length = 0")
    act()
    tab.wait_for_timeout(700)
    return max(tab.evaluate("window.pauses"), default=0)


def scroll_page(tab: Any) -> None:
    for _ in range(60):
        tab.mouse.wheel(0, 1500)
        tab.wait_for_timeout(16)


def scroll_list(tab: Any) -> None:
    tab.evaluate(
        """async () => {
          const list = document.querySelector("#browser [data-part=list]");
          for (let step = 0; step <= 100; step += 1) {
            list.scrollTop = (list.scrollHeight - list.clientHeight) * step / 100;
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          }
        }"""
    )


if __name__ == "__main__":
    main()
