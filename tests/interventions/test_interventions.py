"""Composites keep what they must keep: exactly the background outside, exactly the object inside, no rim between."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID
from bias_audit.interventions.edits import (
    BACKDROPS,
    FILLS,
    MOST_REGION,
    attended_region,
    background_only,
    elsewhere,
    foreground_only,
    hole,
    inpaint,
    lend,
    paste,
    tile,
    with_noise,
)

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


class TestTile:
    def test_the_largest_strip_is_repeated(self) -> None:
        """A hole in rows 2..3, columns 4..5 of 6 x 6: the strip of columns 0..3 is the largest and starts anew at 4."""
        pixels = np.arange(36, dtype=np.float32).reshape(6, 6, 1)
        holes = np.zeros((6, 6), np.uint8)
        holes[2:4, 4:6] = 1
        filled = tile(pixels, holes)
        expected = pixels.copy()
        expected[2:4, 4:6] = pixels[2:4, 0:2]
        assert np.array_equal(filled, expected)

    def test_nothing_beside_the_hole(self) -> None:
        """The hole's box is the picture: the mean of what lies outside the hole stands in."""
        pixels = np.array([[[10.0], [0.0]], [[0.0], [30.0]]], np.float32)
        filled = tile(pixels, np.array([[0, 1], [1, 0]], np.uint8))
        assert filled[..., 0].tolist() == [[10, 20], [20, 30]]
        assert np.isfinite(tile(pixels, np.ones((2, 2), np.uint8))).all()


@pytest.mark.parametrize("name", FILLS)
def test_no_fill_changes_what_lies_outside(photo, mask: np.ndarray, name: str) -> None:
    pixels = photo(SIDE, SIDE).astype(np.float32)
    holes = hole(mask)
    filled = FILLS[name](pixels, holes)
    assert filled.dtype == np.float32
    assert np.array_equal(filled[holes == 0], pixels[holes == 0])
    assert (filled[holes == 1] != pixels[holes == 1]).mean() > 0.5


@pytest.mark.parametrize("name", BACKDROPS)
def test_a_backdrop_shows_nothing_of_the_object(mask: np.ndarray, name: str) -> None:
    """Two objects, one scene: outside the pasted object both pictures are the same."""
    scene = np.full((SIDE, SIDE, 3), 90, np.float32)
    dark, bright = scene.copy(), scene.copy()
    dark[mask != BACKGROUND], bright[mask != BACKGROUND] = 0, 255
    first, second = foreground_only(dark, mask, name), foreground_only(bright, mask, name)
    np.testing.assert_allclose(first[mask != FOREGROUND], second[mask != FOREGROUND], atol=1e-3)
    assert abs(first[SIDE // 2, SIDE // 2] - second[SIDE // 2, SIDE // 2]).min() > 250


class TestNoise:
    def test_on_the_object_or_beside_it(self, mask: np.ndarray) -> None:
        pixels = np.full((SIDE, SIDE, 3), 127, np.float32)
        inside = mask == FOREGROUND
        for on_object in (True, False):
            noisy = with_noise(pixels, mask, np.random.default_rng(0), on_object=on_object)
            changed = (noisy != pixels).any(axis=2)
            assert changed[inside == on_object].mean() > 0.99
            assert not changed[inside != on_object].any()
            assert 0 <= noisy.min() < noisy.max() <= 255
            assert noisy[changed].std() == pytest.approx(0.25 * 255, rel=0.1)


class TestAttendedRegion:
    def heat(self, **cells: float) -> np.ndarray:
        grid = np.zeros((8, 8), np.float32)
        for place, value in cells.items():
            grid[int(place[1]), int(place[2])] = value
        return grid

    def test_the_hottest_piece_of_background_and_nothing_of_the_object(self, mask: np.ndarray) -> None:
        # Cells of 12 pixels: (4, 4) lies in the disc, (0, 0) and (7, 7) in corners.
        region = attended_region(self.heat(c44=9, c00=2, c77=3), mask)
        assert region is not None
        assert region[90, 90] == 1
        assert not region[:48].any()
        assert not (region & hole(mask)).any()

    def test_half_of_the_maximum_bounds_it(self) -> None:
        empty = np.zeros((96, 96), np.uint8)
        region = attended_region(self.heat(c33=4), empty)
        # Half-pixel bilinear: the value falls linearly over one cell of 12 pixels, half of it at 6 pixels' distance.
        rows = np.flatnonzero(region.any(axis=1))
        assert (rows[0], rows[-1]) == (36, 47)

    def test_a_flat_map_gives_no_more_than_the_bound(self, photo) -> None:
        noise = photo(8, 8)[..., 0].astype(np.float32) + 500
        region = attended_region(noise, np.zeros((96, 96), np.uint8))
        assert 0 < region.mean() <= MOST_REGION

    @pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
    def test_no_positive_evidence(self, value: float) -> None:
        assert attended_region(np.full((8, 8), value, np.float32), np.zeros((96, 96), np.uint8)) is None

    def test_only_the_object_is_attended(self, mask: np.ndarray) -> None:
        assert attended_region(self.heat(c44=9), mask) is None


class TestElsewhere:
    def test_same_shape_off_what_it_must_avoid(self) -> None:
        region, avoid = np.zeros((40, 50), np.uint8), np.zeros((40, 50), np.uint8)
        region[5:12, 5:11] = 1
        region[5, 5] = 0
        avoid[:, 20:35] = 1
        places = set()
        for seed in range(20):
            moved = elsewhere(region, avoid, np.random.default_rng(seed))
            assert moved.sum() == region.sum()
            assert not (moved & (avoid | region)).any()
            y, x = np.argwhere(moved).min(axis=0)
            assert np.array_equal(moved[y : y + 7, x : x + 6], region[5:12, 5:11])
            places.add((y, x))
        assert len(places) > 10

    def test_no_room(self) -> None:
        region = np.zeros((20, 20), np.uint8)
        region[2:18, 2:18] = 1
        assert elsewhere(region, region * 0, np.random.default_rng(0)) is None
        assert elsewhere(region * 0, region, np.random.default_rng(0)) is None

    def test_a_little_overlap_is_cut_off(self) -> None:
        region = np.zeros((10, 40), np.uint8)
        region[:, 0:20] = 1
        avoid = np.zeros((10, 40), np.uint8)
        avoid[4, 25] = 1
        moved = elsewhere(region, avoid, np.random.default_rng(0))
        assert moved.sum() == 199
        assert not (moved & avoid).any()


def test_lent_background_lies_behind_the_object(photo, mask: np.ndarray) -> None:
    host, lender = np.full((SIDE, SIDE, 3), 50, np.float32), np.full((SIDE, SIDE, 3), 200, np.float32)
    region = np.zeros((SIDE, SIDE), np.uint8)
    region[:, :48] = 1
    lent = lend(host, mask, lender, region)
    assert (lent[mask == FOREGROUND] == 50).all()
    assert (lent[:, 48:] == 50).all()
    assert (lent[5:90, 5:15] == 200).all()
    assert lent.min() >= 50
    assert lent.max() <= 200
