"""README.md is one page, its first screen says what there is, and its numbers are those of the benchmark's report."""

from __future__ import annotations

import re
from pathlib import Path

import bias_audit

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_is_one_page_and_its_first_screen_says_what_there_is():
    lines = README.splitlines()
    assert len(lines) <= 150
    first = "\n".join(lines[:40])
    assert first.count("![") == 1, "one picture"
    assert "make demo" in first
    assert "bias-audit audit model.keras" in first
    assert all(f"bias-audit {verb} " in first for verb in ("audit", "review", "gate"))
    assert all(name in first for name in ("Keras", "PyTorch", "ONNX", "COCO"))


def test_the_first_command_on_an_own_model_names_no_preprocessing():
    """It would be wrong for every model that scales its pixels itself; the audit says when one is needed."""
    commands = re.findall(r"^bias-audit audit .*$", README, re.MULTILINE)
    assert commands
    assert not [line for line in commands if "--preprocess" in line]


def test_quotes_the_report_of_the_benchmark():
    report = (ROOT / "reports" / "benchmark" / "benchmark.judged-again.md").read_text(encoding="utf-8")
    by_unit = {line.split("|")[1].strip(): line for line in report.splitlines() if line.startswith("|")}
    complete, spoiled = (by_unit[f"all units with {what} masks"] for what in ("complete", "degraded or estimated"))
    said = " ".join(README.split())
    assert "| 367 of 373: " in complete
    assert "| 0 of 190: " in complete
    assert "367 of 373 classes that rely on their background, and none of 190 networks" in said
    assert "| 116 of 120: " in spoiled
    assert "| 2 of 140: " in spoiled
    assert "with spoiled or estimated masks 116 of 120, and 2 of 140 networks without one" in said


def test_the_citation_is_of_this_version():
    """CITATION.cff was accepted by `cffconvert --validate`, which cannot be installed beside our own jsonschema."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {bias_audit.__version__}\n" in text
    assert "\nlicense: MIT\n" in text
    assert {"cff-version", "message", "title", "authors"} <= set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
