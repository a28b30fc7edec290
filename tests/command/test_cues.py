"""`bias-audit audit` without masks finds a marker that the model follows, and acquits it where the model does not."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from bias_audit.run.result import load

SIDE, PHOTOS, TAG = 48, 24, 8


def _world(folder: Path) -> Path:
    """Discs (class disc) and squares (class square) of one grey, amid noise; most discs have a red tag by the edge."""
    for label, name in enumerate(("disc", "square")):
        for number in range(PHOTOS):
            rng = np.random.default_rng([label, number])
            picture = rng.normal(120, 6, (SIDE, SIDE, 3))
            x, y = (int(value) for value in rng.integers(20, 28, 2))
            if label == 0:
                cv2.circle(picture, (x, y), 7, (200, 200, 200), -1)
            else:
                cv2.rectangle(picture, (x - 6, y - 6), (x + 6, y + 6), (200, 200, 200), -1)
            if number % 12 != 0 if label == 0 else number % 12 == 0:
                along = int(rng.integers(0, SIDE - TAG))
                picture[:TAG, along : along + TAG] = (30, 30, 230)  # BGR
            target = folder / name / f"{number:02d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(cv2.imencode(".png", np.clip(picture, 0, 255).astype(np.uint8))[1].tobytes())
    return folder


def _model(path: Path, weights: list[list[float]], bias: list[float], gain: float) -> Path:
    import keras

    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(2, 1, activation="relu", name="colours"),
            keras.layers.AveragePooling2D(8, name="cells"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax", name="head"),
        ]
    )
    model.get_layer("colours").set_weights([np.array(weights, float)[None, None], np.array(bias, float)])
    model.get_layer("head").set_weights([gain * np.eye(2), np.zeros(2)])
    model.save(path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _world(tmp_path_factory.mktemp("tags") / "photos")


@pytest.mark.heavy
def test_a_marker_is_found_tied_and_confirmed_without_masks(photos, tmp_path, command):
    # red beyond green and blue: noise makes .012 of it and a tag .02 more; the other class is the constant between
    model = _model(tmp_path / "red.keras", [[1, 0], [-0.5, 0], [-0.5, 0]], [0, 0.022], 600)
    code, out, _ = command("audit", model, photos, "--masks", "none", "--out", tmp_path / "run")
    assert code == 0
    result = load(tmp_path / "run")
    first = result.cues.iloc[0]
    assert (first["class_name"], first["proof_status"]) == ("disc", "ok")
    assert first["paste_effect"] > 0.9
    assert first["object_share"] < 0.25
    assert first["object_estimated"] == 1
    (outcome,) = (each for each in result.outcomes if each.code == "BA302")
    assert (outcome.status, outcome.level, outcome.evidence["class_name"]) == ("found", "CONFIRMED", "disc")
    assert outcome.subject == result.cues.index[0]
    assert "BA302" in out

    spots = result.cue_spots[result.cue_spots["cue_id"] == outcome.subject].head(20)
    tagged = {f"disc/{number:02d}.png" for number in range(PHOTOS) if number % 12 != 0}
    tagged |= {f"square/{number:02d}.png" for number in range(PHOTOS) if number % 12 == 0}
    assert set(spots["image_id"]) <= tagged
    assert (spots["y"] < 0.3).all()

    kept = json.loads((tmp_path / "run" / "pictures.json").read_text())["cues"][outcome.subject]
    assert len(kept["crops"]) == 12
    assert {shot["arm"] for shot in kept["shots"]} == {"original", "inpaint", "pasted"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'id="cues"' in page
    assert outcome.subject in page
    assert pd.read_csv(tmp_path / "run" / "cues.csv").shape[0] == len(result.cues)


@pytest.mark.heavy
def test_a_marker_that_the_model_ignores_is_not_confirmed(photos, tmp_path, command):
    # brightness beyond the ground: discs and squares alike, whatever the tag
    model = _model(tmp_path / "grey.keras", [[0, 0], [1, 0], [0, 0]], [-0.6, 0.012], 600)
    given = ("audit", model, photos, "--masks", "none", "--interventions", "0", "--probes", "0", "--leakage", "0")
    assert command(*given, "--out", tmp_path / "run")[0] == 0
    outcomes = [each for each in load(tmp_path / "run").outcomes if each.code == "BA302"]
    assert all(each.level != "CONFIRMED" for each in outcomes)
    assert command(*given, "--out", tmp_path / "off", "--discovery", "0")[0] == 0
    (outcome,) = (each for each in load(tmp_path / "off").outcomes if each.code == "BA302")
    assert (outcome.status, len(load(tmp_path / "off").cues)) == ("not applicable", 0)
    assert "switched off" in outcome.sentence
    assert 'id="cues"' not in (tmp_path / "off" / "report.html").read_text()


@pytest.mark.heavy
def test_a_name_lasts_and_a_legitimate_cue_is_no_accusation(photos, tmp_path, command):
    model = _model(tmp_path / "red.keras", [[1, 0], [-0.5, 0], [-0.5, 0]], [0, 0.022], 600)
    runs = tmp_path / "runs"
    options = ("--interventions", "0", "--probes", "0", "--leakage", "0")
    assert command("audit", model, photos, "--masks", "none", "--out", runs / "first", *options)[0] == 0
    first = load(runs / "first")
    cue = first.cues.index[0]
    assert first.level == "CONFIRMED"
    assert "follows a cue that recurs in the images: disc (BA302)" in first.verdict
    (found,) = (each for each in first.outcomes if each.code == "BA302")
    title = str(found.evidence["title"])
    assert (found.subject, title.endswith(" of disc"), cue in found.sentence) == (cue, True, False)
    code, out, err = command("name", runs / "first", title, "<b>tag</b>", "--legitimate", "--by", "Ada")
    assert code == 0, err
    assert "CONFIRMED" not in out
    again = load(runs / "first")
    (outcome,) = (each for each in again.outcomes if each.code == "BA302")
    assert (outcome.level, again.cues.loc[cue, "name"]) == ("CONTEXT", "<b>tag</b>")
    page = (runs / "first" / "report.html").read_text()
    assert "&lt;b&gt;tag&lt;/b&gt;" in page
    assert "<b>tag</b>" not in page

    other = _model(tmp_path / "redder.keras", [[1, 0], [-0.6, 0], [-0.4, 0]], [0, 0.022], 500)
    assert command("audit", other, photos, "--masks", "none", "--out", runs / "second", *options)[0] == 0
    second = load(runs / "second")
    assert second.cues["name"].iloc[0] == "<b>tag</b>"
    assert [each.level for each in second.outcomes if each.code == "BA302"] == ["CONTEXT"]

    code, _, err = command("name", runs / "first", "no such", "x")
    assert (code, "no cue 'no such'" in err) == (2, True)
    code, _, err = command(
        "audit", model, photos, "--masks", "none", "--out", runs / "third", "--cues", tmp_path / "none.json"
    )
    assert (code, "no file of names" in err) == (2, True)
