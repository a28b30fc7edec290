"""The fill that copies texture: what it must do on pictures whose right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.interventions.edits import FILLS, exemplar, inpaint
from bias_audit.interventions.exemplar import fill_by_pieces

SIZE = 96


def stripes(width: int, channels: int = 3) -> np.ndarray:
    """Vertical black and white stripes."""
    row = ((np.arange(SIZE) // width) % 2 * 255).astype(np.float32)
    return np.repeat(np.tile(row, (SIZE, 1))[..., None], channels, axis=2)


def square(side: int) -> np.ndarray:
    holes = np.zeros((SIZE, SIZE), np.uint8)
    first = (SIZE - side) // 2
    holes[first : first + side, first : first + side] = 1
    return holes


@pytest.mark.parametrize("channels", [1, 3])
def test_stripes_go_on_where_the_others_smear_them(channels: int) -> None:
    picture, holes = stripes(8, channels), square(40)
    hidden = np.where(holes[..., None] > 0, 127, picture).astype(np.float32)
    wrong = {name: float(np.abs(fill(hidden, holes) - picture)[holes > 0].mean()) for name, fill in FILLS.items()}
    assert wrong["exemplar"] < 15
    assert min(wrong["inpaint"], wrong["blur_noise"], wrong["constant"]) > 60


def test_what_the_hole_shows_is_never_looked_at() -> None:
    rng = np.random.default_rng(0)
    picture, holes = rng.uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32), square(40)
    one, other = (
        exemplar(np.where(holes[..., None] > 0, value, picture).astype(np.float32), holes) for value in (0, 255)
    )
    np.testing.assert_array_equal(one, other)
    assert one[holes > 0].std() > 20, "noise stays noise"


def test_a_picture_that_is_all_hole_is_left_to_the_border_fill() -> None:
    picture, holes = stripes(8), np.ones((SIZE, SIZE), np.uint8)
    holes[0] = 0  # one row: no square of it is free of the hole
    assert fill_by_pieces(picture, holes) is None
    np.testing.assert_array_equal(exemplar(picture, holes), inpaint(picture, holes))


@settings(max_examples=30)
@given(st.integers(5, 70), st.integers(5, 70), st.integers(0, 2**16))
def test_any_shape_and_hole(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.uniform(20, 200, (height, width, 3)).astype(np.float32)
    holes = np.zeros((height, width), np.uint8)
    y, x = int(rng.integers(height)), int(rng.integers(width))
    holes[y : y + int(rng.integers(1, height + 1)), x : x + int(rng.integers(1, width + 1))] = 1
    filled = fill_by_pieces(picture, holes)
    if filled is not None:
        assert filled.shape == picture.shape
        np.testing.assert_array_equal(filled[holes == 0], picture[holes == 0])
        known = picture[holes == 0]
        assert known.min() - 1e-3 <= filled.min() <= filled.max() <= known.max() + 1e-3
