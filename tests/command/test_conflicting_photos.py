"""A column of places beside the gap: what the background costs on real photos, from tables to the page."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import COLOURS, SIZE

import bias_audit

OWN, CONFLICTING = 30, 10


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A table of red discs, most on green, and white discs, most on blue; the column `place` says on which."""
    rows = []
    places = {"meadow": COLOURS["a"][0], "lake": COLOURS["b"][0]}
    for label, own in (("a", "meadow"), ("b", "lake")):
        other = next(place for place in places if place != own)
        for number, place in enumerate([own] * OWN + [other] * CONFLICTING):
            rng = np.random.default_rng([ord(label), number])
            mask = np.zeros((SIZE, SIZE), np.uint8)
            cv2.circle(mask, tuple(int(v) for v in rng.integers(14, SIZE - 14, 2)), int(rng.integers(7, 11)), 255, -1)
            pixels = np.where(mask[..., None] > 0, COLOURS[label][1], places[place]) + rng.normal(0, 6, (SIZE, SIZE, 3))
            rgb = np.clip(pixels, 0, 255).astype(np.uint8)
            for name, picture in ((f"{label}{number}.png", rgb[..., ::-1]), (f"{label}{number}_mask.png", mask)):
                (tmp_path / name).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
            rows.append(
                {"image": f"{label}{number}.png", "mask": f"{label}{number}_mask.png", "label": label, "place": place}
            )
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "mask", "label", "place"])
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path / "data.csv"


def test_the_loss_on_real_photos_stands_beside_the_gap(tiny, data, command, tmp_path):
    run = tmp_path / "run"
    code, _, err = command(
        "audit", tiny.follows_background, data, "--out", run, "--batch-size", 8, "--probes", 0, "--discovery", 0,
        "--leakage", 0,
    )  # fmt: skip
    assert code == 0, err
    result = bias_audit.load(run)
    for name in "ab":
        row = result.classes.loc[name]
        assert (row["conflict_column"], row["n_conflicting"], row["n_conforming"]) == ("place", CONFLICTING, OWN)
        assert (row["conflicting_accuracy"], row["conforming_accuracy"], row["conflict_loss"]) == (0, 1, 1)
    found = [outcome for outcome in result.outcomes if outcome.code == "BA201" and outcome.found]
    assert found
    for outcome in found:
        assert "an upper bound of the loss on real photos" in outcome.sentence
        said = f"of the {CONFLICTING} photos of {outcome.subject} whose place is more common in another class 0% are"
        assert said in outcome.sentence
        assert outcome.evidence["conflict_column"] == "place"
        assert outcome.evidence["conflict_loss"] == 1
        assert outcome.evidence["conflict_low"] > 0
    assert "Loss on real photos" in (run / "report.html").read_text(encoding="utf-8")


def test_without_a_column_the_page_has_no_such_column(finished):
    assert "Loss on real photos" not in (finished / "report.html").read_text(encoding="utf-8")
    found = [outcome for outcome in bias_audit.load(finished).outcomes if outcome.code == "BA201" and outcome.found]
    assert found
    assert all(outcome.sentence.count("upper bound") == 1 for outcome in found)
