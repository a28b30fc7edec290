"""Properties of the whole photo, exchanged: what each exchange takes from the donor and what it leaves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.checks.whole_photo.exchange import (
    PROPERTIES,
    RING,
    border,
    brightness,
    colour,
    properties_for,
    sharpness,
)


@pytest.fixture
def pixels(photo) -> np.ndarray:
    """Levels in 40..215, so that moderate changes clip nothing."""
    return (40 + 175 * photo(60, 80).astype(np.float32) / 255).astype(np.float32)


def detail(pixels: np.ndarray) -> float:
    """Mean square of what a blur takes away."""
    grey = pixels.mean(axis=2)
    return float(((grey - cv2.GaussianBlur(grey, (0, 0), 1.5)) ** 2).mean())


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("channels", [3, 1])
def test_a_photo_is_its_own_donor(name: str, channels: int, pixels: np.ndarray) -> None:
    if name in properties_for(channels):
        own = np.ascontiguousarray(pixels[..., :channels])
        assert np.abs(PROPERTIES[name](own, own) - own).max() < 0.01


@given(st.sampled_from(sorted(PROPERTIES)), st.integers(0, 9), st.sampled_from([(33, 40), (8, 9), (48, 48)]))
def test_any_two_photos_give_a_photo(name: str, seed: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.uniform(0, 255, (*size, 3)).astype(np.float32) for _ in range(2))
    if seed % 3 == 0:
        first[...] = 17  # no spread, no detail
    kept = first.copy(), second.copy()
    changed = PROPERTIES[name](first, second)
    assert changed.shape == first.shape
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert np.array_equal(first, kept[0])
    assert np.array_equal(second, kept[1])


def test_colour_takes_tint_and_greyness_and_leaves_the_light(pixels: np.ndarray) -> None:
    tinted = pixels + np.array([20, 0, -20], np.float32)
    luma = np.array([0.299, 0.587, 0.114])
    changed = colour(pixels, tinted)
    # The tint itself changes the light by 20 * (.299 - .114); the exchange leaves it as it was.
    assert np.allclose(changed, tinted - 20 * (0.299 - 0.114), atol=0.5)
    assert np.allclose(changed @ luma, pixels @ luma, atol=0.5)
    grey = np.repeat((pixels @ luma)[..., None], 3, axis=2).astype(np.float32)
    assert np.ptp(colour(pixels, grey), axis=2).max() < 0.5


def test_brightness_is_exposure(pixels: np.ndarray) -> None:
    assert np.allclose(brightness(pixels, pixels * 0.6), pixels * 0.6, atol=0.1)
    black = np.zeros_like(pixels)
    assert brightness(pixels, black).max() == 0
    assert brightness(black, pixels).max() == 0  # nothing to amplify


def test_colour_and_brightness_are_measured_beside_the_object(pixels: np.ndarray) -> None:
    """A red thing in the middle of the donor is none of the donor's tint."""
    donor = pixels.copy()
    donor[20:40, 25:55] = (255, 0, 0)
    assert np.abs(colour(pixels, donor) - pixels).max() < 0.01
    assert np.abs(brightness(pixels, donor) - pixels).max() < 0.01


def test_sharpness_goes_both_ways(pixels: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    sharp = np.clip(pixels + rng.normal(0, 8, pixels.shape[:2])[..., None], 0, 255).astype(np.float32)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 1.2), np.float32)
    down, up = sharpness(sharp, blurred), sharpness(blurred, sharp)
    assert detail(blurred) / 1.5 < detail(down) < 1.5 * detail(blurred) < detail(sharp) / 10
    assert detail(blurred) < detail(up) < 1.1 * detail(sharp)
    # What is coarse stays: means over blocks hardly change.
    blocks = [cv2.resize(each, (4, 3), interpolation=cv2.INTER_AREA) for each in (sharp, down)]
    assert np.abs(blocks[0] - blocks[1]).max() < 3


def test_border_is_a_ring(pixels: np.ndarray) -> None:
    donor = np.zeros_like(pixels)
    wide = round(RING * 60)
    changed = border(pixels, donor)
    assert np.array_equal(changed[wide:-wide, wide:-wide], pixels[wide:-wide, wide:-wide])
    assert changed[:wide].max() == changed[-wide:].max() == changed[:, :wide].max() == changed[:, -wide:].max() == 0


def test_a_grey_model_has_no_colour() -> None:
    assert properties_for(1) == ("brightness", "sharpness", "border")
    assert properties_for(3) == tuple(PROPERTIES)
