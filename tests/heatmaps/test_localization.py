"""Attention scores worked by hand, and against upsampling by TensorFlow and counting pixels."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID
from bias_audit.heatmaps import localization
from bias_audit.heatmaps.localization import METRICS, attention_status, localize
from bias_audit.run import statuses

B, F, V = BACKGROUND, FOREGROUND, VOID


def _scores(heat: list | np.ndarray, mask: list | np.ndarray) -> dict[str, float]:
    """Scores of one map and one mask."""
    at = localize(np.asarray(heat, np.float32)[None], np.asarray(mask, np.uint8)[None])
    return {name: float(metric(at)[0]) for name, metric in METRICS.items()}


def _status(heat: list | np.ndarray, mask: list | np.ndarray) -> str:
    return attention_status(localize(np.asarray(heat, np.float32)[None], np.asarray(mask, np.uint8)[None]))[0]


class TestByHand:
    def test_same_size(self) -> None:
        # No upsampling. Positive evidence 3 + 1 on the object (left column), 2 beside it, -2 against:
        #   S = 2 / 6, lift = (1/3) / (1/2), negative share = 2 / 8.
        # The two strongest of four pixels are 3 (object) and 2 (not): rank accuracy 1/2; the strongest is a hit.
        # Half of the maximum or more have 3 and 2: one of the three pixels that are hot or object is both.
        # A perfect map of this mask lies on it alone: S_ref = 0, X = (1/3 - 0) / (1/2 - 0).
        scores = _scores([[3, 2], [1, -2]], [[F, B], [F, B]])
        assert scores == pytest.approx(
            {
                "background_share": 1 / 3,
                "background_share_low": 1 / 3,
                "background_share_high": 1 / 3,
                "background_share_perfect": 0,
                "background_excess": 2 / 3,
                "background_lift": 2 / 3,
                "relevance_mass_accuracy": 2 / 3,
                "relevance_rank_accuracy": 1 / 2,
                "pointing_game": 1,
                "iou_half_maximum": 1 / 3,
                "negative_share": 2 / 8,
                "padding_share": 0,
            }
        )

    def test_upsampled_in_one_dimension(self) -> None:
        # A map (1, 0) of two cells over four pixels becomes 1, .75, .25, 0 (centres at -.25, .25, .75, 1.25).
        # The object is the first pixel: on it 1 of 2, so S = 1/2; area 1/4, so lift = (1/2) / (3/4) = 2/3.
        # The perfect map is (1/2, 0), half of the above, so it has the same share: S_ref = 1/2 and X = 0.
        scores = _scores([[1, 0]], [[F, B, B, B]])
        assert scores["background_share"] == pytest.approx(1 / 2)
        assert scores["background_lift"] == pytest.approx(2 / 3)
        assert scores["background_share_perfect"] == pytest.approx(1 / 2)
        assert scores["background_excess"] == pytest.approx(0)
        assert scores["relevance_rank_accuracy"] == 1
        # The mirrored map has 0, .25, .75, 1: nothing on the object, S = 1 and X = (1 - .5) / (.75 - .5) = 2.
        scores = _scores([[0, 1]], [[F, B, B, B]])
        assert scores["background_share"] == pytest.approx(1)
        assert scores["background_excess"] == pytest.approx(2)
        assert scores["relevance_rank_accuracy"] == 0

    def test_void_counts_on_neither_side(self) -> None:
        # Upsampled as above: 1, .75, .25, 0. Void takes .75 away: S = .25 / (1 + .25), area 1/3, padding .75 / 2.
        scores = _scores([[1, 0]], [[F, V, B, B]])
        assert scores["background_share"] == pytest.approx(0.2)
        assert scores["background_lift"] == pytest.approx(0.2 / (2 / 3))
        assert scores["padding_share"] == pytest.approx(0.375)
        # The void pixel lies within the picture: as object S = .25 / 2, as background S = (.25 + .75) / 2.
        assert scores["background_share_low"] == pytest.approx(0.125)
        assert scores["background_share_high"] == pytest.approx(0.5)
        assert scores["relevance_rank_accuracy"] == 1  # the strongest of the three valid pixels

    def test_padding_is_in_no_doubt(self) -> None:
        # A frame of void is letterboxing: S = 8 / 10 whatever it hides. The void pixel in the picture holds 5 of 10.
        heat = [[9, 9, 9, 9], [9, 2, 3, 9], [9, 0, 5, 9], [9, 9, 9, 9]]
        mask = [[V, V, V, V], [V, F, B, V], [V, F, B, V], [V, V, V, V]]
        for name in ("background_share", "background_share_low", "background_share_high"):
            assert _scores(heat, mask)[name] == pytest.approx(8 / 10)
        mask[2][2] = V
        scores = _scores(heat, mask)
        assert scores["background_share"] == pytest.approx(3 / 5)
        assert scores["background_share_low"] == pytest.approx(3 / 10)
        assert scores["background_share_high"] == pytest.approx(8 / 10)

    def test_overlap_with_the_map_above_half_its_maximum(self) -> None:
        mask = [[F, F, B, B]]
        assert _scores([[4, 2, 1.9, 0]], mask)["iou_half_maximum"] == 1
        assert _scores([[4, 1.9, 2, 0]], mask)["iou_half_maximum"] == pytest.approx(1 / 3)
        assert _scores([[0, 1.9, 2, 4]], mask)["iou_half_maximum"] == 0
        assert _scores([[4, 0, 9, 0]], [[F, F, V, B]])["iou_half_maximum"] == pytest.approx(1 / 2)  # void: no maximum
        # upsampled as above: 1, .75, .25, 0; two of four pixels are hot
        assert _scores([[1, 0]], [[F, B, B, B]])["iou_half_maximum"] == pytest.approx(1 / 2)

    def test_pointing_game_reaches_one_cell(self) -> None:
        # Four cells over eight pixels. Pixel 3 lies at (3 + .5) / 2 - .5 = 1.25 cells: between cells 1 and 2.
        mask = [[B, B, B, F, B, B, B, B]]
        assert _scores([[5, 1, 0, 0]], mask)["pointing_game"] == 0
        assert _scores([[0, 5, 1, 0]], mask)["pointing_game"] == 1
        assert _scores([[0, 1, 5, 0]], mask)["pointing_game"] == 1
        assert _scores([[0, 1, 0, 5]], mask)["pointing_game"] == 0

    def test_pointing_game_ties_and_empty_maps(self) -> None:
        mask = [[F, B, B, B]]
        assert np.isnan(_scores([[2, 0, 2, 0]], mask)["pointing_game"])
        assert np.isnan(_scores([[0, 0, 0, 0]], mask)["pointing_game"])
        assert np.isnan(_scores([[-1, -2, -1, -3]], mask)["pointing_game"])  # all evidence negative
        assert _scores([[2, 0, 1, 1]], mask)["pointing_game"] == 1  # a tie below the top is none

    def test_pointing_game_does_not_point_at_padding(self) -> None:
        # The strongest cell lies on padding only; among the valid ones the strongest is on the object.
        assert _scores([[9, 0, 5, 1]], [[V, B, F, B]])["pointing_game"] == 1
        assert _scores([[9, 0, 5, 7]], [[V, B, F, B]])["pointing_game"] == 0

    def test_rank_accuracy_shares_a_tie_at_the_last_place(self) -> None:
        # K = 2: one place is 5 (object), the other goes to one of three 1s of which one is object: (1 + 1/3) / 2
        assert _scores([[5, 1, 1, 1, 0]], [[F, F, B, B, B]])["relevance_rank_accuracy"] == pytest.approx(2 / 3)
        # uniform: the object's share of the picture
        assert _scores([[1, 1, 1, 1]], [[F, B, B, B]])["relevance_rank_accuracy"] == pytest.approx(1 / 4)


class TestBruteForce:
    """The adjoint of the upsampling against the upsampling itself."""

    shapes = (((7, 7), (224, 224)), ((5, 8), (40, 60)), ((12, 9), (37, 91)), ((8, 8), (8, 8)), ((9, 9), (6, 5)))

    @pytest.fixture(params=shapes, ids=str)
    def case(self, request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
        (h, w), (height, width) = request.param
        rng = np.random.default_rng(h * width)
        maps = rng.normal(0.2, 1, (6, h, w)).astype(np.float32)
        masks = np.full((6, height, width), B, np.uint8)
        for mask in masks:
            top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
            mask[top : top + height // 2, left : left + width // 3] = F
            mask[height - rng.integers(0, 3) :] = V
        return maps, masks

    @pytest.mark.heavy
    def test_shares(self, case: tuple[np.ndarray, np.ndarray]) -> None:
        import tensorflow as tf

        maps, masks = case
        size = masks.shape[1:]

        def upsampled(values: np.ndarray) -> np.ndarray:
            return tf.image.resize(values[..., None].astype(np.float32), size, method="bilinear").numpy()[..., 0]

        at = localize(maps, masks)
        positive, negative = upsampled(np.maximum(maps, 0)), upsampled(np.maximum(-maps, 0))
        averaged = tf.image.resize((masks == F)[..., None].astype(np.float32), maps.shape[1:], method="area")
        perfect = upsampled(averaged.numpy()[..., 0])
        for i, mask in enumerate(masks):
            on, off, void = (positive[i][mask == kind].astype(np.float64).sum() for kind in (F, B, V))
            share = off / (on + off)
            area = (mask == F).sum() / (mask != V).sum()
            ideal_on, ideal_off = (perfect[i][mask == kind].astype(np.float64).sum() for kind in (F, B))
            reference = ideal_off / (ideal_on + ideal_off)
            scale = 1 - area - reference
            against = negative[i].astype(np.float64).sum()
            expected = {
                "background_share": share,
                "background_share_perfect": reference,
                "background_excess": (share - reference) / scale if scale >= localization.MIN_RANGE else np.nan,
                "background_lift": share / (1 - area),
                "relevance_mass_accuracy": on / (on + off),
                "negative_share": against / (against + on + off + void),
                "padding_share": void / (on + off + void),
                "background_share_low": share,  # the void rows at the bottom are padding
                "background_share_high": share,
            }
            for name, value in expected.items():
                assert METRICS[name](at)[i] == pytest.approx(value, rel=1e-5, abs=2e-6, nan_ok=True), name

    @pytest.mark.heavy
    def test_overlap_by_counting_pixels(self, case: tuple[np.ndarray, np.ndarray]) -> None:
        import tensorflow as tf

        maps, masks = case
        heat = tf.image.resize(np.maximum(maps, 0)[..., None], masks.shape[1:], method="bilinear").numpy()[..., 0]
        actual = METRICS["iou_half_maximum"](localize(maps, masks))
        for i, mask in enumerate(masks):
            peak = heat[i][mask != V].max()
            # Pixels within rounding of half the maximum may fall on either side.
            some = []
            for bound in (0.5 - 1e-5, 0.5 + 1e-5):
                hot = {(y, x) for y, x in np.argwhere(heat[i] >= bound * peak) if mask[y, x] != V}
                thing = set(map(tuple, np.argwhere(mask == F)))
                some.append(len(hot & thing) / len(hot | thing))
            assert min(some) - 1e-9 <= actual[i] <= max(some) + 1e-9

    @pytest.mark.heavy
    def test_rank_accuracy_by_sorting(self, case: tuple[np.ndarray, np.ndarray]) -> None:
        import tensorflow as tf

        maps, masks = case
        heat = tf.image.resize(np.maximum(maps, 0)[..., None], masks.shape[1:], method="bilinear").numpy()[..., 0]
        actual = METRICS["relevance_rank_accuracy"](localize(maps, masks))
        for i, mask in enumerate(masks):
            values, inside = heat[i][mask != V], mask[mask != V] == F
            k = int(inside.sum())
            # Ties (the plateau of zeros, clamped borders) lie anywhere in the order: compare with both extremes.
            least = inside[np.lexsort((inside, -values.round(5)))][:k].sum() / k
            most = inside[np.lexsort((~inside, -values.round(5)))][:k].sum() / k
            assert least - 1e-9 <= actual[i] <= most + 1e-9


class TestOtherMasks:
    def test_dilated_by_half_a_cell(self) -> None:
        # Cells of 4 x 2 pixels: two rows and one column to each side; void stays void.
        mask = np.full((1, 12, 12), B, np.uint8)
        mask[0, 5, 6] = F
        mask[0, 4, 6] = V
        wide = localization.dilated(mask, (3, 6))
        assert np.argwhere(wide[0] == F).min(axis=0).tolist() == [3, 5]
        assert np.argwhere(wide[0] == F).max(axis=0).tolist() == [7, 7]
        assert (wide == F).sum() == 5 * 3 - 1
        assert wide[0, 4, 6] == V
        assert np.array_equal(localization.dilated(mask, (12, 12)), mask), "half a cell of one pixel is none"

    def test_bounding_box(self) -> None:
        mask = np.array([[[B, B, B, B], [B, F, B, B], [B, V, B, F], [B, B, B, B]]], np.uint8)
        assert localization.boxed(mask)[0].tolist() == [[B, B, B, B], [B, F, F, F], [B, V, F, F], [B, B, B, B]]
        nothing = np.full((1, 4, 4), B, np.uint8)
        assert np.array_equal(localization.boxed(nothing), nothing)

    def test_excess_under_other_masks_is_that_of_those_masks(self) -> None:
        rng = np.random.default_rng(8)
        maps = rng.normal(0, 1, (5, 6, 6)).astype(np.float32)
        masks = np.full((5, 30, 30), B, np.uint8)
        for mask in masks:
            top, left = rng.integers(2, 14, 2)
            mask[top : top + 12, left + 2] = mask[top + 4, left : left + 10] = F
            mask[top + 5 : top + 9, left + 3] = V
        at = localize(maps, masks)
        for name, other in (("dilated", localization.dilated(masks, (6, 6))), ("box", localization.boxed(masks))):
            expected = METRICS["background_excess"](localize(maps, other))
            actual = localization.LABEL_METRICS[f"background_excess_{name}"](at)
            assert np.isfinite(actual).sum() >= 3
            np.testing.assert_array_equal(actual, expected)
            assert not np.array_equal(actual, METRICS["background_excess"](at), equal_nan=True)

    def test_other_maps_under_the_same_masks(self) -> None:
        rng = np.random.default_rng(9)
        maps, others = rng.normal(0, 1, (2, 3, 4, 5)).astype(np.float32)
        masks = rng.integers(0, 3, (3, 16, 15)).astype(np.uint8)
        at, expected = localization.with_maps(localize(maps, masks), others), localize(others, masks)
        for name, metric in METRICS.items():
            np.testing.assert_array_equal(metric(at), metric(expected), err_msg=name)


class TestStatus:
    def test_every_reason(self) -> None:
        heat = np.ones((8, 8), np.float32)
        heat[2, 3] = 4
        mask = np.zeros((32, 32), np.uint8)
        mask[8:24, 8:24] = F
        small, large = np.zeros((32, 32), np.uint8), np.full((32, 32), F, np.uint8)
        small[3:5, 3:5] = F
        large[0] = B
        assert _status(heat, mask) == statuses.OK
        assert _status(heat * 0, mask) == statuses.EMPTY_MAP
        assert _status(-heat, mask) == statuses.EMPTY_MAP
        assert _status(heat * np.nan, mask) == statuses.NOT_FINITE
        assert _status(heat, mask * 0) == statuses.NO_FOREGROUND
        assert _status(heat, mask * 0 + F) == statuses.NO_BACKGROUND
        assert _status(heat, small) == statuses.TOO_SMALL_FOR_GRID
        assert _status(heat, large) == statuses.FILLS_FRAME

    def test_no_number_without_the_status_ok(self) -> None:
        rng = np.random.default_rng(4)
        maps = rng.normal(size=(40, 6, 6)).astype(np.float32)
        maps[0], maps[1, 2, 2], maps[2, 0, 0] = 0, np.nan, np.inf
        masks = np.zeros((40, 24, 24), np.uint8)
        for mask in masks:
            top, left, height, width = rng.integers(0, 25, 4)
            mask[top : top + height, left : left + width] = F
        at = localize(maps, masks)
        excess = METRICS["background_excess"](at)
        assert [np.isfinite(value) for value in excess] == [status == "ok" for status in attention_status(at)]
        assert 5 < np.isfinite(excess).sum() < 37  # both kinds are there, or this test shows nothing

    def test_a_broken_map_costs_its_own_scores_only(self) -> None:
        rng = np.random.default_rng(6)
        maps = rng.uniform(0, 1, (3, 5, 5)).astype(np.float32)
        masks = np.zeros((3, 20, 20), np.uint8)
        masks[:, 5:15, 5:15] = F
        broken = maps.copy()
        broken[1, 0, 0] = np.nan
        for name, metric in METRICS.items():
            before, after = metric(localize(maps, masks)), metric(localize(broken, masks))
            assert after[[0, 2]].tolist() == before[[0, 2]].tolist(), name

    def test_evidence_on_padding_alone_is_no_evidence(self) -> None:
        # All heat lies on the letterbox: no share may be made of what rounding leaves on the picture.
        heat = np.zeros((7, 7), np.float32)
        heat[0] = 1000 / 3
        mask = np.full((224, 224), B, np.uint8)
        mask[:70] = V
        mask[120:160, 50:170] = F
        assert _status(heat, mask) == statuses.EMPTY_MAP
        scores = _scores(heat, mask)
        assert scores["padding_share"] == pytest.approx(1)
        for name in ("background_share", "background_excess", "relevance_mass_accuracy", "relevance_rank_accuracy"):
            assert np.isnan(scores[name]), name
