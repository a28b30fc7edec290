"""The page in a real browser: what a reader sees, what the network sees, and that hostile names stay text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from made_run import HOSTILE, HUSKY, NAMES, WOLF, made_parts, write_parts

from bias_audit.report.page import write_report


@dataclass
class Opened:
    """A page, and what it did while it was opened."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html of the run with a finding."""
    return write_report(write_parts(made_parts(), tmp_path_factory.mktemp("browser") / "run"))


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a file with the given options of a browser context, and listens."""
    contexts = []

    def open_one(path: Path, **options: Any) -> Opened:
        context = browser.new_context(reduced_motion="reduce", **options)
        context.set_default_timeout(120_000)  # a busy machine is no failure
        contexts.append(context)
        opened = Opened(context.new_page())
        opened.page.on("console", lambda message: opened.console.append(message.text))
        opened.page.on("pageerror", lambda error: opened.console.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.on("dialog", lambda dialog: (opened.dialogs.append(dialog.message), dialog.dismiss()))
        opened.page.goto(path.as_uri())
        return opened

    yield open_one
    for context in contexts:
        context.close()


def test_nothing_but_the_file_is_asked_for_and_nothing_complains(
    report: Path, open_page: Callable[..., Opened]
) -> None:
    opened = open_page(report)
    opened.page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    opened.page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    opened.page.wait_for_load_state("networkidle")
    assert [url for url in opened.requests if not url.startswith("data:")] == [report.as_uri()]
    assert opened.console == [], "errors, warnings, or violations of the content security policy"
    assert opened.dialogs == []


def test_a_broken_page_would_be_noticed(report: Path, tmp_path: Path, open_page: Callable[..., Opened]) -> None:
    injected = '<script>alert("in")</script><img src="https://example.org/x.png"></main>'
    broken = tmp_path / "broken.html"
    text = report.read_text(encoding="utf-8")
    broken.write_text(text.replace("</main>", injected, 1), encoding="utf-8")
    opened = open_page(broken)
    assert opened.dialogs == [], "the policy stops what an escape might miss"
    assert len([line for line in opened.console if "Content Security Policy" in line]) == 2


def test_hostile_names_are_shown_as_they_are(report: Path, open_page: Callable[..., Opened]) -> None:
    opened = open_page(report)
    shown = opened.page.locator("figure.card .file bdi").all_text_contents()
    assert {f"husky/{name}" for name in NAMES} <= set(shown)
    assert opened.page.locator("th.name bdi").all_text_contents()[:3] == [HUSKY, WOLF, HOSTILE]
    assert opened.page.locator("main img, main script").count() == 0


def test_the_verdict_comes_first_with_its_level_in_words(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report).page
    assert page.locator("h1").all_inner_texts()[0].startswith("The prediction follows the background")
    assert page.locator("#verdict .level").inner_text() == "SUSPICIOUS"
    assert page.locator("#verdict .level svg").count() == 1
    levels = page.locator(".finding > details > summary .level").all_inner_texts()
    assert levels == ["SUSPICIOUS", "WATCH", "WATCH"]


def test_headings_step_down_one_level_at_a_time(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report).page
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_picture_has_a_label_and_every_id_is_unique(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report).page
    labels = page.evaluate("[...document.querySelectorAll('[role=img], img')].map((e) => e.getAttribute('aria-label'))")
    assert len(labels) > 60
    assert all(labels)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    broken = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"#\"], use')].map((e) => e.getAttribute('href'))"
        ".filter((href) => !document.getElementById(href.slice(1)))"
    )
    assert broken == []
    unlabelled = page.evaluate(
        "[...document.querySelectorAll('[aria-labelledby]')].filter("
        "(e) => !document.getElementById(e.getAttribute('aria-labelledby'))).length"
    )
    assert unlabelled == 0


def test_pictures_are_shown_without_scripts(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report, java_script_enabled=False).page
    assert not page.locator("#browser").is_visible(), "nothing that does not work is offered"
    card = page.locator("figure.card").first
    card.scroll_into_view_if_needed()
    frames = card.locator(".frame")
    assert frames.count() == 3
    images = [frames.nth(index).evaluate("(e) => getComputedStyle(e).backgroundImage") for index in range(3)]
    assert len(set(images)) == 1, "the same photo three times"
    assert images[0].startswith('url("data:image/jpeg;base64,')
    box = frames.nth(0).bounding_box()
    assert box["width"] / box["height"] == pytest.approx(32 / 24, rel=0.02)
    heat = card.locator(".heat").evaluate("(e) => getComputedStyle(e).backgroundImage")
    assert heat.startswith('url("data:image/png;base64,')
    # The photo is really painted: its one colour stands in the middle of the first panel.
    shot = frames.nth(0).screenshot()
    assert middle_pixel(shot) == pytest.approx((0, 0, 0), abs=8)


def middle_pixel(png: bytes) -> tuple[int, ...]:
    """RGB in the middle of a screenshot."""
    import io

    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    return image.getpixel((image.width // 2, image.height // 2))


def test_the_class_table_sorts_by_value_with_missing_ones_last(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report).page

    def order() -> list[str]:
        return page.locator("table.classes tbody th bdi").all_text_contents()

    accuracy = page.get_by_role("button", name="Accuracy")
    gap = page.get_by_role("button", name="Background gap")
    gap.click()
    assert order() == [HUSKY, WOLF, HOSTILE]
    gap.click()
    assert order() == [WOLF, HUSKY, HOSTILE], "a class that was not judged is neither best nor worst"
    header = page.locator("th", has=gap)
    assert header.get_attribute("aria-sort") == "ascending"
    accuracy.focus()
    page.keyboard.press("Enter")
    assert order()[-1] == WOLF
    assert header.get_attribute("aria-sort") is None
    page.get_by_role("button", name="Class", exact=True).click()
    assert order() == [HOSTILE, HUSKY, WOLF]


def test_a_missing_number_shows_its_reason(report: Path, open_page: Callable[..., Opened]) -> None:
    row = open_page(report).page.locator("table.classes tbody tr").nth(2)
    cells = row.locator("td").all_inner_texts()
    assert all(text.strip() for text in cells)
    assert cells[2] == "no usable mask"
    assert cells[-1] == "no mask"


def test_the_switches_work_without_a_script(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report, java_script_enabled=False).page
    heat, outline = page.locator(".card .heat").first, page.locator(".card .heat + .outline").first
    assert heat.evaluate("(e) => getComputedStyle(e).imageRendering") == "auto"
    page.locator("#pixelated").check()
    assert heat.evaluate("(e) => getComputedStyle(e).imageRendering") == "pixelated"
    assert outline.is_visible()
    page.locator("#plain-heat").check()
    assert not outline.is_visible()


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_and_its_text_is_legible(
    report: Path, open_page: Callable[..., Opened], width: int, scheme: str
) -> None:
    page = open_page(report, viewport={"width": width, "height": 800}, color_scheme=scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    faint = page.evaluate(CONTRASTS)
    assert faint == [], "text below the contrast of 4.5 : 1 (WCAG 2.1 AA)"


CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const backdrop = (element) => {
    if (!element) return [255, 255, 255];
    const style = getComputedStyle(element), own = rgba(style.backgroundColor);
    // The verdict fades from its wash to the paper; the wash is the stronger colour of the two.
    const wash = element.id === 'verdict' ? rgba(style.getPropertyValue('--wash')) : own;
    return wash[3] === 1 ? wash.slice(0, 3) : over(wash, backdrop(element.parentElement));
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = new Set();
  document.querySelectorAll('details').forEach((fold) => (fold.open = true));
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('script, style')) continue;
    const below = backdrop(element), text = over(rgba(getComputedStyle(element).color), below);
    const [dark, light] = [luminance(text), luminance(below)].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) faint.add(`${element.className || element.tagName}: ${contrast.toFixed(2)}`);
  }
  return [...faint];
}"""


def test_folds_are_opened_for_printing_and_closed_again(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report).page
    closed = page.locator("details:not([open])").count()
    assert closed > 3
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == closed


def test_the_first_tab_stop_skips_to_the_findings(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the findings"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#findings"


def test_a_level_is_never_told_by_colour_alone(report: Path, open_page: Callable[..., Opened]) -> None:
    page = open_page(report).page
    chips = page.locator(".level, .mini")
    assert chips.count() >= 5
    for index in range(chips.count()):
        assert chips.nth(index).inner_text().strip()
        assert chips.nth(index).locator("svg").count() == 1
