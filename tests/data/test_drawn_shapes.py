"""Masks of polygons, boxes and run lengths: equal to the COCO API pixel by pixel, and bounded in what they cost."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pycocotools import mask as coco_api

from bias_audit.data.dataset import Part
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID, boxes_to_mask
from bias_audit.data.shapes import (
    MOST_RUNS,
    DrawnMask,
    Polygon,
    Rectangle,
    RunLengths,
    Shapes,
    TooManyRuns,
    polygon_runs,
    polygons_to_mask,
)
from bias_audit.run.statuses import MASK_TOO_LARGE, OK, WRONG_SIZE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))
SOMEWHERE = st.one_of(
    st.floats(-60, 100, allow_nan=False),
    st.integers(-60, 100).map(float),
    st.integers(-300, 500).map(lambda fifth: fifth / 5),  # on the corners' own grid, where roundings meet
    st.integers(-600, 1000).map(lambda tenth: tenth / 10),  # half way between two of it
)
POLYGONS = st.lists(st.tuples(SOMEWHERE, SOMEWHERE), min_size=3, max_size=12)


def api_mask(polygons: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """(H, W) of 0 and 1, as the COCO API draws polygons."""
    return coco_api.decode(coco_api.merge(coco_api.frPyObjects(polygons, *size)))


class TestPolygons:
    @given(POLYGONS, SIZES)
    @example([(0, 0), (4, 0), (4, 4)], (4, 4))
    @example([(1, 1), (1, 1), (1, 1)], (3, 3))
    @example([(-1e6, -1e6), (1e6, 3), (7, 1e6)], (40, 40))
    def test_one_is_that_of_the_api(self, points: list[tuple[float, float]], size: tuple[int, int]) -> None:
        flat = [value for point in points for value in point]
        assert np.array_equal(polygons_to_mask([flat], size), api_mask([flat], size))

    @given(st.lists(POLYGONS, min_size=2, max_size=4), SIZES)
    def test_several_are_their_union(self, polygons: list[list[tuple[float, float]]], size: tuple[int, int]) -> None:
        flat = [[value for point in points for value in point] for points in polygons]
        assert np.array_equal(polygons_to_mask(flat, size), api_mask(flat, size))

    def test_a_large_one_with_many_corners(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(20):
            angles = np.sort(rng.uniform(0, 2 * math.pi, 400))
            radius = rng.uniform(50, 400, 400)
            flat = np.stack([500 + radius * np.cos(angles), 400 + radius * np.sin(angles)], 1).round(2).ravel().tolist()
            assert np.array_equal(polygons_to_mask([flat], (800, 1000)), api_mask([flat], (800, 1000)))

    def test_by_hand(self) -> None:
        """A rectangle from the edges 1 and 4 to the edges 2 and 3 covers the pixels in between."""
        expected = np.zeros((5, 6), np.uint8)
        expected[2:3, 1:4] = 1
        assert np.array_equal(polygons_to_mask([[(1, 2), (4, 2), (4, 3), (1, 3)]], (5, 6)), expected)

    @pytest.mark.parametrize(
        ("coordinates", "says"),
        [
            ([1, 2, 3, 4, 5, 6, 7], "odd number of coordinates (7)"),
            ([1, 2, 3, 4], "2 points, and needs 3"),
            ([], "0 points"),
            ([1, 2, 3, 4, 5, math.nan], "not finite"),
            ([1, 2, 3, 4, 5, math.inf], "not finite"),
            ([1, 2, 3, 4, 5, 2e6], "beyond 1,000,000 pixels"),
            ([1, 2, 3, 4, 5, 10**400], "no number"),
            ([1, 2, 3, 4, 5, "6"], "no number"),
            ([1, 2, 3, 4, 5, None], "no number"),
            ([[1, 2]] * 6, "no number"),
            ("123456", "no number"),
        ],
    )
    def test_what_is_none(self, coordinates: list[float], says: str) -> None:
        with pytest.raises(ValueError, match=says.replace("(", r"\(").replace(")", r"\)")):
            Polygon.of(coordinates)

    def test_a_zigzag_over_a_wide_picture_is_not_drawn(self) -> None:
        corners = np.array([(0, 0), (1e6, 0)] * 10, float)
        with pytest.raises(TooManyRuns):
            polygon_runs(corners, (1, 1_000_000))
        assert len(polygon_runs(corners, (1, 1_000))) == 20 * 1_000


def lengths(mask: np.ndarray) -> RunLengths:
    """Run lengths of a mask (H, W), made with a plain loop."""
    counts, inside = [0], 0
    for value in mask.T.reshape(-1).tolist():
        if value != inside:
            counts, inside = [*counts, 0], value
        counts[-1] += 1
    return RunLengths(mask.shape, np.array(counts, np.uint32).tobytes())


class TestDrawnMask:
    def test_foreground_lies_above_void(self) -> None:
        thing = Rectangle((1, 1, 3, 3))
        other = Rectangle((2, 0, 4, 4))
        mask, status = DrawnMask(Shapes([thing]), Shapes([other, thing])).draw((4, 5))
        expected = np.array([[0, 0, 2, 2, 0], [0, 1, 1, 2, 0], [0, 1, 1, 2, 0], [0, 0, 2, 2, 0]])
        assert status == OK
        assert np.array_equal(mask, expected)
        assert {BACKGROUND, FOREGROUND, VOID} == {0, 1, 2}

    @given(st.tuples(*[SOMEWHERE] * 4), SIZES)
    def test_a_box_covers_the_pixels_that_boxes_of_tables_do(self, box: tuple[float, ...], size) -> None:
        mask, _ = DrawnMask(Shapes([Rectangle(box)]), Shapes([])).draw(size)
        assert np.array_equal(mask, boxes_to_mask((box,), size))

    @given(st.integers(0, 2**32 - 1), SIZES)
    def test_run_lengths_are_the_mask(self, seed: int, size: tuple[int, int]) -> None:
        expected = np.random.default_rng(seed).integers(0, 2, size, np.uint8)
        mask, _ = DrawnMask(Shapes([lengths(expected)]), Shapes([])).draw(size)
        assert np.array_equal(mask, expected)

    @given(st.integers(0, 2**32 - 1), SIZES)
    def test_the_box_of_run_lengths(self, seed: int, size: tuple[int, int]) -> None:
        rng = np.random.default_rng(seed)
        mask = rng.random(size) < rng.choice([0, 0.02, 0.2])
        rows, columns = np.nonzero(mask)
        around = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if mask.any() else None
        assert lengths(mask).box == around

    def test_a_part_is_cut_out_of_the_whole(self) -> None:
        rng = np.random.default_rng(0)
        shapes = [Polygon.of(rng.uniform(0, 30, 8).tolist()) for _ in range(5)]
        whole, _ = DrawnMask(Shapes(shapes[:1]), Shapes(shapes), (20, 30)).draw((20, 30))
        window = Part(4, 3, 15, 12, (20, 30))
        part, status = DrawnMask(Shapes(shapes[:1]), Shapes(shapes), part=window).draw((12, 15))
        assert status == OK
        assert np.array_equal(part, whole[3:15, 4:19])

    def test_a_picture_of_another_size(self) -> None:
        drawn = DrawnMask(Shapes([Rectangle((0, 0, 4, 4))]), Shapes([]), (8, 8))
        mask, status = drawn.draw((16, 16))
        assert status == OK
        assert np.array_equal(mask, boxes_to_mask(((0, 0, 8, 8),), (16, 16)))
        assert drawn.draw((16, 20)) == (None, WRONG_SIZE)
        assert DrawnMask(Shapes([lengths(np.ones((4, 4)))]), Shapes([])).draw((4, 5)) == (None, WRONG_SIZE)

    def test_kind(self) -> None:
        box, polygon = Rectangle((0, 0, 4, 4)), Polygon.of([0, 0, 4, 0, 4, 4])
        assert DrawnMask(Shapes([box]), Shapes([polygon])).kind == "box"
        assert DrawnMask(Shapes([box, polygon]), Shapes([])).kind == "mask"
        assert DrawnMask(Shapes([]), Shapes([])).kind == "mask"

    def test_equal_shapes_are_equal_and_nothing_else_is(self) -> None:
        box, polygon = Rectangle((0, 0, 4, 4)), Polygon.of([0, 0, 4, 0, 4, 4])
        masks = [
            DrawnMask(Shapes(foreground), Shapes(void), size, part)
            for foreground, void, size, part in (
                ([box], [], None, None),
                ([], [box], None, None),
                ([polygon], [], None, None),
                ([box, box], [], None, None),
                ([box], [], (9, 9), None),
                ([box], [], None, Part(0, 0, 2, 2, (9, 9))),
                ([lengths(np.ones((2, 8)))], [], None, None),
                ([lengths(np.ones((4, 4)))], [], None, None),
            )
        ]
        assert len({mask.content for mask in masks}) == len(set(masks)) == len(masks)
        again = DrawnMask(Shapes([Rectangle((0, 0, 4, 4))]), Shapes([]))
        assert (again, hash(again), again.content) == (masks[0], hash(masks[0]), masks[0].content)

    def test_shapes_that_cover_a_picture_too_often_are_not_drawn(self) -> None:
        everything = Rectangle((0, 0, 1000, 1000))
        assert DrawnMask(Shapes([everything] * 500), Shapes([])).draw((1000, 1000))[1] == OK
        assert DrawnMask(Shapes([everything] * 1001), Shapes([])).draw((1000, 1000)) == (None, MASK_TOO_LARGE)

    def test_shapes_of_too_many_runs_are_not_drawn(self) -> None:
        dense = RunLengths((1000, 1000), np.ones(1_000_000, np.uint32).tobytes())
        half = [dense] * (MOST_RUNS // 1_000_000)
        assert DrawnMask(Shapes(half), Shapes([dense])).draw((1000, 1000)) == (None, MASK_TOO_LARGE)


def test_the_api_draws_what_json_carries() -> None:
    """Numbers go through JSON in both: a polygon of two decimals is the same for both."""
    flat = json.loads("[10.1, 7.3, 31.77, 9.5, 22.31, 38.96]")
    assert np.array_equal(polygons_to_mask([flat], (40, 40)), api_mask([flat], (40, 40)))
