"""Segmentation networks with known answers: Keras and TFLite files, one channel or several, logits or probabilities."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.segmenters.loading import find_estimate, load_segmenter, segmenter_hash
from bias_audit.models.tensorflow.framework import tf

SIDE = 32


def network(path: Path, weights: list[list[float]], bias: list[float], activation: str | None, **more: object) -> Path:
    """[0, 255] -> [0, 1] -> a 1x1 convolution with weights (3, K)."""
    layers = [
        keras.Input(more.get("shape", (SIDE, SIDE, 3))),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(len(bias), 1, activation=activation, name="classes"),
    ]
    model = keras.Sequential(layers)
    model.get_layer("classes").set_weights([np.array(weights, float)[None, None], np.array(bias, float)])
    model.save(path)
    return path


def red_left(height: int, width: int) -> np.ndarray:
    """Red on the left half, green on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 1] = 255
    return pixels


HEADS = {
    "one sigmoid": ([[9], [-9], [0]], [0], "sigmoid"),
    "one logit": ([[9], [-9], [0]], [0], None),
    "softmax, background first": ([[0, 9, 4], [9, 0, 0], [0, 0, 0]], [0, 0, 0], "softmax"),
    "logits, background first": ([[0, 9, 4], [9, 0, 0], [0, 0, 0]], [0, 0, 0], None),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [(SIDE, SIDE), (64, 96)])
def test_every_head_finds_the_red_half(head: str, size: tuple[int, int], tmp_path: Path) -> None:
    mask = load_segmenter(network(tmp_path / "net.keras", *HEADS[head]))(red_left(*size))
    assert mask.shape == size
    middle = size[1] // 2
    assert mask[:, : middle - 2].all()
    assert not mask[:, middle + 2 :].any()


def test_a_network_of_any_size_sees_the_picture_near_its_own(tmp_path: Path) -> None:
    path = network(tmp_path / "net.keras", *HEADS["one sigmoid"], shape=(None, None, 3))
    mask = load_segmenter(path)(red_left(70, 1100))
    assert mask.shape == (70, 1100)
    assert mask[:, :540].all()
    assert not mask[:, 560:].any()


@pytest.mark.parametrize("quantised", [False, True])
def test_tflite(quantised: bool, tmp_path: Path) -> None:
    model = keras.saving.load_model(network(tmp_path / "net.keras", *HEADS["softmax, background first"]))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantised:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: [[red_left(SIDE, SIDE)[None].astype(np.float32)]]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = tmp_path / "net.tflite"
    path.write_bytes(converter.convert())
    mask = load_segmenter(path)(red_left(40, 60))
    assert mask[:, :28].all()
    assert not mask[:, 32:].any()


def test_what_is_no_segmentation_model(tmp_path: Path) -> None:
    classifier = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    classifier.save(tmp_path / "classifier.keras")
    grey = network(tmp_path / "grey.keras", [[1]], [0], None, shape=(8, 8, 1))
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    segment = load_segmenter(tmp_path / "classifier.keras")
    with pytest.raises(ModelError, match="gives output of shape"):
        segment(red_left(8, 8))
    with pytest.raises(ModelError, match="takes input of shape"):
        load_segmenter(grey)
    with pytest.raises(ModelError, match="cannot load the segmenter"):
        load_segmenter(tmp_path / "broken.tflite")
    with pytest.raises(ModelError, match="no segmentation model"):
        load_segmenter(tmp_path / "none.keras")
    with pytest.raises(ConfigError, match="segmenter must be"):
        find_estimate("grabcut")


def test_a_resume_knows_the_file_not_the_function(tmp_path: Path) -> None:
    path = network(tmp_path / "net.keras", *HEADS["one sigmoid"])
    assert len(segmenter_hash(str(path))) == 64
    assert segmenter_hash("auto") == segmenter_hash("my:function") == segmenter_hash(None) == ""
    assert find_estimate(None) is None
