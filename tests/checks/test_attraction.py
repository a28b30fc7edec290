"""The guilty class and its victims, on composites counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bias_audit.checks.attraction import attraction, photo_pulls

HUSKY, FOX, WOLF = 0, 1, 2
CLASSES = 3


def composites(*rows: tuple[int, int, str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["photo", "label", "arm", "donor_label", "predicted"])


def snow_world(photos: int) -> pd.DataFrame:
    """Wolf = snow: everything on a wolf's background is a wolf; wolves elsewhere become huskies; foxes stay foxes."""
    rows = []
    for photo in range(photos):
        rows += [(photo, HUSKY, "same", HUSKY, HUSKY), (photo, HUSKY, "other", FOX, HUSKY)]
        rows += [(photo, HUSKY, "other", WOLF, WOLF)]
        rows += [(100 + photo, FOX, "same", FOX, FOX), (100 + photo, FOX, "other", HUSKY, FOX)]
        rows += [(100 + photo, FOX, "other", WOLF, WOLF)]
        rows += [(200 + photo, WOLF, "same", WOLF, WOLF), (200 + photo, WOLF, "other", HUSKY, HUSKY)]
        rows += [(200 + photo, WOLF, "other", FOX, HUSKY)]
    return composites(*rows)


def test_pull_of_one_photo_by_hand():
    """On wolf backgrounds 2 of 3 composites become wolf, on its own 1 of 4 already was: 2/3 - 1/4."""
    same = [(7, HUSKY, "same", HUSKY, HUSKY)] * 3 + [(7, HUSKY, "same", HUSKY, WOLF)]
    other = [(7, HUSKY, "other", WOLF, WOLF)] * 2 + [(7, HUSKY, "other", WOLF, FOX)]
    pulls = photo_pulls(composites(*same, *other))
    assert (pulls.photos.tolist(), pulls.labels.tolist()) == ([7], [HUSKY])
    assert (pulls.row.tolist(), pulls.culprit.tolist()) == ([0], [WOLF])  # never put on a fox's background
    assert pulls.pull == pytest.approx([2 / 3 - 1 / 4])


def test_composites_that_are_none_of_these_are_pulled_to_no_class():
    """On its own backgrounds 1 of 4 is a wolf, 2 are none of the three classes; on wolf's 1 of 2 is a wolf."""
    none = CLASSES
    same = [(7, HUSKY, "same", HUSKY, predicted) for predicted in (HUSKY, WOLF, none, none)]
    other = [(7, HUSKY, "other", WOLF, WOLF), (7, HUSKY, "other", WOLF, none), (7, HUSKY, "other", FOX, none)]
    pulls = photo_pulls(composites(*same, *other))
    assert pulls.culprit.tolist() == [FOX, WOLF]
    assert pulls.pull == pytest.approx([0, 1 / 2 - 1 / 4])


def test_a_photo_without_backgrounds_of_its_own_class_is_pulled_by_nobody():
    pulls = photo_pulls(composites((7, HUSKY, "other", WOLF, WOLF), (8, HUSKY, "same", HUSKY, HUSKY)))
    assert (pulls.photos.tolist(), pulls.pull.tolist()) == ([7, 8], [])


def test_the_guilty_class_pulls_and_its_victims_do_not():
    attract, low, high = attraction(photo_pulls(snow_world(8)), 3, seed=0)
    # wolf pulls husky by 1 and fox by 1; husky pulls wolf by 1 and fox by 0; fox pulls neither. Of two, the lower.
    np.testing.assert_allclose(attract, [0, 0, 1])
    assert low[WOLF] == high[WOLF] == 1
    assert low[FOX] == high[FOX] == 0


@pytest.mark.parametrize("others", [1, 2, 3, 4])
def test_the_median_over_classes(others):
    """Class 0 pulls class i by i / 10: the median, and the lower one of two."""
    rows = []
    for label in range(1, others + 1):
        for photo in range(10):
            rows += [(100 * label + photo, label, "same", label, label)]
            rows += [(100 * label + photo, label, "other", 0, 0 if photo < label else label)]
    attract, *_ = attraction(photo_pulls(composites(*rows)), others + 1, seed=0)
    assert attract[0] == pytest.approx({1: 0.1, 2: 0.1, 3: 0.2, 4: 0.2}[others])


def test_the_interval_covers_a_rate_between():
    """Every second husky turns on wolf backgrounds: attract of wolf is .5 with an interval around it."""
    rows = []
    for photo in range(40):
        rows.append((photo, HUSKY, "same", HUSKY, HUSKY))
        rows.append((photo, HUSKY, "other", FOX, FOX if photo % 2 else HUSKY))
    attract, low, high = attraction(photo_pulls(composites(*rows)), 2, seed=1)
    assert attract[FOX] == pytest.approx(0.5)
    assert 0.3 < low[FOX] < 0.5 < high[FOX] < 0.7
    assert np.isnan(attract[HUSKY])


def test_no_composites():
    attract, low, high = attraction(photo_pulls(composites()), 2, seed=0)
    assert np.isnan([*attract, *low, *high]).all()
