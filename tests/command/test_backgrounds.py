"""`bias-audit audit --backgrounds`: real scenes without an object, on which no hole is filled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import COLOURS, SIZE

import bias_audit
from bias_audit.run.folder import Run

NONE_OF_THEM = (110, 110, 110)
"""A scene of no class: grey, which the model that follows the background calls neither."""

QUICK = ("--batch-size", 8, "--probes", 0, "--discovery", 0, "--leakage", 0)


def scene(path: Path, colour: tuple[int, ...], seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.clip(np.array(colour) + np.random.default_rng(seed).normal(0, 6, (SIZE, SIZE, 3)), 0, 255)
    path.write_bytes(cv2.imencode(".png", pixels.astype(np.uint8)[..., ::-1])[1].tobytes())


@pytest.fixture
def per_class(tmp_path: Path) -> Path:
    """Eight scenes of each class, the last of `b` broken, and a file that is no picture."""
    folder = tmp_path / "scenes"
    for label, (background, _) in COLOURS.items():
        for number in range(8):
            scene(folder / label / f"{number}.png", background, number)
    (folder / "b" / "7.png").write_text("no picture")
    (folder / "README.txt").write_text("scenes")
    return folder


def test_scenes_of_the_classes_lend_the_backgrounds(tiny, per_class, command, tmp_path):
    run = tmp_path / "run"
    arguments = (tiny.follows_background, tiny.images, "--masks", tiny.masks, "--backgrounds", per_class, *QUICK)
    code, _, err = command("audit", *arguments, "--out", run)
    assert code == 0, err
    result = bias_audit.load(run)
    assert result.classes["n_scenes"].tolist() == [8, 7]
    assert result.classes["background_gap_second_fill"].isna().all()
    assert result.scenes["status"].value_counts().to_dict() == {"ok": 15, "unreadable": 1}
    counts = result.info.counts
    assert (counts["scenes"], counts["class_scenes"], counts["scenes_unreadable"]) == (16, 16, 1)
    assert result.info.backgrounds == str(per_class)
    notes = " ".join(result.info.notes)
    assert "15 real scenes without an object" in notes
    assert "1 of 16 scenes could not be read" in notes
    assert "filled another way" not in notes
    found = [outcome for outcome in result.outcomes if outcome.code == "BA201" and outcome.found]
    assert found
    for outcome in found:
        assert "pasted onto real scenes without an object" in outcome.sentence
        assert "no fill can make a gap" in outcome.sentence
        assert "SUSPICIOUS at most" not in outcome.sentence
        assert outcome.evidence["n_scenes"] in (7, 8)
    shown = json.loads((run / "pictures.json").read_text())["composites"]
    pasted = [row for rows in shown.values() for row in rows if row["arm"] in ("same", "other")]
    assert pasted
    assert all(row["scene"] and row["donor_id"].endswith(".png") for row in pasted)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "on a real scene of a" in page
    assert str(per_class) in page
    donor = pasted[0]["donor_id"]
    assert donor in page
    shared = tmp_path / "shared.html"
    code, _, err = command("report", run, "--anonymous", "--out", shared)
    assert code == 0, err
    told = shared.read_text(encoding="utf-8")
    assert donor not in told
    assert str(per_class) not in told
    # Scored again without the model it says the same, and resumed it keeps what was made.
    code, _, err = command("rescore", run, "--out", tmp_path / "again")
    assert code == 0, err
    again = bias_audit.load(tmp_path / "again")
    assert again.scenes.equals(result.scenes)
    assert [each.sentence for each in again.outcomes] == [each.sentence for each in result.outcomes]
    assert "filled another way" not in " ".join(again.info.notes)


def test_an_interrupted_audit_goes_on_with_the_same_scenes_only(tiny, per_class, command, tmp_path, monkeypatch):
    arguments = (tiny.follows_object, tiny.images, "--masks", tiny.masks, *QUICK, "--out")
    assert command("audit", *arguments, tmp_path / "whole", "--backgrounds", per_class)[0] == 0
    before = bias_audit.load(tmp_path / "whole")
    assert not [outcome for outcome in before.outcomes if outcome.code == "BA201" and outcome.found]
    run = tmp_path / "run"
    write = Run.write_json

    def killed(self: Run, name: str, content: Any) -> None:
        if name.endswith("interventions-00001.json"):
            raise KeyboardInterrupt
        write(self, name, content)

    monkeypatch.setattr(Run, "write_json", killed)
    assert command("audit", *arguments, run, "--backgrounds", per_class)[0] != 0
    monkeypatch.undo()
    code, _, err = command("audit", *arguments, run, "--resume")
    assert code == 2, "the scenes are missing"
    assert "backgrounds" in err
    code, _, err = command("audit", *arguments, run, "--resume", "--backgrounds", per_class)
    assert code == 0, err
    after = bias_audit.load(run)
    assert after.classes.equals(before.classes)
    assert after.scenes.equals(before.scenes)


def test_scenes_of_no_class_are_a_set_of_their_own(tiny, command, tmp_path):
    folder = tmp_path / "scenes"
    for number in range(6):
        scene(folder / "kinds" / f"{number}.png", NONE_OF_THEM, number)
    run = tmp_path / "run"
    arguments = (tiny.follows_background, tiny.images, "--masks", tiny.masks, "--backgrounds", folder, *QUICK)
    code, _, err = command("audit", *arguments, "--out", run)
    assert code == 0, err
    result = bias_audit.load(run)
    table = result.classes
    assert table["n_scenes"].tolist() == [0, 0], "they lend no class's background"
    assert table["background_gap_second_fill"].notna().all()
    images = result.images
    for name in "ab":
        own = images[images["label"] == name]
        row = table.loc[name]
        assert row["scene_background_accuracy"] == pytest.approx(own["scene_background_accuracy"].mean())
        assert row["scene_loss"] == pytest.approx(
            (own["same_background_accuracy"] - own["scene_background_accuracy"]).mean()
        )
        assert row["scene_low"] <= row["scene_background_accuracy"] <= row["scene_high"]
        assert row["scene_loss_low"] < row["scene_loss"] <= row["scene_loss_high"]
    assert table["scene_loss"].max() > 0.4, "on grey nothing of the background speaks for one of the two"
    said = next(each.sentence for each in result.outcomes if each.code == "BA201" and each.found)
    assert "On real scenes of no class" in said
    assert "Scenes of no class" in (run / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("wrong", ["missing", "empty", "part", "loose"])
def test_a_wrong_folder_is_one_sentence(tiny, per_class, command, tmp_path, wrong):
    folder = per_class
    if wrong == "missing":
        folder = tmp_path / "nowhere"
    elif wrong == "empty":
        folder = tmp_path / "empty"
        folder.mkdir()
    elif wrong == "part":
        for file in (folder / "b").iterdir():
            file.unlink()
    else:
        scene(folder / "fox" / "1.png", NONE_OF_THEM, 1)
    run = tmp_path / "run"
    code, _, err = command("audit", tiny.follows_object, tiny.images, "--backgrounds", folder, "--out", run)
    said = {
        "missing": "no folder of backgrounds at",
        "empty": "holds no pictures",
        "part": "has scenes of some classes and none of b",
        "loose": "1 pictures of the folder of backgrounds",
    }
    assert code == 2
    assert said[wrong] in err
    assert "Traceback" not in err
    assert not run.exists()
