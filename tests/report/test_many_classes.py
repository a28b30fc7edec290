"""The page of a run of thousands of classes: which are listed, in what order, and what it says of the others."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from made_run import HUSKY

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.report.cells import records
from bias_audit.report.class_table import MOST_CLASSES, WORST_CLASSES, class_table
from bias_audit.report.page import PAGE_LIMIT, render
from bias_audit.report.summary import summarise
from bias_audit.run.result import AuditResult


def rows_of(result: AuditResult, count: int) -> dict[str, Mapping[str, Any]]:
    """So many classes, each with the numbers of one that has all of them."""
    row = next(row for row in records(result.classes.reset_index()) if row["class_name"] == HUSKY)
    return {f"class{i:05d}": {**row, "class_name": f"class{i:05d}"} for i in range(count)}


def found_in(result: AuditResult, classes: Sequence[int]) -> list[RuleOutcome]:
    """A finding of reliance for each of these classes, in this order."""
    finding = next(item for item in result.found() if item.code == "BA201" and item.subject == HUSKY)
    return [dataclasses.replace(finding, subject=f"class{i:05d}") for i in classes]


def page_with(result: AuditResult, table: Mapping[str, Any]) -> str:
    return render({**summarise(result, {}), "classes": table}).decode("utf-8")


def listed(page: str) -> list[str]:
    return re.findall(r'<th scope="row" class="name" data-value="(class\d{5})">', page)


def test_of_thousands_of_classes_the_worst_are_listed_and_the_page_says_so(result: AuditResult) -> None:
    flagged = [20_999, 3, 15_000]  # worst first, wherever the model has their outputs
    table = class_table(result, rows_of(result, 21_000), found_in(result, flagged))
    page = page_with(result, table)
    quiet = [i for i in range(WORST_CLASSES) if i not in flagged]
    expected = [f"class{i:05d}" for i in [*flagged, *quiet][:WORST_CLASSES]]
    assert listed(page) == expected
    assert "200 of 21,000 classes are listed, the most suspicious first; classes.csv has all." in page
    assert "Classes with a finding: 3." in page
    assert len(page.encode()) < PAGE_LIMIT
    ids = set(re.findall(r'\bid="([^"]+)"', page))
    assert {link for link in re.findall(r'href="#([^"]+)"', page) if link not in ids} == set(), "links into nothing"


def test_of_more_flagged_classes_than_are_listed_the_worst_stay(result: AuditResult) -> None:
    order = list(range(1_200, 0, -1))
    table = class_table(result, rows_of(result, 1_300), found_in(result, order))
    assert [row["name"] for row in table["rows"]] == [f"class{i:05d}" for i in order[:WORST_CLASSES]]
    assert (table["total"], table["flagged"]) == (1_300, 1_200)


@pytest.mark.parametrize(("count", "shown"), [(MOST_CLASSES, MOST_CLASSES), (MOST_CLASSES + 1, WORST_CLASSES)])
def test_up_to_a_thousand_classes_are_listed_in_full(result: AuditResult, count: int, shown: int) -> None:
    page = page_with(result, class_table(result, rows_of(result, count), []))
    assert len(listed(page)) == shown
    assert ("classes are listed" in page) == (shown < count)
