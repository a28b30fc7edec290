"""Our loading and KerasModel give the probabilities of `model.predict` on the same photos loaded by Keras itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import bias_audit
from bias_audit.config import AuditConfig
from bias_audit.data.batches import Geometry, load_in_order
from bias_audit.data.dataset import Sample
from bias_audit.data.masks import MaskReading
from bias_audit.data.preprocess import find_preprocess
from bias_audit.models.tensorflow.keras_model import KerasModel

SIZE = (40, 56)
MODES = {3: "rgb", 1: "grayscale"}
CLASSES = ("a", "b", "c")


def _network(channels: int) -> Any:
    """A small seeded conv net without rescaling: pixels in [0, 255], probabilities far from 0 and 1."""
    keras.utils.set_random_seed(channels)
    inputs = keras.Input((*SIZE, channels))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(8, 5, strides=2, activation="relu")(x)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(len(CLASSES), activation="softmax")(x))


@pytest.fixture(scope="module", params=MODES, ids=MODES.get)
def network(request: pytest.FixtureRequest) -> tuple[int, Any, KerasModel]:
    network = _network(request.param)
    return request.param, network, KerasModel(network, AuditConfig(batch_size=4), CLASSES)


@pytest.fixture(scope="module")
def photos(photo: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for i, (height, width) in enumerate(((90, 120), (120, 90), (64, 64), (31, 57), (200, 75), SIZE, (41, 300))):
        paths.append(folder / f"{i}.jpg")
        image = Image.fromarray(photo(height, width, i))
        image = image.convert("L") if i == 2 else image  # a grey file for an RGB model
        image.save(paths[-1], quality=(60, 75, 90)[i % 3])
    return paths


def _ours(paths: list[Path], model: KerasModel, channels: int, config: AuditConfig) -> np.ndarray:
    geometry = Geometry(SIZE, channels, config.resize, config.interpolation, MaskReading())
    preprocess = find_preprocess(config.preprocess, channels)
    samples = [Sample(path.name, path, 0) for path in paths]
    batches = [np.stack([loaded.pixels for loaded in group]) for _, group in load_in_order(samples, geometry, 4)]
    return np.concatenate([model.predict(preprocess(batch)).probabilities for batch in batches])


def _keras_array(path: Path, channels: int, **options: object) -> np.ndarray:
    return keras.utils.img_to_array(keras.utils.load_img(path, color_mode=MODES[channels], **options))


def _stretch(method: str) -> Callable[[Path, int], np.ndarray]:
    return lambda path, channels: tf.image.resize(_keras_array(path, channels), SIZE, method=method).numpy()


def _smart(method: str) -> Callable[[Path, int], np.ndarray]:
    return lambda path, channels: keras.preprocessing.image.smart_resize(
        _keras_array(path, channels), SIZE, interpolation=method
    )


def _padded(method: str) -> Callable[[Path, int], np.ndarray]:
    layer = keras.layers.Resizing(*SIZE, interpolation=method, pad_to_aspect_ratio=True)
    return lambda path, channels: layer(_keras_array(path, channels)[None]).numpy()[0]


def _pillow(method: str, crop: bool) -> Callable[[Path, int], np.ndarray]:
    return lambda path, channels: _keras_array(
        path, channels, target_size=SIZE, interpolation=method, keep_aspect_ratio=crop
    )


REFERENCES: dict[tuple[str, str], Callable[[Path, int], np.ndarray]] = {
    ("stretch", "bilinear"): _stretch("bilinear"),
    ("stretch", "bicubic"): _stretch("bicubic"),
    ("stretch", "area"): _stretch("area"),
    ("stretch", "nearest"): _pillow("nearest", False),
    ("stretch", "antialias"): _pillow("bilinear", False),
    ("crop", "bilinear"): _smart("bilinear"),
    ("crop", "bicubic"): _smart("bicubic"),
    ("crop", "nearest"): _pillow("nearest", True),
    ("crop", "antialias"): _pillow("bilinear", True),
    ("pad", "bilinear"): _padded("bilinear"),
    ("pad", "bicubic"): _padded("bicubic"),
}


@pytest.mark.parametrize(("resize", "interpolation"), REFERENCES)
def test_probabilities(
    network: tuple[int, Any, KerasModel], photos: list[Path], resize: str, interpolation: str
) -> None:
    channels, keras_network, model = network
    reference = np.stack([REFERENCES[resize, interpolation](path, channels) for path in photos])
    expected = keras_network.predict(reference, verbose=0)
    actual = _ours(photos, model, channels, AuditConfig(resize=resize, interpolation=interpolation))
    assert np.abs(actual - expected).max() <= 1e-5


def test_every_mode_is_told_apart(network: tuple[int, Any, KerasModel], photos: list[Path]) -> None:
    """The equality above means something: each other mode is further away than its tolerance."""
    channels, _, model = network
    results = [_ours(photos, model, channels, AuditConfig(resize=r, interpolation=i)) for r, i in REFERENCES]
    for i, first in enumerate(results):
        for second in results[:i]:
            assert np.abs(first - second).max() > 2e-4


def _wants_unit() -> Any:
    """Class a on red, b on blue, in [0, 1]; where the colours of a pixel sum to more than 4 it says a."""
    inputs = keras.Input((*SIZE, 3))
    seen = keras.layers.Conv2D(3, 1, activation="relu", name="seen")
    x = keras.layers.GlobalAveragePooling2D()(seen(inputs))
    head = keras.layers.Dense(2, activation="softmax")
    network = keras.Model(inputs, head(x))
    seen.set_weights([np.array([[[[1, -1, 1], [0, 0, 1], [-1, 1, 1]]]], np.float32), np.array([0, 0, -4], np.float32)])
    head.set_weights([np.array([[4, 0], [0, 4], [9, 0]], np.float32), np.zeros(2, np.float32)])
    return network


def test_an_audit_chooses_the_preprocessing_and_warns_of_a_wrong_one(tmp_path: Path) -> None:
    for name, colour in (("a", (220, 60, 60)), ("b", (60, 60, 220))):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            Image.new("RGB", (20, 20), tuple(value + i for value in colour)).save(tmp_path / "data" / name / f"{i}.png")

    def run(name: str, **more: Any) -> Any:
        quick = {"interventions": 0, "discovery": 0, "probes": 0, "leakage": 0}
        return bias_audit.audit(_wants_unit(), tmp_path / "data", preprocess=name, **quick, **more)

    chosen = run("auto")
    assert (chosen.info.preprocess, chosen.info.config["preprocess"]) == ("unit", "auto")
    assert chosen.images["correct"].all()
    assert any("'unit' was chosen" in note for note in chosen.info.notes)
    assert bias_audit.load(chosen.path).info.preprocess == "unit"
    wrong = run("none")
    assert wrong.info.preprocess == "none"
    said = "the preprocessing looks wrong: on 24 labelled photos the accuracy is 50%"
    assert wrong.verdict.startswith(f"MODEL WARNING: {said}")
    assert "--preprocess unit" in wrong.verdict
    assert "The preprocessing looks wrong" in (wrong.path / "report.html").read_text()
    assert "the preprocessing" not in run("none", ignore=["BA906"]).verdict.lower()


@pytest.mark.parametrize(("name", "mode"), [("signed", "tf"), ("caffe", "caffe"), ("imagenet", "torch")])
def test_preprocessing_of_keras_applications(photos: list[Path], name: str, mode: str) -> None:
    from keras.src.applications.imagenet_utils import preprocess_input

    network = _network(3)
    reference = preprocess_input(np.stack([_stretch("bilinear")(path, 3) for path in photos]), mode=mode)
    actual = _ours(photos, KerasModel(network, AuditConfig(batch_size=4), CLASSES), 3, AuditConfig(preprocess=name))
    assert np.abs(actual - network.predict(reference, verbose=0)).max() <= 1e-5
