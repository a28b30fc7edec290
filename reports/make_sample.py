"""Make the committed sample run and its picture: `make sample`. Needs Chromium and the development extra."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

SAMPLE = Path(__file__).parent / "sample"
KEPT = ("report.html", "audit.json", "images.csv", "classes.csv", "confusion.csv", "gap_matrix.csv")
ONLY_THE_PAIR = """() => {
  const findings = [...document.querySelectorAll(".finding")];
  const shown = findings.find((each) => each.querySelector(".composed"));
  for (const each of findings) if (each !== shown) each.style.display = "none";
  for (const each of [...shown.querySelectorAll(".composed")].slice(1)) each.style.display = "none";
}"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = Path(sys.executable).absolute().parent / "bias-audit"
        subprocess.run([command, "demo", "--out", "demo"], check=True, cwd=folder)  # relative: no path of this machine
        shutil.rmtree(SAMPLE, ignore_errors=True)
        SAMPLE.mkdir()
        for name in KEPT:
            shutil.copy(Path(folder) / "demo" / "run" / name, SAMPLE)
    photograph(SAMPLE / "report.html")


def photograph(page_file: Path) -> None:
    """The verdict and the finding that shows one wolf on two backgrounds, and the image browser, for the README."""
    browser_path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        sys.exit("no Chromium found: install one, or set CHROMIUM")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(page_file.resolve().as_uri())
        # The other findings are left out, and of this one all photos but the first; nothing else is changed.
        page.evaluate(ONLY_THE_PAIR)
        end = page.locator(".composed").first.bounding_box()
        assert end is not None
        page.set_viewport_size({"width": 1280, "height": round(end["y"] + end["height"]) + 24})
        page.screenshot(path=page_file.with_name("report.png"))
        page.reload()
        page.set_viewport_size({"width": 1280, "height": 1560})
        page.keyboard.press("j")
        page.locator("#browser .viewer .frame").first.wait_for()
        page.locator("#browser").screenshot(path=page_file.with_name("images.png"))
        browser.close()


if __name__ == "__main__":
    main()
