"""An object that is cut out once and pasted often is pasted as one that is cut out each time, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.interventions.edits import FILLS, Cutout, foreground_only, in_channels, paste


@pytest.fixture
def picture() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.zeros((40, 36), np.uint8)
    mask[10:30, 8:24] = 1
    mask[5:8] = 2
    return rng.uniform(0, 255, (40, 36, 3)).astype(np.float32), mask


def test_every_background_shows_through_as_by_the_formula(picture: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, mask = picture
    cut = Cutout.of(pixels, mask)
    alpha = 1 - cut.rest[..., :1]
    assert (alpha[15:25, 13:19] == 1).all(), "whole inside the object"
    assert (alpha[mask != 1] == 0).all(), "nothing of it beyond its mask"
    for background in (np.random.default_rng(1).integers(0, 256, pixels.shape), np.zeros(pixels.shape)):
        expected = pixels * alpha + background.astype(np.float32) * (1 - alpha)
        for kind in (np.uint8, np.float32):
            made = cut.onto(background.astype(kind))
            assert made.dtype == np.float32
            np.testing.assert_array_equal(made, expected)
        np.testing.assert_array_equal(paste(pixels, mask, background.astype(np.float32)), expected)


def test_noise_is_that_of_one_seed_whatever_was_made_before(picture: tuple[np.ndarray, np.ndarray]) -> None:
    pixels, mask = picture
    first = foreground_only(pixels, mask, "noise")
    np.testing.assert_array_equal(
        first[mask != 1], np.random.default_rng(0).uniform(0, 255, pixels.shape).astype(np.float32)[mask != 1]
    )
    first[...] = 0  # what is made of it may be changed
    np.testing.assert_array_equal(
        foreground_only(pixels, mask, "noise")[0], np.random.default_rng(0).uniform(0, 255, (36, 3)).astype(np.float32)
    )
    holes = (mask == 1).astype(np.uint8)
    for name in FILLS:
        made = [FILLS[name](pixels, holes) for _ in range(2)]
        np.testing.assert_array_equal(*made, err_msg=name)
        assert (made[0][holes == 0] == (np.rint(pixels) if name == "inpaint" else pixels)[holes == 0]).all()


def test_values_are_repeated_for_each_channel() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    made = in_channels(values, 3)
    np.testing.assert_array_equal(made, np.stack([values] * 3, axis=-1))
    made[0, 0, 0] = 9
    assert values[0, 0] == 0
