"""Whose backgrounds pull whose objects, on composites counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bias_audit.checks.background.pulls import attraction, contrasts, fair_contrasts, gap_matrix, largest_pulls
from bias_audit.config import FIRST_FILL, SECOND_FILL


def composites(*rows: tuple[int, int, int, int], fill: str = FIRST_FILL) -> pd.DataFrame:
    """Photo, label, class of the background (-1: a neutral backdrop) and prediction of each composite."""
    frame = pd.DataFrame(rows, columns=["photo", "label", "donor_label", "predicted"])
    neutral, own = frame["donor_label"] < 0, frame["donor_label"] == frame["label"]
    arm = np.select([neutral, own], ["foreground_only", "same"], "other")
    return frame.assign(arm=arm, fill=np.where(neutral, "black", fill))


def world(classes: int, photos: int, called) -> pd.DataFrame:
    """Every object once on backgrounds of every class and on a neutral one: (label, background or -1) -> prediction."""
    return composites(
        *[
            (100 * label + photo, label, ground, called(label, ground))
            for label in range(classes)
            for photo in range(photos)
            for ground in (*range(classes), -1)
        ]
    )


def matrix(frame: pd.DataFrame, classes: int, **more) -> pd.DataFrame:
    names = [str(i) for i in range(classes)]
    found = gap_matrix(contrasts(frame, classes), names, seed=0, **more)
    return found.set_index(["object_class", "background_class"])


def pulls(frame: pd.DataFrame, classes: int) -> dict[tuple[int, int], float]:
    """Pairs (victim, culprit) with a pull above 0."""
    found = matrix(frame, classes)["pull"]
    return {(int(a), int(b)): round(pull, 3) for (a, b), pull in found.items() if pull > 0}


def snow(label: int, ground: int) -> int:
    """Class 2 = snow: everything on its background is a 2; a 2 elsewhere becomes a 0; all others stay."""
    return 2 if ground == 2 else 0 if label == 2 else label


def test_what_pulls_on_grown_holes_is_counted_apart():
    """What the masks of 2 missed pulls objects of 0 and 1 to 2, until the holes of its photos are grown."""
    seen, covered = (world(3, 10, lambda label, ground, there=there: 2 if there and ground == 2 else label)
                     for there in (True, False))  # fmt: skip
    grown = covered[covered["arm"] == "other"].assign(arm="other_grown_holes")
    frame = pd.concat([seen, grown])
    for arm, pull in (("other", 1.0), ("other_grown_holes", 0.0)):
        found = attraction(fair_contrasts(frame, 3, strong=0.15, arm=arm), 3, seed=0)
        assert found.attract[2] == found.low[2] == pull


def test_the_contrast_of_one_photo_by_hand():
    """On backgrounds of 2 two of three composites are called 2, on those of 1 one of two, on neutral ones one of four.

    The second fill and the photo's own backgrounds do not count.
    """
    rows = [(7, 0, 2, 2), (7, 0, 2, 2), (7, 0, 2, 0), (7, 0, 1, 2), (7, 0, 1, 0)]
    neutral = [(7, 0, -1, 2), (7, 0, -1, 0), (7, 0, -1, 3), (7, 0, -1, 0)]
    ignored = composites((7, 0, 0, 2), fill=FIRST_FILL), composites((7, 0, 2, 0), fill=SECOND_FILL)
    found = contrasts(pd.concat([composites(*rows, *neutral), *ignored]), 3)
    made = dict(zip(zip(found.culprit.tolist(), found.reference.tolist(), strict=True), found.difference, strict=True))
    assert made == {
        (2, 1): pytest.approx(2 / 3 - 1 / 2), (2, 3): pytest.approx(2 / 3 - 1 / 4),
        (1, 2): 0, (1, 3): 0,
    }  # fmt: skip
    assert set(found.photo) == {7}
    assert set(found.label) == {0}


def test_the_guilty_class_pulls_and_its_victims_do_not():
    """An object of class 2 that has lost its snow is a 0 on every background: that of 0 does not pull it."""
    frame = world(4, 8, snow)
    assert pulls(frame, 4) == {(0, 2): 1, (1, 2): 1, (3, 2): 1}
    found = attraction(contrasts(frame, 4), 4, seed=0)
    np.testing.assert_allclose(found.attract, [0, 0, 1, 0])
    assert found.low[2] == found.high[2] == 1
    assert found.p[2] == 2 / 2**24  # the 24 photos of three victims, all with one sign
    assert found.p[0] == 1


def test_of_two_classes_neutral_backdrops_decide():
    """Class 1 = snow: each class's objects are called the other on its backgrounds, and a 1 on neutral ones a 0."""
    frame = world(2, 8, lambda label, ground: 1 if ground == 1 else 0)
    assert pulls(frame, 2) == {(0, 1): 1}


def test_a_pair_that_one_cue_tells_apart():
    """A cue tells 1 from 0, and others do not care: d24a023 laid this to nobody, with a pull of 1."""
    frame = world(5, 8, lambda label, ground: label if label > 1 else 1 if ground == 1 else 0)
    assert pulls(frame, 5) == {(0, 1): 1}
    np.testing.assert_allclose(attraction(contrasts(frame, 5), 5, seed=0).attract, [0, 1 / 4, 0, 0, 0])


