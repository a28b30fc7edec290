"""Terminal, file and page of one audit say the same thing (issue 14, items 7, 8 and 13)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import bias_audit
from bias_audit.checks.outcomes import LEVELS, NO_RELIANCE, NOT_JUDGED

if TYPE_CHECKING:
    from conftest import Audited

pytestmark = pytest.mark.slow

EVERY_LEVEL = (*LEVELS, NO_RELIANCE, NOT_JUDGED)
NEGATIVE_ZERO = re.compile(r"[-\N{MINUS SIGN}]0(\.0+)?(?![.\d])")


@pytest.fixture(params=["planted", "clean"])
def told(request: pytest.FixtureRequest, browser: Any, audited_planted: Audited, audited_clean: Audited) -> Any:
    """(what the command said, the run, its page in a browser)."""
    audited = audited_planted if request.param == "planted" else audited_clean
    page = browser.new_page()
    page.goto((audited.run / "report.html").as_uri())
    yield audited, bias_audit.load(audited.run), page
    page.close()


def test_one_level_in_badge_headline_title_and_terminal(told: Any) -> None:
    audited, run, page = told
    failing = [row.level for row in run.gate().rows if row.status == "failed" and row.level]
    level = max(failing, key=LEVELS.index, default=NO_RELIANCE)
    assert page.locator("#verdict .level").inner_text() == level
    assert page.title().startswith(f"{level} ")
    assert json.loads((audited.run / "audit.json").read_text())["level"] == level
    assert audited.printed.rstrip().splitlines()[-1].startswith(f"{level}. Report: ")
    first = audited.printed.splitlines()[0]
    assert first.startswith(f"{level}: " if failing else "No reliance on the background was shown")
    headline = page.locator("h1").inner_text()
    assert not [other for other in EVERY_LEVEL if other in headline and other != level]
    levels = [LEVELS.index(text) for text in page.locator(".finding > header .level").all_inner_texts()]
    assert levels == sorted(levels, reverse=True)
    assert (level == NO_RELIANCE) == headline.startswith("No reliance")


def test_nothing_rounds_to_a_negative_zero(told: Any) -> None:
    audited, run, page = told
    sentences = [outcome.sentence for outcome in run.outcomes]
    for text in (audited.printed, run.verdict, page.locator("main").inner_text(), *sentences):
        assert not NEGATIVE_ZERO.search(text), text
    assert NEGATIVE_ZERO.search("falls by -0.00 [-0.00, 0.1]")
    assert not NEGATIVE_ZERO.search("-0.04, 1-0.5, -0.250")


def test_examples_are_drawn_in_proportion_and_counted(told: Any) -> None:
    _, _, page = told
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    groups = page.locator(".evidence:has(.counted)")
    assert groups.count() >= 1
    for group in groups.all():
        lines = group.locator(".counted li").all_inner_texts()
        counts = [list(map(int, re.findall(r"(\d+) of (\d+)", text.replace(",", ""))[0])) for text in lines]
        totals = [list(map(int, re.findall(r"(\d+) of (\d+)", text.replace(",", ""))[1])) for text in lines]
        assert len(lines) == 4
        tiles = [row.locator("li:has(.what)").all() for row in group.locator(".composed").all()]
        for place, ((shown, of), (right, total)) in enumerate(zip(counts, totals, strict=True)):
            arm = [row[-4:][place] for row in tiles]  # before them the photo itself
            assert (len(arm), sum(tile.locator(".prediction.good").count() for tile in arm)) == (of, shown)
            assert total >= of
            # In proportion: another number of three would be farther off; with four arms at once, by one at most.
            assert abs(shown - of * right / total) <= 1, (lines[place], shown, of, right, total)


def test_examples_are_those_of_the_class_table(told: Any) -> None:
    audited, run, _ = told
    stored = json.loads((audited.run / "pictures.json").read_text())["composites"]
    columns = {
        "same": "same_background_accuracy", "other": "other_background_accuracy",
        "background_only": "background_only_accuracy", "foreground_only": "foreground_only_accuracy",
    }  # fmt: skip
    assert stored
    for name, rows in stored.items():
        for row in rows:
            share = row["arm_recognised"] / row["arm_total"]
            assert share == pytest.approx(run.classes.loc[name, columns[row["arm"]]], abs=0.02), (name, row["arm"])
