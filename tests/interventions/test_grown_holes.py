"""Holes that are grown to cover what a mask missed: how far, who can lend such a background, and who gets it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bias_audit.checks.background.composites import GROWN_OTHER, GROWN_SAME, predict_composites
from bias_audit.data.batches import Geometry, Loaded
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.interventions.donors import LEAST_LEFT, find_regions, plan, prepare_backgrounds
from bias_audit.interventions.edits import grown, hole, touches
from bias_audit.models.base import Predictions
from bias_audit.run.statuses import OK

GEOMETRY = Geometry((40, 40), 3, "stretch", "bilinear", MaskReading())


def test_a_hole_grows_by_a_fifth_of_the_shorter_side():
    holes = np.zeros((40, 60), np.uint8)
    holes[20, 30] = 1
    rows, columns = np.nonzero(grown(holes))
    assert (rows.min(), rows.max()) == (12, 28)
    assert (columns.min(), columns.max()) == (22, 38)
    assert grown(holes)[13, 23] == 0, "a disc, no square"
    assert not grown(np.zeros((40, 60), np.uint8)).any()


@pytest.mark.parametrize(("column", "borders"), [(4, True), (5, True), (6, True), (7, False)])
def test_a_region_touches_a_hole_that_it_covers_or_borders(column, borders):
    holes, region = np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8)
    holes[2:5, 3:6], region[5, column] = 1, 1  # column 6 borders by a corner
    assert touches(region, holes) == borders


def photo(side: int) -> Loaded:
    """40 x 40 with a square object of this side in the upper left corner."""
    mask = np.zeros((40, 40), np.uint8)
    mask[:side, :side] = 255
    return Loaded(OK, "", np.zeros((40, 40, 3), np.float32), (mask > 0).astype(np.uint8), OK, "mask")


def test_an_attended_piece_that_borders_the_hole_is_not_tried():
    """It may be what the mask missed of the object, and would confirm a class that relies on the object."""
    beside, apart = np.zeros((10, 10), np.float32), np.zeros((10, 10), np.float32)
    beside[1, 4], apart[7, 7] = 1, 1
    assert find_regions(photo(14), beside, 0, "a.png") is None
    assert find_regions(photo(14), apart, 0, "a.png") is not None


def dataset(folder: Path, sides: dict[str, list[int]]) -> Dataset:
    """Photos of 40 x 40 with a square object in the middle, of the sides given per class."""
    samples = []
    for label, each in enumerate(sides.values()):
        for number, side in enumerate(each):
            mask = np.zeros((40, 40), np.uint8)
            start = (40 - side) // 2
            mask[start : start + side, start : start + side] = 255
            name = folder / f"{label}-{number}"
            Image.fromarray(np.full((40, 40, 3), 100 * label + number, np.uint8)).save(name.with_suffix(".png"))
            Image.fromarray(mask).save(name.with_suffix(".mask.png"))
            samples.append(Sample(name.name, name.with_suffix(".png"), label, mask=name.with_suffix(".mask.png")))
    return Dataset(tuple(samples), tuple(sides), "folder")


def areas(data: Dataset) -> dict[int, float]:
    return {i: float((np.asarray(Image.open(s.mask)) > 0).mean()) for i, s in enumerate(data.samples)}


def always_first(images: np.ndarray) -> Predictions:
    p = np.tile(np.float32([0.9, 0.1]), (len(images), 1))
    return Predictions(p, np.log(p / (1 - p)), np.zeros(len(images), np.float32))


def grown_arms(data: Dataset, label: int, donors: int = 5) -> tuple[Counter[tuple[int, str]], set[int]]:
    """(composites with grown holes by photo and arm, donors that can lend such backgrounds)."""
    todo = plan(data, areas(data), photos=9, donors=donors, seed=0)
    backgrounds = prepare_backgrounds(data, todo, GEOMETRY, {}, 0, lambda _: None, Path("."))
    made = [
        row
        for part in predict_composites(
            data, label, todo, backgrounds, GEOMETRY, {}, always_first,
            batch=8, donors=donors, seed=0, keep=lambda *_: None,
        )
        for row in part
    ]  # fmt: skip
    ours = [row for row in made if row.arm in (GROWN_SAME, GROWN_OTHER)]
    assert {row.fill for row in ours} <= {"inpaint"}
    assert all(row.donor != row.photo for row in ours)
    assert {data.samples[row.donor].label == label for row in ours if row.arm == GROWN_SAME} <= {True}
    assert {data.samples[row.donor].label == label for row in ours if row.arm == GROWN_OTHER} <= {False}
    assert {row.donor for row in ours} <= set(backgrounds.grown)
    return Counter((row.photo, row.arm) for row in ours), set(backgrounds.grown)


def test_three_donors_in_either_arm(tmp_path: Path):
    counts, lending = grown_arms(dataset(tmp_path, {"a": [8] * 5, "b": [8] * 4}), 0)
    assert lending == set(range(9))
    assert counts == {(photo, arm): 3 for photo in range(5) for arm in (GROWN_SAME, GROWN_OTHER)}


def test_a_donor_of_which_too_little_would_be_left_lends_nothing(tmp_path: Path):
    """Its hole is below 70 %, so it still lends its background to the first set."""
    data = dataset(tmp_path, {"a": [8, 8, 8, 30, 30], "b": [8, 30, 30, 30]})
    mask = np.zeros((40, 40), np.uint8)
    mask[5:35, 5:35] = 1
    assert (grown(hole(mask)) == 0).mean() < LEAST_LEFT < (hole(mask) == 0).mean()
    counts, lending = grown_arms(data, 0)
    assert lending == {0, 1, 2, 5}
    # One donor of b is left: as many of the own class, whatever else could lend.
    assert counts == {(photo, arm): 1 for photo in range(5) for arm in (GROWN_SAME, GROWN_OTHER)}


def test_without_a_donor_in_one_arm_there_are_none_in_the_other(tmp_path: Path):
    assert grown_arms(dataset(tmp_path, {"a": [8, 8, 8], "b": [30, 30, 30]}), 0)[0] == {}
    assert grown_arms(dataset(tmp_path / "..", {"a": [8, 30, 30], "b": [8, 8, 8]}), 0)[0].get((0, GROWN_SAME)) is None


def test_a_background_with_a_grown_hole_shows_nothing_near_the_object(tmp_path: Path):
    """What a mask misses of an object lies beside it: a white stripe below the mask is in one background only."""
    data = dataset(tmp_path, {"a": [8, 8], "b": [8, 8]})
    pixels = np.full((40, 40, 3), 50, np.uint8)
    pixels[26:30, 16:24] = 255
    Image.fromarray(pixels).save(data.samples[0].path)
    todo = plan(data, areas(data), photos=9, donors=1, seed=0)
    backgrounds = prepare_backgrounds(data, todo, GEOMETRY, {}, 0, lambda _: None, Path("."))
    assert backgrounds.pictures[0, "inpaint"].max() == 255  # it is still there
    assert backgrounds.grown[0].max() < 60