def test_two_culprits_with_different_cues():
    """Objects of 0 and 1 that have lost their cue are called 3 wherever they are: 3 does not pull them."""
    frame = world(4, 8, lambda label, ground: ground if ground in (0, 1) else 3 if label < 2 else label)
    assert {culprit for _, culprit in pulls(frame, 4)} == {0, 1}
    frame = world(3, 8, lambda label, ground: ground if ground in (0, 1) else 2)
    assert {culprit for _, culprit in pulls(frame, 3)} == {0, 1}


def test_the_class_to_which_objects_without_a_shared_cue_go_is_no_culprit():
    """0 and 1 share a cue: there they keep their class, and elsewhere they are called 3. Against the mean of the
    references, one of which has the cue, class 3 would pull by a third."""

    def shared(label: int, ground: int) -> int:
        if ground in (0, 1):
            return label if label < 2 else 0
        return 3 if label < 2 else label

    for classes in (4, 5):
        assert {culprit for _, culprit in pulls(world(classes, 8, shared), classes)} == {0}


def test_a_class_that_is_known_by_a_missing_cue():
    """All backgrounds but those of 0 carry the cue; without it everything is a 0, on neutral backdrops too."""

    def missing(label: int, ground: int) -> int:
        if ground <= 0:  # its own backgrounds, and neutral ones
            return 0
        return 1 if label == 0 else label

    assert {culprit for _, culprit in pulls(world(4, 8, missing), 4)} == {0}


def test_a_strong_culprit_is_no_reference_for_others():
    """Objects of 1 without their cue are called 3 on real backgrounds and 2 on neutral ones. Where everything is a 0
    nothing is called 3, and against that reference 3 would pull."""

    def called(label: int, ground: int) -> int:
        if ground in (0, 1):
            return ground
        return label if label > 1 else 2 if ground < 0 else 3

    frame = world(4, 8, called)
    assert (1, 3) in pulls(frame, 4)
    fair = fair_contrasts(frame, 4, strong=0.15)
    found = gap_matrix(fair, ["0", "1", "2", "3"], seed=0)
    assert set(found.loc[found["pull"] > 0, "background_class"]) == {"0", "1"}
    np.testing.assert_allclose(attraction(fair, 4, seed=0).attract[[0, 1, 3]], [1, 1, 0])
    weak = fair_contrasts(frame, 4, strong=1.1)
    assert len(weak.photo) == len(contrasts(frame, 4).photo)


def test_the_matrix_lists_what_was_tried_and_tests_over_photos_or_groups():
    frame = world(4, 4, snow)
    found = matrix(frame, 4)
    assert len(found) == 12
    assert set(found["n"]) == set(found["n_groups"]) == {4}
    assert found.loc[("0", "2"), "p_pull"] == pytest.approx(2 / 2**4)
    assert found.loc[("2", "0"), "p_pull"] == 1
    paired = matrix(frame, 4, groups=np.arange(400) // 2)
    assert paired.loc[("0", "2"), "p_pull"] == pytest.approx(2 / 2**2)
    assert set(paired["n_groups"]) == {2}


def test_few_photos_of_many_classes_are_compared_with_all_references_together():
    """Each photo is put on two of six other classes and is called 0 on those of 0: no reference is seen by five."""
    rows = []
    for label in range(1, 7):
        for photo in range(3):
            third = (label + photo) % 6 + 1
            rows += [(100 * label + photo, label, 0, 0), (100 * label + photo, label, third, label)]
            rows += [(100 * label + photo, label, -1, label)]
    found = attraction(contrasts(composites(*rows), 7), 7, seed=0)
    assert found.attract[0] == 1
    assert found.p[0] < 0.001


def test_the_interval_covers_a_rate_between():
    rows = []
    for photo in range(40):
        rows += [(photo, 0, 1, 1 if photo % 2 else 0), (photo, 0, -1, 0)]
    found = attraction(contrasts(composites(*rows), 2), 2, seed=1)
    assert found.attract[1] == pytest.approx(0.5)
    assert 0.3 < found.low[1] < 0.5 < found.high[1] < 0.7
    assert np.isnan(found.attract[0])


def test_the_largest_pull_is_the_strongest_certain_one():
    rows = [
        ("a", "x", 0.9, 0.2),
        ("b", "x", 0.3, 0.001),
        ("c", "x", 0.5, 0.01),
        ("a", "y", 0.4, 0.3),
        ("b", "y", 0.1, 0.2),
    ]
    frame = pd.DataFrame(rows, columns=["object_class", "background_class", "pull", "p_pull"])
    found = largest_pulls(frame, rate=0.05)
    assert found["x"] == {"pulls_most": "c", "largest_pull": 0.5, "p_largest_pull_fdr": pytest.approx(0.015)}
    assert found["y"]["pulls_most"] == ""
    assert found["y"]["p_largest_pull_fdr"] == pytest.approx(0.3)


def test_no_composites():
    nothing = contrasts(composites(), 2)
    found = attraction(nothing, 2, seed=0)
    assert np.isnan([*found.attract, *found.low, *found.high, *found.p]).all()
    assert gap_matrix(nothing, ("a", "b"), seed=0).empty
    assert largest_pulls(gap_matrix(nothing, ("a", "b"), seed=0), rate=0.05) == {}
