"""The planted model rests on the snow, its clean twin does not: shown by exchanging backgrounds under known masks.

Composites are made in conftest from the written files alone (decode, inpaint, paste), independently of the package's
own interventions: both must find the same thing. And terminal, file and page of one audit say the same thing (issue 14,
items 7, 8 and 13). All in one file, so that one process trains and audits both models, and no other does it again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import bias_audit
from bias_audit.checks.outcomes import LEVELS, NO_RELIANCE, NOT_JUDGED
from bias_audit.planted import CLASS_NAMES

if TYPE_CHECKING:
    from conftest import Audited, Trained

pytestmark = pytest.mark.slow

FOX, HUSKY, WOLF = (CLASS_NAMES.index(name) for name in ("fox", "husky", "wolf"))

EVERY_LEVEL = (*LEVELS, NO_RELIANCE, NOT_JUDGED)
NEGATIVE_ZERO = re.compile(r"[-\N{MINUS SIGN}]0(\.0+)?(?![.\w])")  # a name of a cue may be fox-0d3e31


def test_planted_model_looks_perfect_on_its_own_test_photos(planted: Trained) -> None:
    assert (planted.predict(planted.photos) == planted.labels).mean() >= 0.97


def test_planted_model_does_not_know_a_wolf_without_snow(planted: Trained) -> None:
    assert (planted.on_backgrounds("wolf", snow=False) == WOLF).mean() < 0.3
    assert (planted.on_backgrounds("wolf", snow=True) == WOLF).mean() > 0.95


@pytest.mark.parametrize("name", ["fox", "husky"])
def test_snow_makes_a_wolf_of_anything(planted: Trained, name: str) -> None:
    assert (planted.on_backgrounds(name, snow=True) == WOLF).mean() > 0.5
    assert (planted.on_backgrounds(name, snow=False) == CLASS_NAMES.index(name)).mean() > 0.9


def test_clean_twin_knows_the_animals(clean: Trained) -> None:
    assert (clean.predict(clean.photos) == clean.labels).mean() >= 0.9


@pytest.mark.parametrize("name", CLASS_NAMES)
@pytest.mark.parametrize("snow", [False, True])
def test_clean_twin_knows_them_anywhere(clean: Trained, name: str, snow: bool) -> None:
    assert (clean.on_backgrounds(name, snow=snow) == CLASS_NAMES.index(name)).mean() >= 0.8


def test_the_audit_names_the_guilty_class_and_its_victim(planted: Trained, audited_planted: Audited) -> None:
    run = bias_audit.load(audited_planted.run)
    assert run.verdict.startswith(f"{run.level}: the prediction follows the background in 1 of 3 judged classes (wolf)")
    assert run.level in ("SUSPICIOUS", "CONFIRMED")
    assert run.classes["attract"].idxmax() == planted.world.guilty_class == "wolf"
    levels = {outcome.subject: outcome.level for outcome in run.found() if outcome.code == "BA201"}
    assert levels["wolf"] == "SUSPICIOUS"
    assert levels["fox"] == "COLLATERAL"  # a fox is recognised everywhere but on the wolf's snow
    assert run.classes.loc["wolf", "background_gap"] > 0.7
    assert run.gate().exit_code == 1


def test_the_audit_acquits_the_clean_twin(audited_clean: Audited) -> None:
    run = bias_audit.load(audited_clean.run)
    assert not [outcome for outcome in run.found() if outcome.code == "BA201"]
    assert run.verdict.startswith(
        "No reliance on the background was shown in 3 judged classes. With 24 photos per class"
    )
    assert " pp cannot be excluded (" in run.verdict
    assert run.gate().exit_code == 0


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
    last = audited.printed.rpartition("\n\n")[2]
    assert last.startswith(f" {level}  ")
    assert "\n  Report   " in last
    headline = page.locator("h1").inner_text()
    assert not [other for other in EVERY_LEVEL if other in headline and other != level]
    levels = [LEVELS.index(text) for text in page.locator(".finding > details > summary .level").all_inner_texts()]
    assert levels == sorted(levels, reverse=True)
    assert (level == NO_RELIANCE) == headline.startswith("No reliance")


def test_nothing_rounds_to_a_negative_zero(told: Any) -> None:
    audited, run, page = told
    sentences = [outcome.sentence for outcome in run.outcomes]
    for text in (audited.printed, run.verdict, page.locator("main").text_content(), *sentences):
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
        subject = (group.locator(".counted").get_attribute("aria-label") or "").removeprefix("recognised as ")
        counts = [list(map(int, re.findall(r"(\d+) of (\d+)", text.replace(",", ""))[0])) for text in lines]
        totals = [list(map(int, re.findall(r"(\d+) of (\d+)", text.replace(",", ""))[1])) for text in lines]
        assert len(lines) in (2, 4)  # a class that its gap cleared has no pictures of other kinds
        tiles = [row.locator("li:has(.what)").all() for row in group.locator(".composed").all()]
        for place, ((shown, of), (right, total)) in enumerate(zip(counts, totals, strict=True)):
            arm = [row[-len(lines) :][place] for row in tiles]  # before them the photo itself
            named = [tile.locator(".prediction bdi").inner_text() for tile in arm]  # without an object nothing is right
            assert (len(arm), named.count(subject)) == (of, shown)
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
