"""What must hold for every attention score: a metric is under test from the moment it stands in a registry."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID
from bias_audit.heatmaps.localization import LABEL_METRICS, METRICS, attention_status, localize

EVERY = {**LABEL_METRICS, **METRICS}

every_metric = settings(max_examples=2 * settings().max_examples)
"""All metrics are asked of each case, which takes longer to draw than to score: so twice as many cases are drawn."""


@st.composite
def cases(draw: st.DrawFn, void: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Maps (N, h, w) of small integers, so that ties occur, and masks (N, H, W), both of any shape."""
    n, h, w = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(2, 5))
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    maps = draw(npst.arrays(np.float32, (n, h, w), elements=st.integers(-4, 9).map(float)))
    kinds = st.sampled_from((BACKGROUND, FOREGROUND, VOID) if void else (BACKGROUND, FOREGROUND))
    coarse = draw(npst.arrays(np.uint8, (n, min(3, height), min(3, width)), elements=kinds))
    rows = np.arange(height) * coarse.shape[1] // height
    columns = np.arange(width) * coarse.shape[2] // width
    return maps, coarse[:, rows][:, :, columns]


def _score(name: str, maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    return EVERY[name](localize(maps, masks))


def _scores(maps: np.ndarray, masks: np.ndarray, names: Iterable[str] = EVERY) -> dict[str, np.ndarray]:
    """Of every metric, or of these."""
    at = localize(maps, masks)
    return {name: EVERY[name](at) for name in names}


def _same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], rtol=1e-4, atol=1e-5, err_msg=name)


