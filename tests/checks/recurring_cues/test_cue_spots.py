"""Spots of heatmaps and what is pooled there, against values worked out by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bias_audit.checks.recurring_cues.spots import LEAST_PEAK, MOST_SPOTS, find_spots, pool, spot_reach

ONES = np.ones((1, 7, 7), np.float32)


def test_two_peaks_strongest_first_and_weak_ones_left_out():
    heat = np.zeros((1, 7, 7), np.float32)
    heat[0, 1, 1], heat[0, 1, 2], heat[0, 5, 5], heat[0, 1, 6] = 4.0, 1.0, 6.0, 1.0
    heat[0, 3, 3] = -9.0
    spots = find_spots(heat, ONES)
    assert list(zip(spots.row, spots.column, strict=True)) == [(5, 5), (1, 1)]  # 1.0 < .3 * 6.0
    np.testing.assert_allclose(spots.share, [6 / 12, 5 / 12])
    assert spots.window(1) == (slice(0, 3), slice(0, 3))


def test_what_is_not_allowed_makes_no_spot_and_bad_maps_have_none():
    heat = np.zeros((4, 7, 7), np.float32)
    heat[0, 5, 5], heat[0, 1, 1] = 6.0, 1.0
    heat[1, 2, 2] = np.nan
    heat[2] = -1.0
    heat[3, 0, 0] = 1.0
    allowed = np.ones((4, 7, 7), np.float32)
    allowed[0, 4:, 4:] = 0
    spots = find_spots(heat, allowed)
    assert list(spots.image) == [0, 3]
    assert (spots.row[0], spots.column[0]) == (1, 1)
    np.testing.assert_allclose(spots.share[0], 1 / 7)  # of the whole map, the object's part included


def test_no_spots_at_all():
    spots = find_spots(np.zeros((3, 7, 7), np.float32), np.ones((3, 7, 7), np.float32))
    assert len(spots.image) == len(spots.share) == 0
    assert pool(spots, np.zeros((3, 7, 7)), np.ones((3, 7, 7)), np.zeros((3, 7, 7, 2), np.float32)).shape == (0, 2)


def test_pooled_by_the_evidence_of_the_spot():
    heat = np.zeros((1, 7, 7), np.float32)
    heat[0, 3, 3], heat[0, 3, 4], heat[0, 2, 2] = 3.0, 1.0, -5.0
    values = np.zeros((1, 7, 7, 2), np.float32)
    values[0, 3, 3], values[0, 3, 4], values[0, 2, 2] = (1, 0), (0, 2), (100, 100)
    spots = find_spots(heat, ONES)
    np.testing.assert_allclose(pool(spots, heat, ONES, values), [[0.75, 0.5]])


def test_reach_follows_the_grid():
    assert [spot_reach((side, side)) for side in (2, 7, 14, 28, 56)] == [1, 1, 1, 3, 6]


@given(npst.arrays(np.float32, (2, 8, 9), elements=st.floats(-2, 2, width=32)))
def test_laws(heat):
    allowed = np.ones_like(heat)
    spots = find_spots(heat, allowed)
    for image in range(2):
        own = np.flatnonzero(spots.image == image)
        assert len(own) <= MOST_SPOTS
        assert (len(own) == 0) == (heat[image].max() <= 0)
        peaks = heat[image][spots.row[own], spots.column[own]]
        assert (np.diff(peaks) <= 0).all()
        assert (peaks >= LEAST_PEAK * peaks.max(initial=0)).all()
        assert spots.share[own].sum() <= 1 + 1e-9
        for i in own:
            for j in own[own > i]:
                distance = max(abs(spots.row[i] - spots.row[j]), abs(spots.column[i] - spots.column[j]))
                assert distance > spots.reach
