"""The rule texts in the report: every code leads to its text, and the fold opens."""

from __future__ import annotations

import re
from typing import Any

import pytest
from made_run import made_parts, write_parts

from bias_audit.checks.rule_texts import explain_rule
from bias_audit.report.page import render, write_report
from bias_audit.report.rule_texts_section import rule_texts_section
from bias_audit.report.summary import summarise


def test_rules_of_the_run_are_explained_each_once(result):
    texts = rule_texts_section(result)
    assert [text["code"] for text in texts] == ["BA101", "BA201", "BA202", "BA901", "BA903"]
    (reliance,) = [text for text in texts if text["code"] == "BA201"]
    assert [section["heading"] for section in reliance["sections"]][-1] == "Source"
    lines = [line for section in reliance["sections"] for block in section["blocks"] for line in block["lines"]]
    pieces = [piece for line in lines for piece in line]
    assert {"is_code": True, "text": "min_gap"} in pieces
    words = " ".join(piece["text"] for piece in pieces).split()
    whole = re.sub(r"^(- |#.*\n)", "", explain_rule("BA201").markdown(), flags=re.MULTILINE).replace("`", " ")
    assert words == whole.split()[len(explain_rule("BA201").summary.split()) :]


def test_every_link_to_a_rule_has_its_mark(result):
    page = render(summarise(result, {})).decode()
    links, marks = set(re.findall(r'href="#(rule-BA\d+)"', page)), re.findall(r'id="(rule-BA\d+)"', page)
    assert links == set(marks)
    assert len(marks) == len(set(marks)) == 5


def test_a_rule_without_a_text_is_no_dead_link(parts, write_run):
    import dataclasses

    from bias_audit.run.result import load

    parts.outcomes = tuple(dataclasses.replace(outcome, code="BA777") for outcome in parts.outcomes)
    page = render(summarise(load(write_run(parts)), {})).decode()
    assert "BA777" in page
    assert "#rule-BA777" not in page
    assert 'id="rule-texts"' not in page


@pytest.mark.parametrize("way", ["click", "address"])
def test_a_link_opens_the_fold(browser: Any, tmp_path, way):
    page = browser.new_page()
    address = write_report(write_parts(made_parts(), tmp_path / "run")).as_uri()
    fold = page.locator("details.rule-text", has=page.locator("#rule-BA201"))
    if way == "click":
        page.goto(address)
        assert fold.get_attribute("open") is None
        page.locator("#findings a[href='#rule-BA201']").first.click()
    else:
        page.goto(f"{address}#rule-BA201")
    page.wait_for_function("document.querySelector('#rule-BA201').closest('details').open", timeout=60_000)
    assert page.locator("#rule-BA201").is_visible()
    page.close()
