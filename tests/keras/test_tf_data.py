"""A tf.data.Dataset as the data of an audit: in batches or not, with masks, and what none of it may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from discs import NAMES, QUICK, Discs, by_ground, found, make_discs, opened

import bias_audit
from bias_audit.errors import BiasAuditError, DataError


@pytest.fixture(scope="module")
def discs() -> Discs:
    return make_discs()


def test_batches_shuffled_or_not_are_the_same_photos(discs: Discs, tmp_path: Path) -> None:
    slices = tf.data.Dataset.from_tensor_slices((discs.images, discs.numbers))
    first = opened(slices, tmp_path)
    expected = sorted((image.tobytes(), str(number)) for image, number in zip(discs.images, discs.numbers, strict=True))
    assert found(first) == expected
    for data in (
        slices.batch(7),
        slices.shuffle(24, seed=1).batch(5),
        slices.map(lambda image, label: (tf.cast(image, tf.float32), tf.one_hot(label, 2))).batch(24),
        slices.map(lambda image, label: {"image": tf.cast(image, tf.float32) / 255, "label": label}).batch(3),
    ):
        other = opened(data, tmp_path)
        assert other.fingerprint() == first.fingerprint(), "the same ids, files and labels"


def test_grey_batches(discs: Discs, tmp_path: Path) -> None:
    grey = discs.images[..., 0]
    for data in (grey, grey[..., None]):
        slices = tf.data.Dataset.from_tensor_slices((data, discs.numbers))
        assert len({opened(each, tmp_path).fingerprint() for each in (slices, slices.batch(48), slices.batch(5))}) == 1


def test_names_of_a_folder_read_by_keras(discs: Discs, tmp_path: Path) -> None:
    import keras

    folder = discs.write(tmp_path / "discs") / "images"
    data = keras.utils.image_dataset_from_directory(folder, image_size=(48, 48), batch_size=5, seed=3, verbose=False)
    dataset = opened(data, tmp_path / "kept")
    assert dataset.class_names == NAMES
    assert found(dataset) == sorted(
        (image.tobytes(), name) for image, name in zip(discs.images, discs.labels, strict=True)
    )


def test_an_audit_is_that_of_the_folder(discs: Discs, tmp_path: Path) -> None:
    folder = discs.write(tmp_path / "discs")
    expected = bias_audit.audit(by_ground, folder / "images", masks=folder / "masks", out=tmp_path / "a", **QUICK)
    data = tf.data.Dataset.from_tensor_slices((discs.images / 255, discs.labels, discs.masks)).batch(5)
    result = bias_audit.audit(by_ground, data, ids=discs.ids, out=tmp_path / "b", **QUICK)
    assert (result.verdict, result.outcomes) == (expected.verdict, expected.outcomes)
    assert result.level == "SUSPICIOUS"


def on_images(change: Any) -> Any:
    return lambda data: data.map(lambda image, label: (change(image), label))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.repeat(), "never ends"),
        (lambda data: data.map(lambda image, label: image), "element 0 of the data is a ndarray"),
        (lambda data: data.map(lambda image, label: (image, label, 1.0)), "the mask of photo 0 has the shape ()"),
        (on_images(lambda image: tf.cast(image, tf.float32) / 127.5 - 1), "negative values"),
        (on_images(lambda image: tf.transpose(image, [2, 0, 1])), "channels seem to come first"),
        (
            on_images(lambda image: tf.io.decode_png(tf.io.read_file("/none"))),
            "photo 0 of the data in memory cannot be",
        ),
    ],
)
def test_what_is_no_test_set(discs: Discs, tmp_path: Path, change: Any, says: str) -> None:
    data = tf.data.Dataset.from_tensor_slices((discs.images, discs.numbers))
    with pytest.raises(BiasAuditError) as caught:
        opened(change(data), tmp_path / "kept")
    assert says in caught.value.message
    assert not (tmp_path / "kept").exists()


def test_ids_of_a_column_are_for_what_has_columns(discs: Discs, tmp_path: Path) -> None:
    data = tf.data.Dataset.from_tensor_slices((discs.images, np.zeros(24)))
    with pytest.raises(DataError, match="no column of ids"):
        opened(data, tmp_path, ids="name")
