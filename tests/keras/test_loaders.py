"""`--loader NAME` gives the pixels that Keras's own loader gives on the same files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from bias_audit.config import AuditConfig
from bias_audit.data.batches import load, load_in_order
from bias_audit.data.dataset import Sample
from bias_audit.data.pictures import decode
from bias_audit.data.sources import open_dataset
from bias_audit.models.decoding import find_decoder, geometry_of, tensorflow_decoder
from bias_audit.run.statuses import UNREADABLE

SIZE = (40, 56)
MODES = {3: "rgb", 1: "grayscale"}
ROUNDING = 0.02
"""Grey levels of 255 by which OpenCV's float32 may differ from TensorFlow's."""


@pytest.fixture(scope="module")
def folder(photo: Callable[..., np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """JPEGs of several qualities, subsamplings and modes, and a PNG, in two classes."""
    root = tmp_path_factory.mktemp("photos")
    for i, (height, width) in enumerate(((90, 120), (120, 90), (64, 64), (31, 57), (200, 75), SIZE, (41, 300))):
        (root / "ab"[i % 2]).mkdir(exist_ok=True)
        image = Image.fromarray(photo(height, width, i))
        image = image.convert("L") if i == 2 else image
        options = {"progressive": True} if i == 3 else {} if i == 2 else {"subsampling": i % 3}
        image.save(root / "ab"[i % 2] / f"{i}.jpg", quality=(60, 75, 90)[i % 3], **options)
    Image.fromarray(photo(30, 20, 9)).save(root / "a" / "8.png")
    return root


def _ours(folder: Path, loader: str, channels: int, **options: str) -> np.ndarray:
    dataset = open_dataset(folder, None)
    geometry = geometry_of(AuditConfig(loader=loader, **options), (*SIZE, channels))
    return np.stack([each.pixels for _, group in load_in_order(dataset.samples, geometry, 3) for each in group])


def _from_directory(folder: Path, channels: int) -> np.ndarray:
    batches = keras.utils.image_dataset_from_directory(
        folder, color_mode=MODES[channels], image_size=SIZE, shuffle=False, verbose=False
    )
    return np.concatenate([images.numpy() for images, _ in batches])


@pytest.mark.parametrize("channels", MODES)
def test_image_dataset_from_directory(folder: Path, channels: int) -> None:
    theirs = _from_directory(folder, channels)
    assert np.abs(_ours(folder, "image_dataset_from_directory", channels) - theirs).max() <= ROUNDING
    # The decoder is what makes them equal: with Pillow's they are levels apart.
    assert np.abs(_ours(folder, "image_dataset_from_directory", channels, decoder="pillow") - theirs).max() > 0.5


@pytest.mark.parametrize("channels", MODES)
def test_the_decoder_is_tensorflows_to_the_bit(folder: Path, channels: int) -> None:
    for path in folder.rglob("*.*"):
        pixels, reason = decode(path, channels, find_decoder("tensorflow"))
        expected = tf.io.decode_image(tf.io.read_file(str(path)), channels=channels, expand_animations=False).numpy()
        assert (reason, pixels.tolist()) == ("", expected.tolist())


@pytest.mark.parametrize("channels", MODES)
def test_flow_from_directory(folder: Path, channels: int) -> None:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator  # not every version imports it by itself

    flow = ImageDataGenerator().flow_from_directory(
        folder, color_mode=MODES[channels], target_size=SIZE, shuffle=False, batch_size=99
    )
    assert np.array_equal(_ours(folder, "flow_from_directory", channels), next(flow)[0])


@pytest.mark.parametrize("channels", MODES)
def test_load_img(folder: Path, channels: int) -> None:
    theirs = [
        keras.utils.img_to_array(keras.utils.load_img(sample.path, color_mode=MODES[channels], target_size=SIZE))
        for sample in open_dataset(folder, None).samples
    ]
    assert np.array_equal(_ours(folder, "load_img", channels), np.stack(theirs))


def test_the_loaders_are_told_apart(folder: Path) -> None:
    loaders = ("image_dataset_from_directory", "flow_from_directory", "torchvision")
    pixels = [_ours(folder, loader, 3) for loader in loaders]
    for i, first in enumerate(pixels):
        for second in pixels[:i]:
            assert np.abs(first - second).max() > 10


def test_what_tensorflow_does_not_read_is_a_row(photo: Callable[..., np.ndarray], tmp_path: Path) -> None:
    geometry = geometry_of(AuditConfig(decoder="tensorflow"), (*SIZE, 3))
    Image.fromarray(photo(30, 40)).save(tmp_path / "p.tiff")
    loaded = load(Sample("p", tmp_path / "p.tiff", 0), geometry)
    assert loaded.status == UNREADABLE
    assert "TIFF: TensorFlow, which reads BMP, GIF, JPEG and PNG" in loaded.reason
    assert "\n" not in loaded.reason
    with pytest.raises(ValueError, match="TensorFlow"):
        tensorflow_decoder(b"\xff\xd8\xff nothing more", 3)
