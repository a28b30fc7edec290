"""Resampling, cropping and padding against TensorFlow, Keras and Pillow themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bias_audit.config import INTERPOLATIONS, RESIZES
from bias_audit.data.geometry import (
    area_weights,
    bilinear_weights,
    crop_window,
    fit_image,
    fit_mask,
    padded_shape,
    shorter_shape,
)
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID

SHAPES = [(50, 70), (33, 20), (224, 224), (7, 300), (1, 1), (1, 9), (300, 2)]
SIZES = [(24, 24), (40, 64), (96, 32), (224, 224)]
LEVELS = 0.02
"""Grey levels of 255 by which OpenCV's float32 may differ from TensorFlow's."""


@pytest.mark.heavy
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("interpolation", ["bilinear", "area", "bicubic"])
def test_stretch_equals_tensorflow(photo, shape: tuple[int, int], size: tuple[int, int], interpolation: str) -> None:
    import tensorflow as tf

    pixels = photo(*shape)
    expected = tf.image.resize(pixels.astype(np.float32), size, method=interpolation).numpy()
    actual = fit_image(pixels, size, "stretch", interpolation)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=0, atol=0.05 if interpolation == "bicubic" else LEVELS)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("interpolation", ["bilinear", "area", "bicubic"])
def test_a_large_picture_is_resampled_a_channel_at_a_time_and_to_the_same_bits(
    photo, monkeypatch: pytest.MonkeyPatch, interpolation: str, resize: str
) -> None:
    for shape in ((300, 417), (51, 20)):
        pixels = photo(*shape)
        at_once = fit_image(pixels, (64, 48), resize, interpolation)
        with monkeypatch.context() as patched:
            patched.setattr("bias_audit.data.geometry.LARGE", 100)
            assert np.array_equal(fit_image(pixels, (64, 48), resize, interpolation), at_once)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_nearest_and_antialias_are_pillow(photo, shape: tuple[int, int], size: tuple[int, int]) -> None:
    pixels = photo(*shape)
    for name, filter_ in (("nearest", Image.Resampling.NEAREST), ("antialias", Image.Resampling.BILINEAR)):
        expected = np.asarray(Image.fromarray(pixels).resize(size[::-1], filter_))
        assert np.array_equal(fit_image(pixels, size, "stretch", name), expected)
        grey = fit_image(pixels[..., :1], size, "stretch", name)
        assert np.array_equal(grey, expected[..., :1])


@pytest.mark.heavy
def test_tensorflow_nearest_of_integer_factors_is_pillows(photo) -> None:
    import tensorflow as tf

    pixels = photo(24, 30)
    for size in ((48, 60), (8, 10), (72, 15)):
        expected = tf.image.resize(pixels, size, method="nearest").numpy()
        assert np.array_equal(fit_image(pixels, size, "stretch", "nearest"), expected)


@pytest.mark.heavy
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES)
def test_crop_equals_smart_resize(photo, shape: tuple[int, int], size: tuple[int, int]) -> None:
    import keras

    pixels = photo(*shape)
    for name in ("bilinear", "bicubic"):
        expected = keras.preprocessing.image.smart_resize(pixels.astype(np.float32), size, interpolation=name)
        actual = fit_image(pixels, size, "crop", name)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=0.05 if name == "bicubic" else LEVELS)


@pytest.mark.heavy
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(50, 70), (33, 20), (224, 224), (7, 300), (300, 4)])
def test_crop_equals_load_img(photo, tmp_path: Path, shape: tuple[int, int], size: tuple[int, int]) -> None:
    import keras

    # Pictures thinner than one pixel of the crop are left out: load_img takes a window of no width there.
    Image.fromarray(photo(*shape)).save(tmp_path / "p.png")
    for ours, theirs in (("nearest", "nearest"), ("antialias", "bilinear")):
        image = keras.utils.load_img(tmp_path / "p.png", target_size=size, interpolation=theirs, keep_aspect_ratio=True)
        assert np.array_equal(fit_image(photo(*shape), size, "crop", ours), np.asarray(image))


@pytest.mark.heavy
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(50, 70), (33, 20), (224, 224), (51, 20), (7, 60), (1, 9), (1, 1)])
def test_pad_equals_the_keras_resizing_layer(photo, shape: tuple[int, int], size: tuple[int, int]) -> None:
    import keras

    pixels = photo(*shape)
    for name in ("bilinear", "bicubic"):
        layer = keras.layers.Resizing(*size, interpolation=name, pad_to_aspect_ratio=True)
        expected = layer(pixels[None].astype(np.float32)).numpy()[0]
        actual = fit_image(pixels, size, "pad", name)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=0.05 if name == "bicubic" else LEVELS)


def _torchvision(image: Image.Image, size: int, crop: int, how: Image.Resampling) -> np.ndarray:
    """Resize(size) and CenterCrop(crop) of a Pillow image, as `torchvision.transforms.functional` writes it."""
    width, height = image.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    new_width, new_height = (new_short, new_long) if width <= height else (new_long, new_short)
    resized = image.resize((new_width, new_height), how)
    top, left = int(round((new_height - crop) / 2.0)), int(round((new_width - crop) / 2.0))  # noqa: RUF046
    return np.asarray(resized.crop((left, top, left + crop, top + crop)))


@pytest.mark.parametrize("shape", [(50, 70), (33, 20), (224, 224), (256, 341), (7, 300), (1, 9), (300, 2), (375, 500)])
@pytest.mark.parametrize(("crop", "size"), [(224, 256), (299, 342), (96, 110), (32, 37)])
def test_shorter_is_torchvision(photo, shape: tuple[int, int], crop: int, size: int) -> None:
    pixels = photo(*shape)
    for name, how in (("antialias", Image.Resampling.BILINEAR), ("nearest", Image.Resampling.NEAREST)):
        expected = _torchvision(Image.fromarray(pixels), size, crop, how)
        assert np.array_equal(fit_image(pixels, (crop, crop), "shorter", name), expected)
    mask = (pixels[..., 0] > 100).astype(np.uint8)
    assert np.array_equal(
        fit_mask(mask, (crop, crop), "shorter"),
        _torchvision(Image.fromarray(mask), size, crop, Image.Resampling.NEAREST),
    )


def test_shorter_shape_by_hand() -> None:
    assert shorter_shape((375, 500), (224, 224)) == (256, 341)  # 256 * 500 / 375 = 341.33
    assert shorter_shape((500, 375), (299, 299)) == (456, 342)
    assert shorter_shape((100, 100), (112, 224)) == (256, 256)  # the crop of an oblong input fits as well


@pytest.mark.parametrize(
    ("resize", "interpolation"),
    [(r, i) for r in RESIZES for i in INTERPOLATIONS if r != "shorter" or i in ("antialias", "nearest")],
)
def test_extreme_pictures_survive(resize: str, interpolation: str) -> None:
    wide = (2, 2000) if resize == "pad" else (2, 9000)
    for shape in ((1, 1), (1, 999), (999, 1), wide, wide[::-1]):
        for channels in (1, 3):
            fitted = fit_image(np.full((*shape, channels), 200, np.uint8), (32, 48), resize, interpolation)
            assert fitted.shape == (32, 48, channels)
            assert np.isfinite(fitted).all()
            assert fitted.max() <= 200.01
            if resize != "pad":
                assert fitted.min() >= 199.99  # a uniform picture stays uniform


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", SHAPES[:4])
@pytest.mark.parametrize("resize", RESIZES)
def test_the_mask_takes_the_way_of_the_picture(shape: tuple[int, int], size: tuple[int, int], resize: str) -> None:
    """The mask painted into the picture comes out where the mask comes out: what is not padding agrees."""
    rng = np.random.default_rng(3)
    mask = (rng.uniform(size=shape) < 0.4).astype(np.uint8)
    painted = np.dstack([mask * 100 + 100] * 3).astype(np.uint8)  # padding stays 0
    image = fit_image(painted, size, resize, "nearest")[..., 0]
    fitted = fit_mask(mask, size, resize)
    assert set(np.unique(fitted)) <= {BACKGROUND, FOREGROUND, VOID}
    assert np.array_equal(fitted == VOID, image == 0)
    assert np.array_equal(fitted == FOREGROUND, image == 200)
    assert (fitted == VOID).any() == (resize == "pad" and fit_mask(mask * 0, size, "pad").any())


def test_padding_by_hand() -> None:
    # 2 x 4 into a square: one row of padding above and below, then 4 x 4 -> 4 x 4
    image = fit_image(np.full((2, 4, 1), 9, np.uint8), (4, 4), "pad", "bilinear")
    assert image[..., 0].tolist() == [[0] * 4, [9] * 4, [9] * 4, [0] * 4]
    mask = fit_mask(np.array([[1, 0, 0, 1]] * 2, np.uint8), (4, 4), "pad")
    assert mask.tolist() == [[2] * 4, [1, 0, 0, 1], [1, 0, 0, 1], [2] * 4]


def test_padded_shape_by_hand() -> None:
    assert padded_shape((2, 4), (10, 10)) == (4, 4)
    assert padded_shape((4, 40_000), (224, 224)) == (40_000, 40_000)
    assert padded_shape((30, 40), (15, 40)) == (30, 80)


def test_crop_window_by_hand() -> None:
    assert crop_window((340, 500), (200, 200)) == (0, 80, 340, 340)  # the example in Keras's documentation
    assert crop_window((500, 340), (100, 200)) == (165, 0, 170, 340)
    assert crop_window((10, 10), (10, 10)) == (0, 0, 10, 10)
    assert crop_window((1, 9), (10, 1000)) == (0, 0, 1, 9)  # 9 * 10 // 1000 = 0 rows: never less than one


def test_bilinear_weights_by_hand() -> None:
    # 2 -> 4: centres at -.25, .25, .75, 1.25 of the source, the outer two clamped
    assert bilinear_weights(2, 4).tolist() == [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert bilinear_weights(4, 2).tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    assert bilinear_weights(1, 3).tolist() == [[1], [1], [1]]


def test_area_weights_by_hand() -> None:
    # 3 -> 2: each target covers 1.5 source pixels
    np.testing.assert_allclose(area_weights(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], rtol=1e-6)
    assert area_weights(4, 2).tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    assert area_weights(1, 2).tolist() == [[1], [1]]