@every_metric
@given(case=cases(), factor=st.sampled_from((2.0**-20, 0.125, 3.0, 1e-6, 0.1, 7e8)))
def test_scaling_a_map_changes_nothing(case: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    maps, masks = case
    _same(_scores(maps, masks), _scores((maps * np.float64(factor)).astype(np.float32), masks))


@every_metric
@given(case=cases(), data=st.data())
def test_images_do_not_see_each_other(case: tuple[np.ndarray, np.ndarray], data: st.DataObject) -> None:
    maps, masks = case
    order = data.draw(st.permutations(range(len(maps))))
    together = _scores(maps, masks)
    _same({name: values[order] for name, values in together.items()}, _scores(maps[order], masks[order]))
    alone = [_scores(maps[i : i + 1], masks[i : i + 1]) for i in range(len(maps))]
    _same(together, {name: np.concatenate([one[name] for one in alone]) for name in EVERY})


@every_metric
@given(case=cases())
def test_mirroring_map_and_mask_changes_nothing(case: tuple[np.ndarray, np.ndarray]) -> None:
    maps, masks = case
    straight = _scores(maps, masks)
    _same(straight, _scores(maps[:, :, ::-1], masks[:, :, ::-1]))
    _same(straight, _scores(maps[:, ::-1], masks[:, ::-1]))
    _same(straight, _scores(maps.swapaxes(1, 2), masks.swapaxes(1, 2)))


@every_metric
@given(case=cases())
def test_a_map_of_zeros_has_no_score(case: tuple[np.ndarray, np.ndarray]) -> None:
    maps, masks = case
    of_the_mask = ("background_share_perfect",)  # a property of mask and grid alone
    _same(_scores(maps, masks, of_the_mask), _scores(maps * 0, masks, of_the_mask))
    for name, values in _scores(maps * 0, masks, EVERY.keys() - set(of_the_mask)).items():
        assert np.isnan(values).all(), name
    assert "ok" not in attention_status(localize(maps * 0, masks))


@every_metric
@given(case=cases())
def test_scores_stay_in_their_range(case: tuple[np.ndarray, np.ndarray]) -> None:
    for name, values in _scores(*case).items():
        assert values.shape == (len(case[0]),), name
        known = values[~np.isnan(values)]
        assert (known >= (-10 if name.startswith("background_excess") else -1e-6)).all(), name
        if not name.startswith(("background_excess", "background_lift")):
            assert (known <= 1 + 1e-6).all(), name


@every_metric
@given(case=cases(), factor=st.sampled_from((0.0, 0.5, 1000.0)))
def test_evidence_over_void_counts_for_padding_only(case: tuple[np.ndarray, np.ndarray], factor: float) -> None:
    """Cells that reach void pixels only may hold anything: no score of the picture changes."""
    # What lies over void is part of these by definition.
    names = EVERY.keys() - {"padding_share", "negative_share", "background_share_low", "background_share_high"}
    maps, masks = case
    if masks.shape[1] < maps.shape[1] or masks.shape[2] < maps.shape[2]:
        return  # downsampling: some cells reach no pixel at all
    at = localize(np.ones_like(maps), (masks == VOID).astype(np.uint8))  # void as object, all else as background
    only_void = (at.background == 0) & (at.foreground > 0)
    changed = np.where(only_void, factor * 1.7, maps).astype(np.float32)
    _same(_scores(np.where(only_void, 0, maps), masks, names), _scores(changed, masks, names))


@given(cases())
def test_shares_of_object_and_background_make_one(case: tuple[np.ndarray, np.ndarray]) -> None:
    share, mass = _score("background_share", *case), _score("relevance_mass_accuracy", *case)
    assert np.array_equal(np.isnan(share), np.isnan(mass))
    known = ~np.isnan(share)
    np.testing.assert_allclose((share + mass)[known], 1)


@given(cases())
def test_what_the_void_hides_moves_the_share_within_its_bounds(case: tuple[np.ndarray, np.ndarray]) -> None:
    """Void read as object or as background, pixel by pixel at random: the share stays between low and high."""
    maps, masks = case[0], np.pad(case[1], ((0, 0), (1, 1), (1, 1)))  # void at the edges would be padding
    low, share, high = (_score(f"background_share{end}", maps, masks) for end in ("_low", "", "_high"))
    assert np.array_equal(np.isnan(share), np.isnan(low))
    assert np.array_equal(np.isnan(share), np.isnan(high))
    guess = np.random.default_rng(0).choice((BACKGROUND, FOREGROUND), masks.shape)
    for reading in (BACKGROUND, FOREGROUND, guess):
        read = _score("background_share", maps, np.where(masks == VOID, reading, masks).astype(np.uint8))
        known = ~np.isnan(share)
        assert (read[known] >= low[known] - 1e-5).all()
        assert (read[known] <= high[known] + 1e-5).all()


@given(cases(), st.integers(1, 9))
def test_a_uniform_map_is_the_unit_of_lift_and_excess(case: tuple[np.ndarray, np.ndarray], level: int) -> None:
    maps, masks = case
    uniform = np.full_like(maps, level / 7)
    at = localize(uniform, masks)
    for name in ("background_lift", "background_excess"):
        values = METRICS[name](at)
        np.testing.assert_allclose(values[~np.isnan(values)], 1, rtol=1e-4)
    lift, rank = METRICS["background_lift"](at), METRICS["relevance_rank_accuracy"](at)
    assert np.array_equal(np.isnan(lift), ~(at.area < 1))
    np.testing.assert_allclose(rank[at.area > 0], at.area[at.area > 0], rtol=1e-4)
    overlap = METRICS["iou_half_maximum"](at)
    np.testing.assert_allclose(overlap[at.area > 0], at.area[at.area > 0], rtol=1e-4)


@given(cases(void=False))
def test_a_perfect_map_has_no_excess(case: tuple[np.ndarray, np.ndarray]) -> None:
    maps, masks = case
    perfect = localize(maps, masks).perfect
    excess = _score("background_excess", perfect.astype(np.float32), masks)
    np.testing.assert_allclose(excess[~np.isnan(excess)], 0, atol=1e-4)


@settings(max_examples=50)
@given(cases())
def test_the_mask_is_not_written_to(case: tuple[np.ndarray, np.ndarray]) -> None:
    maps, masks = case
    before = maps.copy(), masks.copy()
    for name in EVERY:
        _score(name, maps, masks)
    assert np.array_equal(before[0], maps)
    assert np.array_equal(before[1], masks)
