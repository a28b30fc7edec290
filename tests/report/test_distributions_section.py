"""Histograms of attention and reliance: worked out by hand."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_run import HUSKY, WOLF, Parts, write_parts

from bias_audit.report import figures
from bias_audit.report.distributions_section import BINS, MOST_CLASSES, distributions_section
from bias_audit.run.result import load


def test_shares_and_quantiles_by_hand(parts: Parts, tmp_path: Path) -> None:
    # Two classes have excess 0, .1, ..., .7, the third has none.
    excess = distributions_section(load(write_parts(parts, tmp_path / "run")), [WOLF])[0]
    assert excess["title"] == "Attention on the background"
    assert [(row["name"], row["n"]) for row in excess["rows"]] == [(None, 16), (WOLF, 8), (HUSKY, 8)]
    everything, wolf, _ = excess["rows"]
    assert wolf["quantiles"] == pytest.approx([0.035, 0.175, 0.35, 0.525, 0.665])
    assert excess["scale"] == [0.0, 1.0]
    # A bin is 1/40 wide: one eighth of the images in every fourth.
    assert [place for place, share in enumerate(wolf["shares"]) if share] == [0, 4, 8, 12, 16, 20, 24, 28]
    assert everything["shares"] == wolf["shares"]


def test_the_threshold_is_drawn_and_what_lies_above_counted(parts: Parts, tmp_path: Path) -> None:
    parts.info = dataclasses.replace(parts.info, thresholds={"image_excess": 0.55})
    excess, gap = distributions_section(load(write_parts(parts, tmp_path / "run")), [])[:2]
    assert (excess["threshold"], excess["above"]) == (0.55, 4)
    assert gap["threshold"] is None
    svg = figures.histogram(excess["rows"][0]["shares"], excess["rows"][0]["quantiles"], excess["scale"], 0.55)
    assert re.search(r'class="threshold" x1="55.00%"', svg)
    assert svg.count("M") == 8, "one bar per bin that holds anything"


def test_one_wild_value_does_not_stretch_the_axis(parts: Parts, tmp_path: Path) -> None:
    parts.images += [{**parts.images[0], "image_id": f"more/{index}.jpg"} for index in range(1000)]
    parts.images[0]["background_excess"] = 1e6
    excess = distributions_section(load(write_parts(parts, tmp_path / "run")), [])[0]
    assert excess["scale"] == [0.0, 1.0]
    assert sum(excess["rows"][0]["shares"]) == pytest.approx(1)
    assert excess["rows"][0]["shares"][-1] > 0, "it is counted in the last bar"


def test_many_classes_are_counted_not_drawn(parts: Parts, tmp_path: Path) -> None:
    names = tuple(f"class {index}" for index in range(20))
    parts.info = dataclasses.replace(parts.info, class_names=names)
    parts.images = [{**parts.images[1], "image_id": f"{name}/1.jpg", "label": name} for name in names]
    excess = distributions_section(load(write_parts(parts, tmp_path / "run")), ["class 19"])[0]
    assert (len(excess["rows"]), excess["more"]) == (MOST_CLASSES + 1, 20 - MOST_CLASSES)
    assert excess["rows"][1]["name"] == "class 19", "flagged classes first"


def test_without_scores_there_is_no_plot(parts: Parts, tmp_path: Path) -> None:
    for row in parts.images:
        for name in ("background_excess", "background_gap", "swap_log_odds"):
            row[name] = None
    assert distributions_section(load(write_parts(parts, tmp_path / "run")), []) == []


@settings(deadline=None)  # no timed tests
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60).filter(lambda shares: max(shares) > 0))
def test_bars_stay_inside_and_what_holds_anything_is_seen(shares: list[float]) -> None:
    svg = figures.histogram(shares, [0, 0.25, 0.5, 0.75, 1], [0.0, 1.0])
    heights = [float(height) for height in re.findall(r"v-([\d.]+)h", svg)]
    assert len(heights) == sum(share > 0 for share in shares)
    assert all(1 <= height <= 30 for height in heights)
    assert max(heights) == 30


def test_the_bins_hold_all_values() -> None:
    assert BINS == 40
    assert np.histogram([0.0, 1.0], bins=BINS, range=(0, 1))[0].sum() == 2
