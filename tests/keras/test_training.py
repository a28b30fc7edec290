"""Training of the small networks: shape, order, repeatability."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bias_audit.errors import DataError
from bias_audit.models.tensorflow.training import COLOUR_JITTER, augmented, load_arrays, small_model, train_small_model

pytestmark = pytest.mark.slow

COLOURS = {"blue": (20, 40, 220), "green": (30, 200, 40), "red": (220, 30, 20)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noisy patches of one colour per class: learnt within a few epochs."""
    root = Path(tmp_path_factory.mktemp("colours"))
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for i in range(16):
            photo = np.clip(rng.normal(colour, 25, (20, 24, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(root / name / f"{i:02d}.jpg"), photo[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 100))
    return root


def test_last_map_is_twelve_by_twelve_and_outputs_are_probabilities() -> None:
    model = small_model(96, 5)
    maps = [layer.output.shape for layer in model.layers if len(layer.output.shape) == 4]
    assert maps[-1] == (None, 12, 12, 64)
    photos = np.random.default_rng(0).uniform(0, 255, (4, 96, 96, 3)).astype(np.float32)
    probabilities = model.predict(photos, verbose=0)
    assert probabilities.shape == (4, 5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_arrays_are_rgb_in_the_order_of_the_classes(folder: Path) -> None:
    images, labels = load_arrays(folder, ("red", "blue"), 16)
    assert images.shape == (32, 16, 16, 3)
    assert images.dtype == np.float32
    assert labels.tolist() == [0] * 16 + [1] * 16
    np.testing.assert_allclose(images[:16].mean(axis=(0, 1, 2)), COLOURS["red"], atol=8)
    np.testing.assert_allclose(images[16:].mean(axis=(0, 1, 2)), COLOURS["blue"], atol=8)


def test_augmentation_keeps_range_and_mean_and_leaves_its_input_alone() -> None:
    rng = np.random.default_rng(0)
    images = np.full((200, 16, 16, 3), (40, 120, 200), np.float32)
    before = images.copy()
    changed = augmented(images, rng)
    np.testing.assert_array_equal(images, before)
    assert changed.dtype == np.float32
    # A flat photo stays flat under mirroring, zoom and shift; only the tint is left.
    gains = changed / images
    np.testing.assert_allclose(gains.std(axis=(1, 2)), 0, atol=1e-5)
    assert gains.min() >= 1 - COLOUR_JITTER - 1e-6
    assert gains.max() <= 1 + COLOUR_JITTER + 1e-6
    assert gains[:, 0, 0].std(axis=0).min() > 0.3 * COLOUR_JITTER


def test_augmentation_mirrors_half_of_the_photos() -> None:
    images = np.zeros((400, 16, 16, 3), np.float32)
    images[:, :, :8] = 100
    left_is_bright = augmented(images, np.random.default_rng(1))[:, :, 0, 0].mean(axis=1) > 50
    assert 0.4 < left_is_bright.mean() < 0.6


def test_learns_repeatably_and_survives_saving(folder: Path, tmp_path: Path) -> None:
    import keras

    seen: list[tuple[int, int, float]] = []
    names = tuple(COLOURS)
    model = train_small_model(
        folder, names, image_size=16, epochs=12, seed=1, on_epoch=lambda *values: seen.append(values)
    )
    assert [(epoch, of) for epoch, of, _ in seen] == [(i, 12) for i in range(1, 13)]
    images, labels = load_arrays(folder, names, 16)
    predicted = model.predict(images, verbose=0)
    assert (predicted.argmax(axis=1) == labels).mean() == 1

    one, same, other = (
        train_small_model(folder, names, image_size=16, epochs=2, seed=seed).predict(images, verbose=0)
        for seed in (1, 1, 2)
    )
    np.testing.assert_allclose(same, one, atol=1e-4)
    assert np.abs(other - one).max() > 1e-3

    model.save(tmp_path / "small.keras")
    loaded = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_allclose(loaded.predict(images, verbose=0), predicted, atol=1e-6)


def test_a_class_without_photos_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="no JPEG photo of class 'cat'"):
        load_arrays(folder, ("red", "cat"), 16)


def test_a_broken_photo_is_named(tmp_path: Path) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(DataError, match=r"broken\.jpg' is not a readable JPEG"):
        load_arrays(tmp_path, ("red",), 16)
