"""The first screen: which class, why, how sure, and what to do, whatever the run; in a browser, within the window."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import CLASSES, HUSKY, WOLF, Parts, made_parts, put_table, stored_pictures, table, write_parts

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reasons import FILLS_FRAME, TOO_FEW
from bias_audit.report.cue_titles import cue_titles, with_titles
from bias_audit.report.first_screen import MOST_HEADLINE, split_verdict
from bias_audit.report.page import write_report
from bias_audit.report.summary import summarise
from bias_audit.run.result import AuditResult, load

Write = Callable[[Parts], Path]


def first(parts: Parts, write_run: Write) -> dict[str, Any]:
    return summarise(load(write_run(parts)), stored_pictures())["first"]


def text(step: list[dict[str, Any]]) -> str:
    return "".join(piece["text"] for piece in step)


def reliance(status: str, reason: str = "", **numbers: Any) -> tuple[RuleOutcome, ...]:
    """The same outcome of BA201 for every class."""
    return tuple(
        RuleOutcome("BA201", "t", "class", name, status, "s", reason_code=reason, **numbers) for name in CLASSES
    )


@pytest.mark.parametrize(
    ("verdict", "parts"),
    [
        ("One. Two. Three.", ("One.", "Two. Three.")),
        ("Only one.", ("Only one.", "")),
        ("The classes (a. b) are lost. Accuracy is 0.50.", ("The classes (a. b) are lost.", "Accuracy is 0.50.")),
        ("St. Bernard is lost. Accuracy is 1.00.", ("St. Bernard is lost.", "Accuracy is 1.00.")),
        ("Is it? Yes.", ("Is it?", "Yes.")),
    ],
)
def test_the_headline_is_the_first_sentence(verdict: str, parts: tuple[str, str]) -> None:
    assert split_verdict(verdict, ["a", "St. Bernard"]) == parts


def test_a_finding_says_which_class_how_sure_and_what_to_do(result: AuditResult) -> None:
    shown = summarise(result, stored_pictures())["first"]
    assert shown["subject"] == HUSKY
    assert [(step["value"], step["low"], step["high"]) for step in shown["numbers"]] == [
        (1.0, 0.68, 1.0), (1.0, 0.68, 1.0), (0.25, 0.07, 0.59),
    ]  # fmt: skip
    sure = shown["sure"]
    assert (sure["estimate"]["value"], sure["estimate"]["low"], sure["n"], sure["p_value"]) == (0.75, 0.25, 8, 0.01)
    assert (shown["code"], shown["place"], len(shown["steps"])) == ("BA201", 1, 3)
    strip = shown["strip"]
    assert (strip["kind"], strip["subject"]) == ("composites", HUSKY)
    assert [tile["predicted"] for tile in strip["tiles"]] == [HUSKY, HUSKY, WOLF, HUSKY, WOLF]
    assert [tile["right"] for tile in strip["tiles"]] == [True, True, False, None, False], "no object, nothing is right"


def test_the_class_whose_background_pulls_most_is_shown(parts: Parts, write_run: Write) -> None:
    found = [
        RuleOutcome(
            "BA201", "t", "class", name, "found", "s", level="SUSPICIOUS", measured=gap, evidence={"attract": pull}
        )
        for name, gap, pull in ((HUSKY, 0.9, 0.1), (WOLF, 0.5, 0.8))
    ]
    parts.outcomes = tuple(found)
    shown = first(parts, write_run)
    assert (shown["subject"], shown["place"]) == (WOLF, 2), "the larger gap stands first in the list"
    assert [other["name"] for other in shown["others"]] == [HUSKY]
    assert shown["others"][0]["values"] == [1.0, 1.0, 0.25]


def test_a_doubt_about_the_input_comes_before_everything(parts: Parts, write_run: Write) -> None:
    doubt = RuleOutcome("BA906", "t", "dataset", "", "found", "s", level="MODEL WARNING", measured=0.5, n=24)
    parts.outcomes = (*parts.outcomes, doubt)
    shown = first(parts, write_run)
    assert (shown["subject"], shown["code"]) == ("", "BA906")
    assert shown["numbers"][0]["value"] == pytest.approx(23 / 24), "of all photos"


def test_a_property_of_the_whole_photo_has_its_own_numbers(parts: Parts, write_run: Write) -> None:
    known = {"class_name": HUSKY, "property": "colour", "same_accuracy": 0.9, "same_low": 0.8, "same_high": 1.0}
    item = RuleOutcome("BA301", "t", "class", HUSKY, "found", "s", level="HIDDEN", measured=0.6)
    parts.outcomes = (dataclasses.replace(item, evidence={**known, "other_accuracy": 0.2}),)
    numbers = first(parts, write_run)["numbers"]
    assert [(step["label"], step["value"]) for step in numbers[1:]] == [
        ("with the colour of its own class", 0.9), ("with the colour of another class", 0.2),
    ]  # fmt: skip


def test_a_clean_run_says_what_was_not_excluded(parts: Parts, write_run: Write) -> None:
    parts.outcomes = (
        RuleOutcome("BA201", "t", "class", HUSKY, "passed", "s", measured=0.0, low=-0.2, high=0.2, n=30),
        RuleOutcome("BA201", "t", "class", WOLF, "passed", "s", measured=0.0, low=-0.4, high=0.4, n=8),
    )
    shown = first(parts, write_run)
    assert shown["subject"] == WOLF, "the class that leaves most open"
    sure = shown["sure"]
    assert (sure["measure"], sure["estimate"]["value"], sure["n"], sure["name"]) == ("excluded", 0.4, 8, WOLF)
    assert any("more photos" in text(step) for step in shown["steps"])


@pytest.mark.parametrize(
    ("reason", "said"),
    [("no usable mask", "--masks"), (TOO_FEW, "Collect photos"), (FILLS_FRAME, "BA301"), ("", "why")],
)
def test_what_was_not_judged_has_a_way_out(parts: Parts, write_run: Write, reason: str, said: str) -> None:
    parts.outcomes = reliance("not applicable", reason)
    shown = first(parts, write_run)
    assert shown["sure"]["sentence"].startswith("Not tested")
    assert said in " ".join(map(text, shown["steps"]))


def test_a_headline_of_a_hundred_classes_is_cut_and_kept_whole(parts: Parts, write_run: Write) -> None:
    parts.verdict = f"SUSPICIOUS: the prediction follows the background in {', '.join(map(str, range(300)))}. More."
    shown = first(parts, write_run)
    assert len(shown["headline"]) <= MOST_HEADLINE + 2
    assert shown["headline"].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert shown["whole"].endswith("299. More.")


def test_an_id_of_a_cue_is_no_title(parts: Parts, write_run: Write) -> None:
    folder = write_run(parts)
    rows = [
        {"cue_id": "husky-6ab9e5", "class_name": HUSKY},
        {"cue_id": "husky-0001", "class_name": HUSKY, "name": "snow"},
        {"cue_id": "husky-77", "class_name": HUSKY},
    ]
    put_table(folder, "cues", table("cues", rows))
    titles = cue_titles(load(folder))
    assert list(titles.values()) == ["snow", "cue 2 of husky", "cue 3 of husky"]
    said = with_titles("It keeps looking at the recurring cue husky-6ab9e5, not husky-77x or husky-77.", titles)
    assert said == "It keeps looking at cue 2 of husky, not husky-77x or cue 3 of husky."


# -- in a browser ---------------------------------------------------------------------------------------------------


def clean_parts() -> Parts:
    parts = made_parts()
    parts.outcomes = tuple(item for item in parts.outcomes if not item.found)
    parts.verdict = "No reliance on the background was shown in 1 judged class. A gap of up to 30 pp is not excluded."
    return parts


def unjudged_parts() -> Parts:
    parts = made_parts()
    parts.outcomes, parts.pictures = reliance("not applicable", "no usable mask"), None
    parts.verdict = "NOT JUDGED: reliance on the background could not be tested. No usable mask."
    return parts


ANSWERS = ("#verdict .level", "#verdict h1", "#verdict .three", "#verdict .answers > :first-child", "#verdict .advice")


@pytest.mark.parametrize("made", [made_parts, clean_parts, unjudged_parts])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 2 * 844)])
def test_every_answer_stands_in_the_first_screen(
    made: Callable[[], Parts], width: int, height: int, browser: Any, tmp_path: Path
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(write_report(write_parts(made(), tmp_path / "run")).as_uri())
    wanted = [*ANSWERS, *(["#verdict .shots"] if made is not unjudged_parts else [])]
    ends = {name: page.locator(name).bounding_box() for name in wanted}
    assert all(box["y"] + box["height"] <= height for box in ends.values()), ends
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_tabs_and_search_choose_what_is_listed(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(write_report(write_parts(made_parts(), tmp_path / "run")).as_uri())
    assert page.locator(".finding > details[open]").count() == 1
    assert [page.locator(f".of-{name}").is_visible() for name in ("found", "passed", "open")] == [True, False, False]
    page.get_by_label("Could not be judged").check()
    assert [page.locator(f".of-{name}").is_visible() for name in ("found", "passed", "open")] == [False, False, True]
    page.get_by_label("Found").check()
    page.get_by_label("Search findings and images").fill("unreadable")
    assert page.locator(".finding:visible").count() == 1
    assert page.locator("#search-told").inner_text().startswith("1 of 3 findings.")
    page.get_by_label("Search findings and images").fill("plain")
    page.get_by_role("button", name="Search the images").click()
    page.locator(".told").filter(has_text="3 of 26 images").wait_for(timeout=60_000)
    page.close()


def test_further_columns_are_shown_on_request_and_on_paper(browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(write_report(write_parts(made_parts(), tmp_path / "run")).as_uri())
    heads = page.locator("table.classes thead th:visible")
    assert heads.count() == 6, "name, images and the four numbers that matter"
    page.locator("#all-columns").check()
    assert heads.count() > 10
    page.locator("#all-columns").uncheck()
    page.emulate_media(media="print")
    assert heads.count() > 10
    page.close()
