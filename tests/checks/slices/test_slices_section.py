"""Who pays: what the page says of the user's own columns."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import Parts, made_parts, slice_outcomes, slice_rows, table, write_parts

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.slices import section
from bias_audit.checks.slices.summary import MEASURES
from bias_audit.report.page import write_report
from bias_audit.run.result import load
from bias_audit.run.schema import TABLES

Write = Callable[[Parts], Path]


@pytest.fixture
def sliced(parts: Parts) -> Parts:
    """A run with two user columns; one camera is worse."""
    parts.slices = slice_rows()
    parts.outcomes = (*parts.outcomes, *slice_outcomes())
    return parts


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_without_user_columns_the_page_says_nothing_of_slices(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    assert 'id="slices"' not in text
    assert 'href="#slices"' not in text


def test_each_column_has_a_table_with_what_was_found_first(sliced: Parts, write_run: Write) -> None:
    sliced.slices = [sliced.slices[2], *sliced.slices[:2]]
    shown = section.slices_section(load(write_run(sliced)))
    assert [(one["column"], one["found"]) for one in shown["tables"]] == [
        ("camera", True),
        ("habitat {{ 7 * 7 }}", False),
    ]
    old, new = shown["tables"][0]["rows"]
    assert (old["n"], old["cells"][0]["value"], old["cells"][0]["low"]) == (12, 0.75, 0.47)
    assert [cell["worst"] for cell in old["cells"]] == [True, False, False]
    assert [cell["worst"] for cell in new["cells"]] == [False, False, False]
    assert (new["cells"][2]["value"], new["cells"][2]["reason"]) == (None, "no usable mask")
    assert (old["cells"][1]["low"], old["cells"][1]["n"]) == (None, 9)
    assert [item["status"] for item in shown["tables"][0]["judged"]] == ["found", "not applicable"]
    forest = shown["tables"][1]["rows"][0]["cells"][0]
    assert forest["value"] == pytest.approx(23 / 24)
    assert "cannot be told from its class" in forest["untested"]


def test_a_rule_of_another_column_marks_nothing(sliced: Parts, write_run: Write) -> None:
    moved = [dataclasses.replace(item, subject="habitat {{ 7 * 7 }}") for item in slice_outcomes()]
    sliced.outcomes = tuple(moved)
    shown = section.slices_section(load(write_run(sliced)))
    assert not any(cell["worst"] for one in shown["tables"] for row in one["rows"] for cell in row["cells"])


def test_numbers_have_their_interval_or_say_why_not(sliced: Parts, write_run: Write) -> None:
    text = write_report(write_run(sliced)).read_text(encoding="utf-8")
    slices = text[text.index('id="slices"') : text.index('id="confusion"')]
    said = text_of(slices).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "75% worst [47 to 91]" in said
    assert "50 pp [10 to 80] 8 photos" in said
    assert "0.60 no interval: too few 9 photos" in said
    assert "no usable mask" in said
    assert said.count("not tested") == 1
    assert "WATCH BA203 Worse than the rest: &lt;b&gt;75&lt;/b&gt;." in said
    assert "not applicable BA206 No slice could be tested." in said
    assert 'href="#slices"' in text


def test_names_of_columns_and_values_are_text(sliced: Parts, write_run: Write) -> None:
    text = write_report(write_run(sliced)).read_text(encoding="utf-8")
    assert "<b onmouseover" not in text
    assert "&lt;b onmouseover=alert(4)&gt;old&lt;/b&gt;" in text
    assert "habitat {{ 7 * 7 }}" in text


def test_many_columns_stay_below_the_limit(sliced: Parts, write_run: Write) -> None:
    row = slice_rows()[0]
    sliced.slices = [
        {**row, "column": f"column {column:03d}", "value": f"value {value}"}
        for column in range(60)
        for value in range(50)
    ]
    sliced.outcomes = (
        RuleOutcome(
            "BA206", "t", "slice", "column 059", "found", "Last.", level="WATCH", evidence={"value": "value 7"}
        ),
    )
    content = write_report(write_run(sliced)).read_bytes()
    text = content.decode()
    assert len(content) < 3_000_000
    assert "<bdi>column 059</bdi>" in text, "what was found is never cut"
    assert "and 48 more columns, see slices.csv" in text


def test_the_section_knows_the_columns_of_its_table() -> None:
    names = {column.name for column in TABLES["slices"]}
    assert [measure for _, measure, _, _ in section.SHOWN.values()] == list(MEASURES)
    for measure in MEASURES:
        ends = {f"{measure.prefix}_low", f"{measure.prefix}_high", f"rest_{measure.prefix}", f"{measure.prefix}_within"}
        assert {measure.n, measure.mean, measure.p, measure.fdr, measure.reason, *ends} <= names
    assert len(table("slices", slice_rows())) == 3


@pytest.mark.parametrize("width", [360, 1280])
def test_in_a_browser(tmp_path: Path, browser: Any, width: int) -> None:
    parts = made_parts()
    parts.slices, parts.outcomes = slice_rows(), (*parts.outcomes, *slice_outcomes())
    path = write_report(write_parts(parts, tmp_path / "run"))
    context = browser.new_context(viewport={"width": width, "height": 800})
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        values = page.locator("#slices tbody th bdi").all_text_contents()
        assert values == ["<b onmouseover=alert(4)>old</b>", "new", "forest"]
        page.locator("section", has=page.locator("#slices")).locator("summary").first.click()
        page.locator("#slices").get_by_role("button", name="Accuracy").first.click()
        assert page.locator("#slices tbody th bdi").all_text_contents()[:2] == ["new", values[0]]
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
        assert complaints == []
    finally:
        context.close()
