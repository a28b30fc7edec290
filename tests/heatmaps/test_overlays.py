"""Maps over photos: where colour goes, what the model saw of a picture, and titles that fit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bias_audit.data.batches import Geometry
from bias_audit.data.masks import MaskReading
from bias_audit.heatmaps import overlays
from bias_audit.report import figures

PHOTO = np.full((60, 80, 3), 128, np.uint8)
HEAT = np.array([[-5, 0], [0, 2]], np.float32)


@pytest.mark.parametrize("style", list(overlays.STYLES))
def test_only_the_strong_part_is_coloured(style):
    drawn = overlays.overlay(PHOTO, HEAT, style, "title", ("line",))[-60:]
    colourful = np.ptp(drawn.astype(int), axis=2)
    assert colourful[45:, 60:].max() > 60
    assert colourful[:15, :20].max() == 0


def test_scaling_is_of_the_positive_part_and_half_pixel():
    shown, note = overlays.scaled(HEAT, (4, 4))
    assert note == ""
    expected = np.outer([0, 0.25, 0.75, 1], [0, 0.25, 0.75, 1])  # half-pixel bilinear of one cell in four
    np.testing.assert_allclose(shown, expected, atol=1e-6)
    assert overlays.scaled(-np.ones((2, 2), np.float32), (4, 4)) == (None, overlays.EMPTY)
    assert overlays.scaled(np.full((2, 2), np.nan, np.float32), (4, 4)) == (None, overlays.BROKEN)


def test_an_empty_map_shows_the_photo_as_it_is_and_says_so():
    drawn = overlays.overlay(PHOTO, np.zeros((2, 2), np.float32), "grey", "title", ())
    assert (drawn[-60:] == PHOTO).all()
    assert len(drawn) > len(overlays.overlay(PHOTO, HEAT, "grey", "title", ()))  # one line more


@pytest.mark.parametrize(
    ("resize", "shape"), [("stretch", (280, 560)), ("crop", (560, 560)), ("pad", (560, 560)), ("shorter", (560, 560))]
)
def test_the_view_is_what_the_model_saw_in_its_own_proportions(tmp_path: Path, resize, shape):
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, 20:60] = (0, 0, 255)  # BGR: the middle half is red
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    geometry = Geometry((32, 32), 3, resize, "bilinear", MaskReading(None, None))
    seen = overlays.view(tmp_path / "p.png", geometry, np.zeros((32, 32, 3), np.float32))
    assert seen.shape == (*shape, 3)
    red = (seen[..., 0] > 128).mean()
    # Whole picture: half. Cropped to the square: all. Padded to the square: half of half. 224/256 of the crop: all.
    assert red == pytest.approx({"stretch": 0.5, "crop": 1, "pad": 0.25, "shorter": 1}[resize], abs=0.02)
    assert seen[..., 1:].max() == 0


def test_titles_are_cut_to_the_photo_and_take_any_name():
    font = overlays._font("DejaVuSans.ttf", 13)
    cut = overlays._cut("wölf \n" * 100, font, 200)
    assert font.getlength(cut) <= 200
    assert cut.startswith("wölf \N{REPLACEMENT CHARACTER}")
    assert cut.endswith("\N{HORIZONTAL ELLIPSIS}")
    assert overlays._cut("", font, 5) == ""


def test_the_colours_are_those_of_the_report():
    assert overlays.INFERNO == figures.INFERNO
