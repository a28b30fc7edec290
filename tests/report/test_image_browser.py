"""The image browser in a real browser: filters, order, keyboard, links, and fifty thousand rows, few of them drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from made_run import HOSTILE, HUSKY, NAMES, WOLF, Parts, made_parts, put_table, write_parts

from bias_audit.report.page import write_report
from bias_audit.report.rendering import quantity

OPTION = "#browser [role=option]"


def browsed() -> Parts:
    """The run with a finding, where images also have a hash of their content and a camera."""
    parts = made_parts()
    for index, row in enumerate(parts.images):
        row["content"] = f"{index + 1:016x}"
    return parts


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(write_parts(browsed(), tmp_path_factory.mktemp("images") / "run"))


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page at a hash, and shows its image browser; nothing may be complained about."""
    contexts, complaints = [], []

    def one(path: Path, hash: str = "", **options: Any) -> Any:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options}
        )
        context.set_default_timeout(120_000)  # a busy machine is no failure
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri() + hash)
        page.locator("#browser").scroll_into_view_if_needed()
        page.locator(".told").filter(has_text="images").wait_for()
        return page

    yield one
    for context in contexts:
        context.close()
    assert complaints == []


def names(page: Any) -> list[str]:
    return page.locator(".row-name bdi").all_text_contents()


def shown(page: Any) -> str:
    """Name of the image that is shown large."""
    return page.locator("#viewer-title bdi").text_content()


def pick(page: Any, **choices: str) -> None:
    for name, value in choices.items():
        page.locator(f"#browser [name={name}]").select_option(value)


