"""Composites keep what they must keep: exactly the background outside, exactly the object inside, no rim between."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID
from bias_audit.interventions import FILLS, background_only, foreground_only, hole, inpaint, paste

SIDE = 96


@pytest.fixture
def mask() -> np.ndarray:
    """A disc of radius 28 in the middle, with a ring of void one pixel wide around it."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    distance = np.hypot(rows, columns)
    return np.where(distance <= 28, FOREGROUND, np.where(distance <= 29, VOID, BACKGROUND)).astype(np.uint8)


def _distance_inside(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]] - SIDE // 2
    return 28 - np.hypot(rows, columns)


class TestPaste:
    def test_background_outside_and_object_deep_inside_are_exact(self, photo, mask: np.ndarray) -> None:
        pixels, background = photo(SIDE, SIDE, 1).astype(np.float32), photo(SIDE, SIDE, 2).astype(np.float32)
        pasted = paste(pixels, mask, background)
        assert pasted.dtype == np.float32
        assert np.array_equal(pasted[mask != FOREGROUND], background[mask != FOREGROUND])
        deep = _distance_inside(mask) > 5
        np.testing.assert_allclose(pasted[deep], pixels[deep], atol=0.5)
        assert np.array_equal(paste(pixels, mask * 0, background), background)

    @pytest.mark.parametrize("old", [0.0, 255.0])
    def test_no_rim_of_the_old_background(self, mask: np.ndarray, old: float) -> None:
        """A grey object cut out of black or white: nothing of that comes along, whatever the feather."""
        pixels = np.where((mask == FOREGROUND)[..., None], 120.0, old).astype(np.float32).repeat(3, axis=2)
        pasted = paste(pixels, mask, np.full_like(pixels, 140.0))
        assert pasted.min() >= 120 - 1e-3
        assert pasted.max() <= 140 + 1e-3

    def test_a_slit_in_the_object_shows_the_new_background(self, photo) -> None:
        """Two pixels of background between object on both sides: blurring alone would close them."""
        mask = np.full((SIDE, SIDE), FOREGROUND, np.uint8)
        mask[:, 47:49] = BACKGROUND
        mask[20, 20] = VOID
        background = photo(SIDE, SIDE).astype(np.float32)
        pasted = paste(np.full_like(background, 255), mask, background)
        assert np.array_equal(pasted[mask != FOREGROUND], background[mask != FOREGROUND])

    def test_the_edge_is_feathered_and_falls_outwards(self) -> None:
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[:, :48] = FOREGROUND
        white = np.full((SIDE, SIDE, 1), 255, np.float32)
        row = paste(white, mask, white * 0)[SIDE // 2, :, 0]
        assert (np.diff(row) <= 1e-3).all()
        assert ((row > 5) & (row < 250)).sum() >= 2
        assert row[47] < 0.5 * 255  # no step: the outermost pixel of the object is mostly background

    def test_grey(self, photo, mask: np.ndarray) -> None:
        grey = photo(SIDE, SIDE)[..., :1].astype(np.float32)
        assert paste(grey, mask, grey * 0).shape == (SIDE, SIDE, 1)


class TestForegroundOnly:
    def test_black_outside_object_inside(self, photo, mask: np.ndarray) -> None:
        pixels = photo(SIDE, SIDE).astype(np.float32) + 1
        alone = foreground_only(pixels, mask)
        assert (alone[mask != FOREGROUND] == 0).all()
        deep = _distance_inside(mask) > 5
        np.testing.assert_allclose(alone[deep], pixels[deep], atol=0.5)

    def test_is_pasting_on_black(self, photo, mask: np.ndarray) -> None:
        pixels = photo(SIDE, SIDE).astype(np.float32)
        assert np.array_equal(foreground_only(pixels, mask), paste(pixels, mask, pixels * 0))


class TestHole:
    def test_covers_the_object_and_a_margin(self, mask: np.ndarray) -> None:
        holes = hole(mask)
        assert set(np.unique(holes)) == {0, 1}
        assert holes[mask == FOREGROUND].all()
        # 3 % of 96 pixels are 3: what lies 2 pixels off is in, what lies 5 off is not
        distance = -_distance_inside(mask)
        assert holes[distance <= 2].all()
        assert not holes[distance > 5].any()

    def test_one_pixel_becomes_a_disc_of_the_least_radius(self) -> None:
        mask = np.zeros((20, 20), np.uint8)
        mask[10, 10] = FOREGROUND
        holes = hole(mask)
        assert holes[10, 8:13].all()
        assert holes.sum() < 25


class TestInpaint:
    def test_nothing_changes_outside_the_hole(self, photo, mask: np.ndarray) -> None:
        pixels = photo(SIDE, SIDE).astype(np.float32)
        holes = hole(mask)
        filled = inpaint(pixels, holes)
        assert np.array_equal(filled[holes == 0], pixels[holes == 0])
        assert (filled[holes == 1] != pixels[holes == 1]).any()

    def test_fractions_are_rounded_and_no_more(self, photo, mask: np.ndarray) -> None:
        pixels = photo(SIDE, SIDE) * np.float32(0.97)
        holes = hole(mask)
        assert np.abs(inpaint(pixels, holes) - pixels)[holes == 0].max() <= 0.5

    @pytest.mark.parametrize("name", FILLS)
    def test_a_bright_object_leaves_no_trace(self, mask: np.ndarray, name: str) -> None:
        pixels = np.full((SIDE, SIDE, 3), 60, np.float32)
        pixels[mask != BACKGROUND] = 250  # the ring of void belongs to the object's fuzzy edge
        removed = background_only(pixels, mask, name)
        assert removed.shape == pixels.shape
        np.testing.assert_allclose(removed, 60, atol=6)  # Telea's gradients overshoot by a few levels

    @pytest.mark.parametrize("name", FILLS)
    def test_grey(self, mask: np.ndarray, name: str) -> None:
        pixels = np.full((SIDE, SIDE, 1), 60, np.float32)
        pixels[mask == FOREGROUND] = 250
        np.testing.assert_allclose(background_only(pixels, mask, name), 60, atol=6)

    def test_nothing_to_fill(self, photo, mask: np.ndarray) -> None:
        pixels = photo(SIDE, SIDE).astype(np.float32)
        assert np.array_equal(background_only(pixels, mask * 0), pixels)


def test_the_rim_of_a_trimap_is_filled_and_padding_is_not() -> None:
    """Void around the object may show it; void at the picture's border is padding."""
    mask = np.full((64, 64), BACKGROUND, np.uint8)
    mask[20:40, 20:40] = VOID
    mask[24:36, 24:36] = FOREGROUND
    mask[:4] = VOID
    filled = hole(mask)
    assert filled[20:40, 22:38].any(axis=1).all()
    assert filled[21, 30] == 1
    assert not filled[:10].any()
