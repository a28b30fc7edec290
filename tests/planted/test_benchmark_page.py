"""docs/benchmark.md quotes the committed report of the benchmark, and nothing that is not in it."""

from __future__ import annotations

import json
from pathlib import Path

from bias_audit.planted.benchmark.catalogue import UNIT_REPORT_SEEDS
from bias_audit.planted.benchmark.grid import FROZEN_THRESHOLDS, TUNING_SEEDS

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "benchmark"


def test_the_page_quotes_the_report() -> None:
    section = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8").split("## Planted cues")[1]
    quoted = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    report = [
        line
        for name in ("benchmark.md", "benchmark.judged-again.md")
        for line in (REPORT / name).read_text(encoding="utf-8").splitlines()
    ]
    assert len(quoted) > 20
    assert [line for line in quoted if line not in report] == []
    assert "reports/benchmark/benchmark.png" in section


def test_the_report_is_of_report_seeds_and_frozen_thresholds() -> None:
    content = json.loads((REPORT / "benchmark.json").read_text(encoding="utf-8"))
    assert (content["seeds"], content["thresholds"]) == (list(UNIT_REPORT_SEEDS), FROZEN_THRESHOLDS)
    assert not set(content["seeds"]) & set(TUNING_SEEDS)
    assert content["failed"] == {}
