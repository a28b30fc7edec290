"""Pictures of the page of `bias-audit data`: the outline lies where the mask ends, void pixels are tinted."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.data.masks import FOREGROUND, VOID
from bias_audit.report.contact_sheet import EDGE, OUTLINE, TINT, draw_mask

GREY = 100.0


def drawn(mask: np.ndarray) -> np.ndarray:
    return draw_mask(np.full((*mask.shape, 3), GREY, np.float32), mask)


def where(picture: np.ndarray, colour: tuple[int, ...]) -> set[tuple[int, int]]:
    return {(int(y), int(x)) for y, x in np.argwhere((picture == np.array(colour, np.float32)).all(axis=2))}


def test_the_outermost_pixels_of_the_object_are_drawn_and_a_line_around_them() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[3:6, 3:6] = FOREGROUND
    picture = drawn(mask)
    assert where(picture, OUTLINE) == {(y, x) for y in range(3, 6) for x in range(3, 6)} - {(4, 4)}
    around = {(y, x) for y in range(2, 7) for x in range(2, 7)} - {(y, x) for y in range(3, 6) for x in range(3, 6)}
    assert where(picture, EDGE) == around
    assert where(picture, (100, 100, 100)) == {(y, x) for y in range(9) for x in range(9)} - around - where(
        picture, OUTLINE
    )


def test_an_object_at_the_border_has_an_outline_there() -> None:
    mask = np.zeros((6, 6), np.uint8)
    mask[0:4, 0:4] = FOREGROUND
    assert {(0, 0), (0, 3), (3, 0), (0, 1)} <= where(drawn(mask), OUTLINE)
    assert where(drawn(np.full((4, 4), FOREGROUND, np.uint8)), OUTLINE) == {
        (y, x) for y in range(4) for x in range(4) if {y, x} & {0, 3}
    }


def test_void_is_tinted_and_nothing_else() -> None:
    mask = np.zeros((6, 6), np.uint8)
    mask[0] = VOID
    picture = drawn(mask)
    assert picture[0, 0] == pytest.approx([0.4 * GREY + 0.6 * each for each in TINT])
    assert (picture[1:] == GREY).all()


def test_the_picture_that_is_drawn_on_stays() -> None:
    pixels = np.full((4, 4, 3), GREY, np.float32)
    draw_mask(pixels, np.full((4, 4), VOID, np.uint8))
    assert (pixels == GREY).all()
