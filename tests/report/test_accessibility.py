"""The whole page against axe, on paper, and at three widths."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_run import made_parts, slice_outcomes, slice_rows, write_parts
from PIL import Image

from bias_audit.report.page import write_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = made_parts()
    parts.slices, parts.outcomes = slice_rows(), parts.outcomes + slice_outcomes()
    return write_report(write_parts(parts, tmp_path_factory.mktemp("accessible") / "run"))


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    """Makes pages in a context of the given options, shown at the image browser."""
    opened = []

    def visit(report: Path, **options: Any) -> Any:
        opened.append(browser.new_context(reduced_motion="reduce", **options))
        page = opened[-1].new_page()
        page.set_default_timeout(120_000)  # a busy machine is no failure
        page.goto(report.as_uri())
        page.locator("#browser").scroll_into_view_if_needed()
        page.locator("#viewer-title").wait_for()
        return page

    yield visit
    for each in opened:
        each.close()


@pytest.fixture
def violations(axe: Any) -> Callable[[Any], list[str]]:
    """What axe calls serious or critical, in the whole page or within elements."""

    def found(page: Any, *within: str) -> list[str]:
        return [
            f"{rule['id']}: {node['html'][:200]}"
            for rule in axe(page, {"include": [*within]} if within else None)
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    return found


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_axe_finds_nothing_serious(report: Path, context: Any, violations: Any, scheme: str, width: int) -> None:
    page = context(report, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    assert violations(page) == []
    page.keyboard.press("4")
    page.keyboard.press("?")
    assert page.locator("#keys-help").is_visible()
    assert violations(page, "#browser", "#keys-help") == [], "nothing else has changed"


def test_axe_would_find_something(report: Path, context: Any, violations: Any) -> None:
    page = context(report)
    page.evaluate("document.querySelector('#browser').append(document.createElement('button'))")
    assert any(line.startswith("button-name") for line in violations(page, "#browser", "#keys-help"))


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_image_browser_fits_its_window(report: Path, context: Any, width: int) -> None:
    page = context(report, viewport={"width": width, "height": 800})
    for view in "1234":
        page.keyboard.press(view)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        "[...document.querySelectorAll('#browser select, #browser input, #browser button, .viewer *')].filter((e) => {"
        " const box = e.getBoundingClientRect(), frame = document.querySelector('#browser').getBoundingClientRect();"
        " const beyond = box.right > frame.right + 1 || box.left < frame.left - 1;"
        " return box.width && beyond && !e.closest('.scroll, .unseen');"
        "}).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_paper_has_no_controls_and_shows_the_images(report: Path, context: Any) -> None:
    page = context(report)
    assert not page.locator(".static .card").first.is_visible(), "on a screen they are in the browser"
    page.emulate_media(media="print")
    for control in ("#browser", "nav.contents", "#pixelated", ".verdicts", ".skip"):
        assert not page.locator(control).first.is_visible(), control
    assert page.locator(".static .card").count() == 24
    assert page.locator(".static .card").first.is_visible()
    assert page.locator(".histogram").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_scripts_the_most_suspicious_are_listed(report: Path, context: Any, browser: Any) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(report.as_uri())
    assert page.locator(".static .card").first.is_visible()
    link = page.locator("#findings .thumbnails a").first
    assert page.locator(link.get_attribute("href")).is_visible()
    page.context.close()


def test_the_chosen_picture_is_really_painted(report: Path, context: Any) -> None:
    page = context(report)
    page.keyboard.press("1")
    shot = Image.open(io.BytesIO(page.locator(".stage .frame").screenshot())).convert("RGB")
    assert shot.getpixel((shot.width // 2, shot.height // 2)) == pytest.approx((0, 0, 0), abs=8)
