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
    report = (ROOT / "reports" / "benchmark" / "benchmark.md").read_text(encoding="utf-8")
    assert "0.94 [0.90, 0.97] (150 of 159)" in report
    assert "Of 159 classes" in README
    assert "94% [90% to 97%]" in README
    assert "clean and null audits with an accusation                       | 0.01 [0.00, 0.07] (1 of 80)" in report
    assert "of 80 clean and null models one is" in README
    assert report.count("**no**") == 2
    assert "Two of the figures miss" in README


def test_the_citation_is_of_this_version():
    """CITATION.cff was accepted by `cffconvert --validate`, which cannot be installed beside our own jsonschema."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {bias_audit.__version__}\n" in text
    assert "\nlicense: MIT\n" in text
    assert {"cff-version", "message", "title", "authors"} <= set(re.findall(r"^([\w-]+):", text, re.MULTILINE))
