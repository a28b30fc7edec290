"""BA301 end to end: a model that goes by the brightness of the whole photo, and one that does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import bias_audit

SIDE, PHOTOS = 32, 14


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """Class `a` is photographed by night, `b` by day; the things are red and blue. One model per clue."""
    import keras

    folder = tmp_path_factory.mktemp("nights")
    for label, (level, thing) in {"a": (60, (90, 30, 30)), "b": (170, (30, 30, 90))}.items():
        for number in range(PHOTOS):
            rng = np.random.default_rng([ord(label), number])
            pixels = np.full((SIDE, SIDE, 3), level, float) + rng.normal(0, 15, (SIDE, SIDE, 1))
            cv2.circle(pixels, tuple(map(int, rng.integers(12, 20, 2))), 5, tuple(map(float, thing)), -1)
            target = folder / "images" / label / f"{number:02d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            rgb = np.clip(pixels, 0, 255).astype(np.uint8)
            target.write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())

    def save(name, weights, bias):
        model = keras.Sequential(
            [
                keras.Input((SIDE, SIDE, 3)),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(2, 1, activation="relu", name="colours"),
                keras.layers.AveragePooling2D(4),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(2, activation="softmax", name="head"),
            ]
        )
        model.get_layer("colours").set_weights([np.array(weights, float)[None, None], np.array(bias, float)])
        model.get_layer("head").set_weights([60 * np.eye(2), np.zeros(2)])
        model.save(folder / name)
        return folder / name

    dark = save("dark.keras", [[-1, 1]] * 3, [1.35, -1.35])  # mean level against .45
    thing = save("thing.keras", [[1, -1], [0, 0], [-1, 1]], [0, 0])  # red against blue
    return folder / "images", dark, thing


def outcomes(result):
    return {outcome.subject: outcome for outcome in result.outcomes if outcome.code == "BA301"}


@pytest.mark.heavy
def test_a_global_cue_is_hidden_and_heads_the_verdict(nights, command, tmp_path):
    images, dark, _ = nights
    code, out, err = command("audit", dark, images, "--masks", "none", "--out", tmp_path / "run", "--discovery", 0)
    assert code == 0, err
    result = bias_audit.load(tmp_path / "run")
    assert (result.images["correct"]).all()
    for name, outcome in outcomes(result).items():
        assert (outcome.status, outcome.level) == ("found", "HIDDEN"), name
        assert outcome.evidence["property"] == "brightness"
        assert outcome.measured > 0.9
        assert "No heatmap can show this" in outcome.sentence
    assert result.level == "HIDDEN"
    assert "\n HIDDEN  " in out
    assert "BA301" in out
    table = result.whole_photo.set_index(["property", "class_name"])
    assert set(table.index.get_level_values("property")) == {"colour", "brightness", "sharpness", "border"}
    assert table.loc[("brightness", "a"), "other_accuracy"] < 0.1
    assert table.loc[("sharpness", "a"), "loss"] == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'id="whole-photo"' in page


@pytest.mark.heavy
def test_the_thing_itself_is_no_global_cue(nights, tmp_path):
    images, _, thing = nights
    result = bias_audit.audit(thing, images, masks="none", out=tmp_path / "run", discovery=0)
    assert {outcome.status for outcome in outcomes(result).values()} == {"passed"}


@pytest.mark.heavy
def test_switched_off_and_resumed(nights, tmp_path):
    images, dark, _ = nights
    result = bias_audit.audit(dark, images, masks="none", out=tmp_path / "off", discovery=0, probes=0)
    assert [outcome.status for outcome in outcomes(result).values()] == ["not applicable"]
    assert result.whole_photo.empty


@pytest.mark.heavy
def test_few_photos_are_no_verdict(nights, tmp_path):
    images, dark, _ = nights
    result = bias_audit.audit(dark, images, masks="none", out=tmp_path / "run", discovery=0, probes=9)
    assert {outcome.status for outcome in outcomes(result).values()} == {"not applicable"}
    assert all("9 photos, 10 needed" in outcome.sentence for outcome in outcomes(result).values())
