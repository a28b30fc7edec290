"""Spoiled masks, on rectangles whose pixels can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.planted.benchmark.degraded_masks import MASKS, SHIFTED_BY, box_of, degraded

RNG = np.random.default_rng(0)


def rectangle(top, left, height, width, side=20):
    mask = np.zeros((side, side), np.uint8)
    mask[top : top + height, left : left + width] = 255
    return mask


def test_erosion_takes_two_pixels_all_around():
    assert np.array_equal(MASKS["eroded"](rectangle(4, 6, 9, 7), RNG), rectangle(6, 8, 5, 3))


def test_erosion_reaches_in_from_the_edge_of_the_photo():
    assert np.array_equal(MASKS["eroded"](rectangle(0, 0, 9, 9), RNG), rectangle(2, 2, 5, 5))


def test_of_a_narrow_object_erosion_leaves_the_innermost_pixels():
    assert np.array_equal(MASKS["eroded"](rectangle(5, 5, 3, 8), RNG), rectangle(6, 6, 1, 6))


def test_the_lowest_and_the_highest_part_are_counted_in_pixels():
    mask = rectangle(2, 3, 10, 5)  # 50 pixels: the lowest 35 % are 17, three rows and two pixels
    low = MASKS["lowest_missing"](mask, RNG)
    assert (low > 0).sum() == 33
    assert np.array_equal(low[2:8], mask[2:8])
    assert list(np.flatnonzero(low[8])) == [3, 4, 5]
    assert not low[9:].any()
    high = MASKS["highest_missing"](mask, RNG)  # a third of 50 is 16: three rows and one pixel
    assert (high > 0).sum() == 34
    assert not high[:5].any()
    assert list(np.flatnonzero(high[5])) == [4, 5, 6, 7]
    assert np.array_equal(high[6:], mask[6:])


def test_a_shift_moves_all_pixels_by_three_in_directions_that_differ():
    masks = np.stack([rectangle(8, 8, 4, 4)] * 30)
    moved = degraded(masks, "shifted", seed=0)
    corners = np.asarray([box_of(mask)[:2] for mask in moved]) - 8
    assert ((moved > 0).sum(axis=(1, 2)) == 16).all()
    assert np.abs(np.hypot(*corners.T) - SHIFTED_BY).max() < 0.75  # rounded to pixels
    assert len({tuple(corner) for corner in corners.tolist()}) > 5
    assert np.array_equal(moved, degraded(masks, "shifted", seed=0))


def test_what_is_shifted_out_of_the_photo_is_lost():
    assert 0 < (degraded(rectangle(0, 0, 20, 20)[None], "shifted", seed=0) > 0).sum() < 400


@pytest.mark.parametrize("way", ["complete", "boxes", "second_object", "estimated"])
def test_masks_that_are_not_spoiled_here_stay(way):
    mask = rectangle(3, 4, 5, 6)
    assert np.array_equal(degraded(mask[None], way, seed=0)[0], mask)


def test_a_box_ends_behind_the_last_pixel():
    assert box_of(rectangle(3, 4, 5, 6)) == (4, 3, 10, 8)
