"""Masks on the grid of a heatmap: pixel by pixel against weights written out, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID
from bias_audit.heatmaps.masks_on_grid import on_grid, padding

GRID = (3, 5)


def _weight(pixel: int, side: int, cell: int, cells: int) -> float:
    """What a cell adds to a pixel of a map that is enlarged half-pixel bilinearly, clamped at the edge."""
    place = min(max((pixel + 0.5) * cells / side - 0.5, 0), cells - 1)
    return max(0.0, 1 - abs(place - cell))


def _reach(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape
    return np.array([
        [
            sum(
                _weight(y, height, row, GRID[0]) * _weight(x, width, column, GRID[1])
                for y, x in zip(*np.nonzero(pixels), strict=True)
            )
            for column in range(GRID[1])
        ]
        for row in range(GRID[0])
    ])  # fmt: skip


def test_pixels_of_every_kind_by_hand() -> None:
    mask = np.random.default_rng(0).integers(0, 3, (14, 17)).astype(np.uint8)
    mask[:2] = VOID  # padding
    found = on_grid(mask, GRID)
    inside = mask == VOID
    inside[:2] = False
    kinds = {"foreground": mask == FOREGROUND, "background": mask == BACKGROUND, "void": mask == VOID}
    for name, pixels in {**kinds, "uncertain": inside}.items():
        np.testing.assert_allclose(getattr(found, name), _reach(pixels), rtol=1e-6, atol=1e-6, err_msg=name)
    assert found.area == (mask == FOREGROUND).sum() / (mask != VOID).sum()


@pytest.mark.parametrize("void", [False, True])
def test_a_cell_without_background_has_none_to_the_bit(void: bool) -> None:
    mask = np.zeros((210, 350), np.uint8)
    mask[:, :200] = FOREGROUND
    if void:
        mask[100:, :70] = VOID
    found = on_grid(mask, GRID)
    assert (found.background[:, :2] == 0).all()  # the reach of the second cell ends at pixel 175
    assert (found.background[:, 3:] > 0).all()
    assert (found.foreground[:, 4] == 0).all()
    # The smallest piece of background that a cell can see is no rounding: one corner pixel of 210 x 350.
    mask[:] = FOREGROUND
    mask[0, 0] = BACKGROUND
    corner = on_grid(mask, GRID).background
    assert corner[0, 0] == pytest.approx(1)
    assert not corner.ravel()[1:].any()


def test_no_kind_of_pixel_at_all() -> None:
    everything = on_grid(np.full((8, 8), FOREGROUND, np.uint8), (2, 2))
    assert not everything.background.any()
    assert everything.area == 1
    nothing = on_grid(np.full((8, 8), VOID, np.uint8), (2, 2))
    assert not nothing.background.any()
    assert not nothing.foreground.any()
    assert np.isnan(nothing.area)


def test_padding_is_what_is_void_from_edge_to_edge() -> None:
    void = np.zeros((4, 5), bool)
    void[0], void[:, 4], void[2, 1] = True, True, True
    assert padding(void).astype(int).tolist() == [[1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]
    assert padding(np.ones((2, 2), bool)).all()