def test_every_image_is_there_the_most_suspicious_first(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    assert page.locator(".told").inner_text() == "26 of 26 images"
    # Resting on the background first, then by excess, which grows with the index.
    assert names(page)[:4] == [f"husky/{NAMES[0]}", f"husky/{NAMES[1]}", f"husky/{NAMES[7]}", f"{WOLF}/{NAMES[7]}"]
    assert shown(page) == f"husky/{NAMES[0]}"
    assert page.locator(OPTION).first.get_attribute("aria-setsize") == "26"


def test_numbers_are_written_as_in_the_rest_of_the_page(report: Path, visit: Callable[..., Any]) -> None:
    """Rounding, ties (0.125, 0.625) and what is neither none nor all: the script says what Python says."""
    values = [place / 1000 for place in range(-1200, 1201)] + [1e-9, -1e-9, 0.00049, 0.0005, 0.9995, 0.99949, 0.999999]
    values += [0.0625, 0.1875, 0.9925, 12.345, -3.005, 0.285, 1.115, 1234.5, -1234567.125]
    for unit in ("share", "points", "number"):
        shown = visit(report).evaluate(
            "([values, unit]) => values.map((value) => quantity(value, unit))", [values, unit]
        )
        assert shown == [quantity(value, unit) for value in values]


def test_filters_narrow_the_list_together(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    told = page.locator(".told")
    pick(page, label=WOLF)
    assert told.inner_text() == "8 of 26 images"
    pick(page, right="wrong")
    assert told.inner_text() == "1 of 26 images"
    assert shown(page) == f"{WOLF}/{NAMES[3]}"
    assert page.locator(".image-view .prediction").first.inner_text().split()[:2] == ["wrong:", HUSKY]
    pick(page, predicted=HOSTILE)
    assert told.inner_text() == "0 of 26 images"
    assert page.locator(".viewer").inner_text() == "No image passes these filters."
    page.get_by_role("button", name="Clear filters").click()
    told.filter(has_text="26 of 26").wait_for()
    pick(page, level="SUSPICIOUS")
    assert sorted(names(page)) == sorted(f"husky/{name}" for name in NAMES[:2])
    pick(page, level="none")
    assert told.inner_text() == "24 of 26 images"


def test_the_text_is_searched_in_names_and_classes(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    page.keyboard.press("/")
    page.keyboard.type("PLAIN wölf")
    page.locator(".told").filter(has_text="1 of 26").wait_for()
    assert names(page) == [f"{WOLF}/plain.jpg"]
    assert page.evaluate("document.activeElement.name") == "text", "typing is not taken for keys"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.name") is None


def test_a_score_sorts_both_ways_with_missing_ones_last(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    pick(page, sort="background_excess")
    down = page.locator(".row-side .number").all_text_contents()
    assert [text.split()[0] for text in down[:3]] == ["0.70", "0.70", "0.60"]
    page.locator("[name=up]").check()
    up = [text.split()[0] for text in page.locator(".row-side .number").all_text_contents()]
    assert up[:4] == ["0.00", "0.00", "0.10", "0.10"]
    page.locator(".list").press("End")
    assert page.locator(".row-side .number").last.text_content().split()[0] == "\N{EN DASH}"
    pick(page, sort="name")
    page.locator("[name=up]").uncheck()
    page.locator(".list").press("Home")
    shown_names = names(page)
    assert shown_names == sorted(shown_names)


def test_the_keys_turn_pages_and_views(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    page.keyboard.press("j")
    assert shown(page) == f"husky/{NAMES[1]}"
    assert page.evaluate("document.activeElement.dataset.targetKey") == f"{2:016x}", "decisions are about what is shown"
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert shown(page) == f"husky/{NAMES[0]}", "the first has none before it"
    stage = page.locator(".stage")
    for key, label in (("1", "photo husky"), ("2", "heatmap for husky"), ("3", "mask outline"), ("4", "composite of")):
        page.keyboard.press(key)
        assert stage.locator(".frame").first.get_attribute("aria-label").startswith(label)
        assert page.locator(".views [aria-pressed=true]").get_attribute("aria-keyshortcuts") == key
    assert "on the background of a wölf 🐺 photo: now" in stage.inner_text()
    assert "93%" in stage.inner_text()
    page.keyboard.press("?")
    assert page.locator("#keys-help").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    assert not page.locator("#keys-help").is_visible()
    assert shown(page) == f"husky/{NAMES[0]}", "no key works through the list of keys"


def test_the_list_is_a_listbox(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    box = page.get_by_role("listbox", name="Images")
    box.focus()
    page.keyboard.press("End")
    active = box.get_attribute("aria-activedescendant")
    assert page.locator(f"#{active}").get_attribute("aria-posinset") == "26"
    assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    assert page.locator("[aria-selected=true]").count() == 1
    assert page.evaluate("document.activeElement.getAttribute('role')") == "listbox"
    page.keyboard.press("ArrowUp")
    assert page.locator("[aria-selected=true]").get_attribute("aria-posinset") == "25"


def test_a_link_opens_what_was_seen_and_back_leads_back(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    pick(page, label=WOLF)
    pick(page, sort="background_excess")
    page.locator(OPTION).nth(2).click()
    page.keyboard.press("3")
    there = page.evaluate("location.href")  # `page.url` follows a moment later
    seen = shown(page), names(page)
    again = visit(report, "#" + there.split("#")[1])
    assert (shown(again), names(again)) == seen
    assert again.locator("[name=label]").input_value() == WOLF
    assert again.locator("[name=sort]").input_value() == "background_excess"
    assert again.locator(".views [aria-pressed=true]").inner_text() == "Outline"
    page.go_back()
    page.locator("[aria-posinset='1'][aria-selected=true]").wait_for()
    page.go_forward()
    page.locator("[aria-posinset='3'][aria-selected=true]").wait_for()
    assert (shown(page), names(page)) == seen


@pytest.mark.parametrize("key", [f"{9:016x}", f"{WOLF}/{NAMES[0]}"])
def test_an_image_is_linked_by_its_content_or_its_name(report: Path, visit: Callable[..., Any], key: str) -> None:
    assert shown(visit(report, "#" + urlencode({"image": key}))) == f"{WOLF}/{NAMES[0]}"


def test_a_link_to_what_is_not_there_says_so(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report, "#image=0123456789abcdef&label=nonsense&view=9&sort=__proto__&column=__proto__%3D1")
    assert "the image of this link is not in this report" in page.locator(".told").inner_text()
    assert page.locator(".told").inner_text().startswith("26 of 26")


def test_a_thumbnail_of_a_finding_leads_to_its_image(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    pick(page, label=WOLF)
    page.locator("#findings .thumbnails a").nth(1).click()
    assert shown(page) == f"husky/{NAMES[1]}", "filters that hide it give way"
    assert "image=" in page.evaluate("location.href")
    link = page.locator(".named a").first
    assert link.inner_text().startswith("BA201: husky")
    link.click()
    assert page.evaluate("location.hash") == "#finding-1"


def test_every_image_can_be_decided_about(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    page.evaluate("addEventListener('bias-audit:target', (event) => { window.told = event.target.dataset.targetKey; })")
    page.keyboard.press("j")
    target = page.locator(".image-view")
    assert target.get_attribute("data-target-kind") == "image"
    assert target.get_attribute("data-target-key") == page.evaluate("window.told") == f"{2:016x}"
    assert target.get_attribute("data-target-subject") == f"husky/{NAMES[1]}"
    assert target.locator(".decide button").count() >= 4


def test_the_heatmap_fades_and_shows_its_cells(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    heat = page.locator(".stage .heat")
    assert heat.evaluate("(e) => getComputedStyle(e).opacity") == "1"
    page.locator("[data-part=opacity]").fill("0.25")
    assert heat.evaluate("(e) => getComputedStyle(e).opacity") == "0.25"
    page.locator("#pixelated").check()
    assert heat.evaluate("(e) => getComputedStyle(e).imageRendering") == "pixelated"
    assert page.locator(".stage .outline").is_visible()
    page.locator("#plain-heat").check()
    assert not page.locator(".stage .outline").is_visible()


def test_an_image_without_a_picture_says_why(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report, "#text=broken")
    assert shown(page) == "husky/broken <b>.jpg"
    assert "not in this file" in page.locator(".stage").inner_text()
    assert "unreadable" in page.locator(".image-view").inner_text()


def test_columns_of_the_user_filter_too(tmp_path: Path, visit: Callable[..., Any]) -> None:
    folder = write_parts(browsed(), tmp_path / "run")
    add_column(folder, 'camera="1"', ["old", "<b>new</b>"])
    page = visit(write_report(folder))
    page.locator("#browser [name=column-0]").select_option("<b>new</b>")
    assert page.locator(".told").inner_text() == "13 of 26 images"
    again = visit(folder / "report.html", "#" + page.evaluate("location.href").split("#")[1])
    assert again.locator(".told").inner_text() == "13 of 26 images"
    assert "<b>new</b>" in again.locator(".scores").inner_text()


def add_column(folder: Path, name: str, values: list[str]) -> None:
    """A column of the user's in the images table, its values in turn."""
    import pandas as pd

    images = pd.read_parquet(folder / "images.parquet")
    images[name] = [values[index % len(values)] for index in range(len(images))]
    put_table(folder, "images", images)


def test_fifty_thousand_images_of_which_few_are_drawn(tmp_path: Path, visit: Callable[..., Any]) -> None:
    parts = browsed()
    first = parts.images[8]
    parts.images += [
        {
            **first, "image_id": f"{WOLF}/deep/{index:05d}.jpg", "content": f"{index + 1000:016x}",
            "background_excess": index / 100_000, "probability": (index * 7919 % 50_000) / 50_000,
        }
        for index in range(50_000 - len(parts.images))
    ]  # fmt: skip
    page_file = write_report(write_parts(parts, tmp_path / "run"))
    assert page_file.stat().st_size < 3_500_000, "numbers take two bytes per image, names what is new in them"
    page = visit(page_file)
    assert page.locator(".told").inner_text() == "50,000 of 50,000 images"
    assert page.locator(OPTION).count() < 40
    box = page.locator(".list")
    box.press("End")
    assert page.locator(OPTION).count() < 40
    assert page.locator("[aria-selected=true]").get_attribute("aria-posinset") == "50000"
    box.evaluate("(e) => { e.scrollTop = e.scrollHeight / 2; }")
    page.locator("[aria-posinset='25000']").wait_for()
    assert page.locator(OPTION).count() < 40
    places = [int(each.get_attribute("aria-posinset")) for each in page.locator(OPTION).all()]
    assert places == sorted(places), "screen readers go by the order in the document"
    pick(page, sort="probability")
    box.press("Home")
    assert page.locator(".row-side .number").first.text_content().startswith("> 99.9%"), "49,999 of 50,000 are not all"
    page.locator("[name=text]").fill("deep/49")
    page.locator(".told").filter(has_text="974 of 50,000").wait_for()


def test_a_finding_leads_to_where_more_of_it_is_shown(report: Path, visit: Callable[..., Any]) -> None:
    page = visit(report)
    links = page.locator(".finding .fine > a:not([href^='#rule'])")
    # Three findings: the second says where its images are, the third leads to a section. No link leads nowhere.
    assert links.all_text_contents() == ["BA201 above", "The images and why"]
    assert links.last.get_attribute("href") == "#not-audited"
    assert "Rules could not judge 5 times" in page.locator("#not-audited").text_content()
