"""Comparison and history as pages: hostile names stay text, nothing is fetched, axe finds nothing."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import CLASSES, HOSTILE, HUSKY, NAMES, WOLF, Parts, made_parts, slice_outcomes, slice_rows, write_parts

from bias_audit.compare.compared import GONE, KNOWN, NEW, UNJUDGED, Comparison, compare
from bias_audit.compare.history import as_csv, history
from bias_audit.compare.history_page import markdown as history_markdown
from bias_audit.compare.history_page import page_of as history_page
from bias_audit.compare.markdown import LIMIT, markdown
from bias_audit.compare.measures import BETTER, NO_DIFFERENCE, TOO_FEW, WORSE
from bias_audit.compare.page import page_of
from bias_audit.run.result import load


def content(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def worse() -> Parts:
    """Every husky is wrong now and rests on its background; the wolf is a known finding."""
    parts = made_parts()
    for row in parts.images:
        row["content"] = content(row["image_id"])
        if row["label"] == HUSKY and row["status"] == "ok":
            row.update(correct=False, predicted=WOLF, probability_label=0.1, rests_on_background=True)
    return parts


def better() -> Parts:
    """All of them right, and no finding."""
    parts = made_parts()
    for row in parts.images:
        row["content"] = content(row["image_id"])
        if row["status"] == "ok":
            row.update(probability_label=0.9)
            if row["label"] == HUSKY:
                row["rests_on_background"] = False
    parts.outcomes = tuple(
        dataclasses.replace(each, status="passed", level=None) if each.code == "BA201" and each.subject == HUSKY
        else dataclasses.replace(each, status="not applicable", level=None) if each.code == "BA202" else each
        for each in parts.outcomes
    )  # fmt: skip
    parts.info = dataclasses.replace(parts.info, created="2026-02-02T00:00:00+00:00", model_sha256="ef" * 32)
    return parts


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str, Parts], Any]:
    return lambda name, parts: load(write_parts(parts, tmp_path / name))


@pytest.fixture
def comparison(made: Callable[[str, Parts], Any]) -> Comparison:
    return compare(made("old", better()), made("new", worse()))


def test_a_run_against_itself_shows_no_difference(made):
    run = made("run", worse())
    same = compare(run, run)
    assert {each.verdict for each in (*same.data, *same.classes)} <= {NO_DIFFERENCE, TOO_FEW}
    assert any(each.verdict == NO_DIFFERENCE for each in same.data)
    assert all(flips.total == 0 for flips in same.flips)
    assert {each.kind for each in same.findings} == {KNOWN}
    states = {each.outcome.code: each.state for each in same.findings}
    assert states == {"BA201": TOO_FEW, "BA202": NO_DIFFERENCE, "BA901": NO_DIFFERENCE}
    assert same.headline == "No difference shown in 3 classes."


def test_the_other_way_round_is_the_mirror_image(made):
    one, two = made("old", better()), made("new", worse())
    there, back = compare(one, two), compare(two, one)
    mirrored = {BETTER: WORSE, WORSE: BETTER}
    assert [mirrored.get(each.verdict, each.verdict) for each in there.data] == [each.verdict for each in back.data]
    assert [each.difference for each in there.classes] == pytest.approx([-each.difference for each in back.classes])
    totals = {flips.key: flips.total for flips in back.flips}
    assert [flips.total for flips in there.flips] == [
        totals[key] for key in ("wrong to right", "right to wrong", "no longer resting", "newly resting",
                                "attention moved", "gap moved")
    ]  # fmt: skip


def test_what_became_worse_is_said(comparison: Comparison):
    accuracy = {each.subject: each for each in comparison.data if each.measure == "accuracy"}[""]
    assert (accuracy.n, accuracy.verdict) == (24, WORSE)
    assert accuracy.p == pytest.approx(2 * 0.5**8), "eight huskies lost, none gained"
    by_class = {each.subject: each.verdict for each in comparison.classes if each.measure == "accuracy"}
    assert by_class == dict.fromkeys(CLASSES, TOO_FEW), "eight photos per class"
    flips = {each.key: each.total for each in comparison.flips}
    assert (flips["right to wrong"], flips["newly resting"]) == (8, 8)
    assert "accuracy worse" in comparison.headline


def test_findings_are_new_known_gone_or_no_longer_judged(made, comparison: Comparison):
    kinds = {(each.outcome.code, each.outcome.subject): (each.kind, each.remark) for each in comparison.findings}
    assert kinds["BA201", HUSKY] == (NEW, "")
    assert kinds["BA202", HUSKY] == (NEW, "the old run did not judge it")
    assert kinds["BA901", ""][0] == KNOWN
    back = compare(comparison.new, comparison.old)
    kinds = {(each.outcome.code, each.outcome.subject): (each.kind, each.remark) for each in back.findings}
    assert kinds["BA201", HUSKY][0] == GONE
    assert kinds["BA202", HUSKY] == (UNJUDGED, "2 of 8.")


def test_other_classes_and_settings_are_stated(made):
    old, new = better(), worse()
    old.info = dataclasses.replace(old.info, class_names=(HUSKY, WOLF, "cat"), thresholds={"min_gap": 0.1})
    old.classes = [row for row in old.classes if row["class_name"] != HOSTILE]
    old.outcomes = tuple(outcome for outcome in old.outcomes if outcome.subject != HOSTILE)
    found = compare(made("old", old), made("new", new))
    text = " ".join(found.differences)
    assert text.startswith("Not comparable as a whole, because the classes differ: only the old run has cat, only the")
    assert "The 2 common classes are compared" in text
    assert "min_gap 0.1 before, 0.05 now" in text
    assert {each.subject for each in found.classes} == {HUSKY, WOLF}


def test_other_images_are_compared_as_two_samples(made):
    old, new = better(), worse()
    for row in old.images:
        row["content"] = f"x{row['content']}"
    new.slices = old.slices = slice_rows()
    new.outcomes = (*new.outcomes, *slice_outcomes())
    found = compare(made("old", old), made("new", new))
    assert (len(found.pairs), found.data) == (0, ())
    assert {each.method for each in (*found.classes, *found.slices)} == {"two samples"}
    assert any(each.subject == "camera = new" for each in found.slices)
    assert "two samples" in found.matching


def test_markdown_is_escaped_and_below_its_limit(made, comparison: Comparison):
    text = markdown(comparison)
    assert "<script>" not in text
    assert "<img" not in text
    assert len(text.encode()) < LIMIT
    assert "Right before, wrong now: 8" in text
    many = worse()
    names = tuple(f"class <{i}> {'x' * 200}" for i in range(500))
    many.info = dataclasses.replace(many.info, class_names=names)
    many.images = [
        {**row, "label": name, "image_id": f"{i}/{row['image_id']}", "content": content(f"{i}{row['image_id']}")}
        for i, name in enumerate(names) for row in many.images[:3]
    ]  # fmt: skip
    run = made("many", many)
    assert len(markdown(compare(run, run)).encode()) < LIMIT


def test_the_history_is_sorted_marks_other_data_and_names_what_is_damaged(made, tmp_path: Path):
    made("old", better()), made("new", worse())
    other = worse()
    other.info = dataclasses.replace(other.info, fingerprint="aa" * 32, created="2025-01-01T00:00:00+00:00")
    made("other", other)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "audit.json").write_text("{")
    past = history([tmp_path / name for name in ("old", "damaged", "new", "other", "new")])
    assert [Path(run).name for run in past.runs] == ["other", "new", "old"]
    assert [row.other_data for row in past.rows if not row.class_name] == [True, False, False]
    assert len(past.skipped) == 1
    assert "damaged" in past.skipped[0]
    husky = next(row for row in past.rows if row.class_name == HUSKY and row.run.endswith("new"))
    assert (husky.gap, husky.gap_low, husky.gap_high, husky.level, husky.findings) == (0.75, 0.25, 0.9, "SUSPICIOUS", 2)
    assert as_csv(past).count("\n") >= 1 + 3 * (1 + len(CLASSES))
    assert "<script>" not in history_markdown(past)
    assert b"alert('label')</script>" not in history_page(past)


@pytest.mark.parametrize("kind", ["compare", "history"])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_ask_for_nothing_and_satisfy_axe(browser, axe, comparison, tmp_path: Path, kind: str, dark: bool):
    page_file = tmp_path / f"{kind}.html"
    runs = [comparison.old.path, comparison.new.path]
    page_file.write_bytes(page_of(comparison) if kind == "compare" else history_page(history(runs)))
    context = browser.new_context(color_scheme="dark" if dark else "light", viewport={"width": 390, "height": 800})
    try:
        page = context.new_page()
        heard: list[str] = []
        page.on("console", lambda message: heard.append(message.text))
        page.on("request", lambda request: heard.append(request.url))
        page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
        page.goto(page_file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
        assert [said for said in heard if not said.startswith("data:")] == [page_file.as_uri()]
        assert page.locator("main script").count() == 0
        assert HOSTILE in page.locator("bdi").all_text_contents()
        if kind == "compare":
            shown = page.locator(".flips .file bdi").all_text_contents()
            assert f"husky/{NAMES[0]}" in shown
            assert page.locator(".flips .frame").count() >= 16
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        serious = [each["id"] for each in axe(page) if each["impact"] in ("serious", "critical")]
        assert serious == []
    finally:
        context.close()
