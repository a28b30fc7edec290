"""What the data alone give away, through the command: planted leaks, copies of training photos, and resuming."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

import bias_audit

FAST = ("--interventions", 0, "--discovery", 0, "--probes", 0)


@pytest.fixture
def train(tiny, tmp_path: Path) -> Path:
    """Two test photos again, one of them compressed and one under the other label, and a broken file."""
    folder = tmp_path / "train"
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    copied = cv2.imread(str(tiny.images / "a" / "a_00.png"))
    cv2.imwrite(str(folder / "a" / "copy.jpg"), copied, [cv2.IMWRITE_JPEG_QUALITY, 60])
    shutil.copy(tiny.images / "a" / "a_01.png", folder / "b" / "other.png")
    (folder / "b" / "broken.png").write_text("no picture")
    return folder


def leaks(run: Path) -> dict[str, list[bias_audit.run.result.RuleOutcome]]:
    found: dict[str, list[bias_audit.run.result.RuleOutcome]] = {}
    for outcome in bias_audit.load(run).outcomes:
        if outcome.code.startswith("BA4"):
            found.setdefault(outcome.code, []).append(outcome)
    return found


def test_planted_leaks_and_copies_are_found_and_shown(tiny, train, command, tmp_path):
    run = tmp_path / "run"
    code, _, err = command(
        "audit", tiny.follows_object, tiny.images, "--masks", tiny.masks, "--train", train, "--out", run, *FAST
    )
    assert code == 0, err
    found = leaks(run)
    (background,) = found["BA401"]  # green behind one class, blue behind the other
    assert (background.status, background.level, background.measured) == ("found", "WATCH", 1)
    assert "blueness" in found["BA402"][0].evidence["properties"]
    trained, _ = found["BA403"]
    assert {"a/a_00.png", "a/a_01.png"} <= set(trained.image_ids)
    table = bias_audit.load(run).leakage
    pairs = set(zip(table["name"], table["typical"], strict=True))
    assert {("a/a_00.png", "a/copy.jpg"), ("a/a_01.png", "b/other.png")} <= pairs
    assert found["BA404"][0].status == "found"
    page = (run / "report.html").read_text(encoding="utf-8")
    assert 'id="data-leaks"' in page
    assert "a/copy.jpg" in page


def test_leaks_alone_never_fail_the_gate(tiny, command, tmp_path):
    run = tmp_path / "run"
    command("audit", tiny.follows_object, tiny.images, "--masks", tiny.masks, "--out", run, *FAST)
    rows = json.loads((run / "audit.json").read_text(encoding="utf-8"))["outcomes"]
    assert {row["level"] for row in rows if row["code"].startswith("BA4") and row["level"]} == {"WATCH"}


def test_switched_off_it_is_not_passed(tiny, command, tmp_path):
    run = tmp_path / "run"
    code, _, err = command("audit", tiny.follows_object, tiny.images, "--leakage", 0, "--out", run, *FAST)
    assert code == 0, err
    assert {one.status for outcomes in leaks(run).values() for one in outcomes} == {"not applicable"}


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_training_folder_without_pictures_is_one_sentence(tiny, command, tmp_path, name):
    (tmp_path / "empty").mkdir()
    code, _, err = command(
        "audit", tiny.follows_object, tiny.images, "--train", tmp_path / name, "--out", tmp_path / "r"
    )
    assert code == 2
    assert "training folder" in err
    assert not (tmp_path / "r").exists()
