"""What the data alone give away: what the page says of backgrounds, properties and copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import HOSTILE, HUSKY, NAMES, WOLF, Parts

from bias_audit.checks.base import Page
from bias_audit.checks.data_leaks import section
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.report.page import write_report
from bias_audit.run.result import load

Write = Callable[[Parts], Path]


def prop(name: str, value: float, **changes: Any) -> dict[str, Any]:
    """A property of the wolves against the others."""
    row = {"kind": "property", "name": name, "class_name": WOLF, "measure": "AUC", "value": value, "low": value - 0.1}
    return {**row, "high": value + 0.1, "n": 24, "p": 0.01, "p_fdr": 0.02, "typical": f"like {HOSTILE}", **changes}


def copy(first: str, label: str, second: str, other: str, bits: float, kind: str = "training copy") -> dict[str, Any]:
    row = {"kind": kind, "name": first, "class_name": label, "measure": "bits", "value": bits, "typical": second}
    return {**row, "other_label": other}


@pytest.fixture
def leaking(parts: Parts) -> Parts:
    """A background that says everything, three properties, two copies of which one has two labels."""
    parts.leakage = [
        prop("brightness", 0.55),
        prop("sharpness", 0.1, p_fdr=0.001),
        prop("camera", 0.5, measure="Cramér's V", class_name=""),
        prop("colours and textures", 0.95, kind="background", class_name="", p_fdr=None, p=0.005),
        copy(NAMES[0], HUSKY, "train/a.jpg", HUSKY, 0),
        copy(NAMES[1], HUSKY, "train/b.jpg", WOLF, 4),
        copy(NAMES[2], WOLF, NAMES[3], "", 30, "test copy"),
    ]
    outcome = RuleOutcome("BA401", "background", "dataset", "", "found", f"AUC 0.95 with {HOSTILE}.", level="WATCH")
    parts.outcomes = (*parts.outcomes, outcome)
    return parts


def shown_of(run: Path) -> dict[str, Any]:
    result = load(run)
    shown = section.section(result.leakage, Page(result, {}, 0))
    assert shown is not None
    return shown


def test_probes_come_first_then_the_strongest_of_either_measure(leaking: Parts, write_run: Write) -> None:
    shown = shown_of(write_run(leaking))
    names = [row["name"] for row in shown["rows"]]
    assert names == ["colours and textures", "sharpness", "camera", "brightness"]
    assert [row["p"] for row in shown["rows"]] == [0.005, 0.001, 0.02, 0.02]
    assert (shown["rows"][1]["estimate"]["low"], shown["rows"][1]["estimate"]["high"]) == (0.0, 0.2)
    assert [(each["code"], each["level"]) for each in shown["judged"]] == [("BA401", "WATCH")]


def test_copies_with_two_labels_come_first(leaking: Parts, write_run: Write) -> None:
    shown = shown_of(write_run(leaking))
    assert [(pair["bits"], pair["conflict"], pair["place"]) for pair in shown["copies"]] == [
        (4, True, "training set"),
        (0, False, "training set"),
        (30, False, "test set"),
    ]


def test_the_page_holds_it_escaped(leaking: Parts, write_run: Write) -> None:
    text = write_report(write_run(leaking)).read_text(encoding="utf-8")
    part = text[text.index('id="data-leaks"') : text.index('id="confusion"')]
    assert 'href="#data-leaks"' in text
    assert "two labels" in part
    assert "train/b.jpg" in part
    assert "<script>" not in part
    assert "<img" not in part


def test_what_is_left_out_is_counted(leaking: Parts, write_run: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "MOST_ROWS", 2)
    monkeypatch.setattr(section, "MOST_COPIES", 1)
    text = write_report(write_run(leaking)).read_text(encoding="utf-8")
    assert text.count("and 2 more, see leakage.csv") == 2


def test_a_run_that_judged_nothing_of_it_shows_nothing(parts: Parts, write_run: Write) -> None:
    assert 'id="data-leaks"' not in write_report(write_run(parts)).read_text(encoding="utf-8")
