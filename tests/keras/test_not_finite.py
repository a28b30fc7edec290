"""Pictures for which a model gives NaN have no prediction: rows, counts, a rule and a state, and never a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from networks import SIZE, layers
from PIL import Image

from bias_audit.errors import ModelError
from bias_audit.gate.states import INVALID_PREDICTIONS
from bias_audit.models.base import NO_CLASS, Predictions
from bias_audit.pipeline.audit import audit
from bias_audit.run.statuses import INVALID_PREDICTION, NOT_FINITE

BRIGHT = 180
"""Mean of all pixels from which on the model of these tests gives NaN; random pictures have 127."""


def one_where(finite: Any) -> Any:
    """(N, 1) of 1, NaN where `finite` is negative."""
    return ops.expand_dims(ops.sqrt(finite) * 0 + 1, 1)


def net(*, inside: bool = False, everywhere: bool = False) -> Any:
    """The most frequent colour of a picture; NaN in bright ones.

    Args:
        inside: only values of the explained layer are NaN, the outputs are not.
        everywhere: NaN in all pictures but noise.
    """
    inputs = keras.Input(SIZE)
    identity = keras.initializers.Identity()
    limit = BRIGHT - ops.mean(inputs, axis=(1, 2, 3))
    if everywhere:
        rows = ops.abs(inputs[:, 1:] - inputs[:, :-1])
        limit = ops.mean(rows, axis=(1, 2, 3)) - 0.4 * ops.mean(inputs, axis=(1, 2, 3))
    x = inputs
    if inside:
        x = x * ops.reshape(one_where(limit), (-1, 1, 1, 1))
    kernel = keras.initializers.Constant(np.eye(3, dtype=np.float32).reshape(1, 1, 3, 3))
    x = layers.Conv2D(3, 1, use_bias=False, kernel_initializer=kernel, name="seen")(x)
    x = layers.GlobalAveragePooling2D()(x)
    if inside:
        x = ops.nan_to_num(x)
    x = layers.Dense(3, activation="softmax", use_bias=False, kernel_initializer=identity)(x / 5)
    return keras.Model(inputs, x if inside else x * one_where(limit))


def picture(file: Path, colour: int, thing: int, ground: int) -> None:
    """A rectangle in the middle, a quarter of the picture, with a little more of one colour everywhere."""
    pixels = np.full(SIZE, ground, np.uint8)
    pixels[3:9, 4:12] = thing
    pixels[:, :, colour] += 15
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class a: 4 bright photos, 2 that are right, 2 that are taken for b. Of b and c 4 each, right.

    A thing of b is brighter than the ground around it, and the ground of c is bright: together they exceed BRIGHT.
    """
    folder = tmp_path_factory.mktemp("photos")
    for i in range(4):
        picture(folder / "data" / "a" / f"bright-{i}.png", 0, 230, 230 - i)
        picture(folder / "data" / "a" / f"dark-{i}.png", i // 2, 90, 50 + i)
        picture(folder / "data" / "b" / f"{i}.png", 1, 240, 110 + i)
        picture(folder / "data" / "c" / f"{i}.png", 2, 20, 190 + i)
    mask = np.zeros(SIZE[:2], np.uint8)
    mask[3:9, 4:12] = 255
    for file in (folder / "data").rglob("*.png"):
        target = folder / "masks" / file.relative_to(folder / "data")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)
    return folder


def audited(model: Any, photos: Path, out: Path, **options: Any) -> Any:
    return audit(model, photos / "data", masks=photos / "masks", out=out, batch_size=8, **options)


def test_outputs_that_are_not_finite_are_no_class() -> None:
    odds = np.array([[1, 2], [np.nan, np.nan], [np.inf, 0], [0, -np.inf], [3, 2]], np.float32)
    said = Predictions(np.full((5, 2), 0.5, np.float32), odds, np.array([0, 0, 0, 0, np.nan], np.float32))
    assert said.predicted.tolist() == [1, NO_CLASS, NO_CLASS, NO_CLASS, NO_CLASS]
    assert said.valid.tolist() == [True, False, False, False, False]


def test_a_photo_without_a_valid_prediction_never_counts_as_right(photos: Path, tmp_path: Path) -> None:
    """Class a by hand: 8 photos, 4 of them NaN, 2 of the others right. Before, the NaN ones were right: (4 + 2) / 8."""
    result = audited(net(), photos, tmp_path / "run")
    classes = result.classes
    assert classes.loc["a", ["n", "n_read", "accuracy"]].tolist() == [8, 4, 0.5]
    assert classes.loc["b", ["n", "n_read", "accuracy"]].tolist() == [4, 4, 1.0]
    lost = result.images[result.images["status"] == INVALID_PREDICTION]
    assert list(lost.index) == [f"a/bright-{i}.png" for i in range(4)]
    assert set(lost["predicted"]) == {""}
    assert lost[["correct", "probability", "log_odds", "background_excess"]].isna().all(axis=None)
    assert set(lost["status_reason"]) == {"the model gives NaN or infinite outputs for it"}
    # Things of b on grounds of c are too bright: not one composite of such a photo counts.
    pasted = result.images.loc[result.images["label"] == "b"]
    assert set(pasted["intervention_status"]) == {INVALID_PREDICTION}
    assert pasted["background_gap"].isna().all()
    counts = result.info.counts
    assert (counts["invalid_predictions"], counts["invalid_composites"] >= 4, counts["read"]) == (4, True, 12)
    assert any("NaN or infinite outputs for 4 of 16 images" in note for note in result.info.notes)
    (rule,) = [one for one in result.outcomes if one.code == "BA910"]
    assert (rule.status, rule.level, rule.image_ids[:4]) == ("found", "WATCH", tuple(lost.index))
    (unreadable,) = [one for one in result.outcomes if one.code == "BA901"]
    assert unreadable.measured == 0
    (row,) = [row for row in result.gate().rows if row.state == INVALID_PREDICTIONS]
    assert (row.status, row.scope, "for 4 images, composites of" in row.sentence) == ("failed", "run", True)


@pytest.mark.parametrize("method", ["occlusion", "score_cam", "cam"])
def test_other_methods_go_on_without_these_photos(photos: Path, tmp_path: Path, method: str) -> None:
    result = audited(net(), photos, tmp_path / "run", method=method, interventions=0, discovery=0, probes=0, leakage=0)
    assert result.info.counts["invalid_predictions"] == 4
    assert (result.images["attention_status"] == "ok").sum() > 0


def test_values_that_are_not_finite_inside_are_rows(photos: Path, tmp_path: Path) -> None:
    result = audited(net(inside=True), photos, tmp_path / "run", layer="seen")
    bright = result.images.index.str.contains("bright")
    assert set(result.images.loc[bright, "attention_status"]) == {NOT_FINITE}
    assert set(result.images["status"]) == {"ok"}
    assert NOT_FINITE not in set(result.images.loc[~bright, "attention_status"])
    assert result.info.counts["invalid_predictions"] == 0


def test_a_model_without_any_prediction_is_one_sentence(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="NaN or infinite outputs for all 16 images that could be read"):
        audited(net(everywhere=True), photos, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_picture_without_label_has_a_row_too(photos: Path, tmp_path: Path) -> None:
    result = audited(
        net(), photos, tmp_path / "run", strangers=photos / "data" / "a", interventions=0, discovery=0, probes=0,
        leakage=0,
    )  # fmt: skip
    assert result.strangers["status"].value_counts().to_dict() == {INVALID_PREDICTION: 4, "ok": 4}
