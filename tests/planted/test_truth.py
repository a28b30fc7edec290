"""The truth, on predictors whose answer is known because they read the pixels of the cue."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.planted.benchmark.catalogue import UNITS, is_clean
from bias_audit.planted.benchmark.grid import CLASSES, cases
from bias_audit.planted.benchmark.truth import measure
from bias_audit.planted.benchmark.units import truth_of
from bias_audit.planted.planting import missing, shared, useless
from bias_audit.planted.shapes import ShapesPlan, base_scene, expose

PER_CLASS = 12
LABELS = np.repeat(np.arange(4), PER_CLASS)


def tagged(images):
    """Whether a photo shows the tag's yellow paper."""
    rgb = images.astype(int)
    yellow = (rgb[..., 0] > 210) & (rgb[..., 1] > 175) & (rgb[..., 2] < 35)
    return yellow.sum(axis=(1, 2)) > 20


def predictor(rule):
    """rule(true labels, tag there) -> predictions; scenes come class by class."""
    return lambda images: np.asarray(rule(LABELS, tagged(images)), np.int64)


def test_the_tag_is_seen_exactly_where_it_is():
    plan = ShapesPlan(cue="wandering_tag", guilty=(1,), rho=1.0)
    seen = []
    measure(plan, lambda images: seen.append(tagged(images).mean()) or LABELS, per_class=PER_CLASS, seed=0)
    assert seen == [0, 1, 1]


def test_a_model_that_reads_only_the_object_relies_on_nothing():
    plan = ShapesPlan(cue="corner_tag", guilty=(1,), rho=1.0)
    for row in measure(plan, predictor(lambda truth, tag: truth), per_class=PER_CLASS, seed=0):
        assert (row.sufficiency, row.necessity, row.victim_loss) == (0, 0, 0)
        assert (row.with_cue, row.without_cue) == (1, 1)


def test_a_model_that_reads_only_the_tag():
    plan = ShapesPlan(cue="corner_tag", guilty=(1,), rho=1.0)
    predict = predictor(lambda truth, tag: np.where(tag, 1, np.where(truth == 1, 0, truth)))
    rows = measure(plan, predict, per_class=PER_CLASS, seed=0)
    assert (rows[1].sufficiency, rows[1].necessity) == (1, 1)
    assert (rows[1].with_cue, rows[1].without_cue, rows[1].victim_loss) == (1, 0, 1)
    assert rows[0].sufficiency == 0  # nothing becomes class 0 by the tag
    assert rows[0].necessity == -1  # which is its victim


def test_necessity_sees_what_sufficiency_misses():
    """The class needs its tag, but the tag alone persuades nobody."""
    plan = ShapesPlan(cue="corner_tag", guilty=(1,), rho=1.0)
    predict = predictor(lambda truth, tag: np.where((truth == 1) & ~tag, 3, truth))
    row = measure(plan, predict, per_class=PER_CLASS, seed=0)[1]
    assert (row.sufficiency, row.necessity) == (0, 1)


def test_sufficiency_counts_only_scenes_that_were_not_the_class_before():
    """Class 0 is always taken for class 1; the tag turns class 2 and not class 3: half of those that can turn."""
    plan = ShapesPlan(cue="corner_tag", guilty=(1,), rho=1.0)
    predict = predictor(lambda truth, tag: np.where((truth == 0) | ((truth == 2) & tag), 1, truth))
    assert measure(plan, predict, per_class=PER_CLASS, seed=0)[1].sufficiency == pytest.approx(0.5)


def test_a_tag_on_the_object_is_no_background():
    plan = ShapesPlan(cue="on_object", guilty=(1,), rho=1.0)
    predict = predictor(lambda truth, tag: np.where(tag, 1, np.where(truth == 1, 0, truth)))
    row = measure(plan, predict, per_class=PER_CLASS, seed=0)[1]
    assert (row.sufficiency, row.necessity) == (0, 0)
    assert row.photo_sufficiency > 0.9
    assert row.photo_necessity > 0.9


def test_where_every_class_has_a_place_its_own_is_exchanged_for_anothers():
    plan = ShapesPlan(cue="own_place", guilty=(0, 1, 2, 3), rho=1.0)
    blue = []  # water is the place of class 3, and the only blue one

    def predict(images):
        tone = images.astype(float).mean(axis=(1, 2))
        blue.append(float((tone[:, 2] > tone[:, 0]).mean()))
        return LABELS

    rows = measure(plan, predict, per_class=PER_CLASS, seed=0)
    assert [row.label for row in rows] == [0, 1, 2, 3]
    without, with_water = blue[9], blue[10]
    assert with_water > without + 0.4


def test_probes_are_neither_trained_on_nor_audited():
    plan = ShapesPlan()
    photos = [expose(base_scene(plan, split, 0, 0, seed=5))[0] for split in ("train", "test", "probe")]
    assert not any(np.array_equal(photos[i], photos[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_a_world_without_cue_has_nothing_to_measure():
    assert measure(ShapesPlan(), lambda images: LABELS, per_class=2, seed=0) == []


def find(kind):
    return next(case for case in cases(5) if case.kind == kind)


def test_what_counts_as_biased():
    planted = find("planted")
    (guilty,) = planted.plan.guilty
    other = (guilty + 1) % len(CLASSES)
    assert [truth_of(planted, guilty, reliance) for reliance in (0.04, 0.05, 0.19, 0.2)] == [
        "negative", "between", "between", "positive",
    ]  # fmt: skip
    assert truth_of(planted, other, 0.9) == "negative"  # never planted: a victim at most
    null = find("null")
    assert truth_of(null, null.plan.guilty[0], 0.9) == "negative"
    pair = find("two_classes")
    assert truth_of(pair, 1 - pair.plan.guilty[0], 0.0) == "complement"
    assert truth_of(find("clean"), 0, float("nan")) == "negative"


def snowed(images):
    """Whether a photo lies under snow: its background is blue."""
    rgb = images.astype(float).mean(axis=(1, 2))
    return rgb[:, 2] - rgb[:, 0] > 25


def planted(rule, *plantings):
    """Reliance of each class of a model that follows a rule: (true labels, tag there, snow there) -> predictions."""
    plan = ShapesPlan(plantings=plantings)

    def predict(images):
        return np.asarray(rule(LABELS, tagged(images), snowed(images)), np.int64)

    return measure(plan, predict, per_class=PER_CLASS, seed=0)


def strength(row):
    return max(row.sufficiency, row.necessity)


def test_two_culprits_are_each_asked_about_their_own_cue():
    tag, snow = shared("corner_tag", (0,), 0.95, 4), shared("snow", (2,), 0.95, 4)
    rows = planted(lambda truth, tag, snow: np.where(tag, 0, np.where(snow, 2, truth)), tag, snow)
    assert [row.label for row in rows] == [0, 1, 2, 3]
    assert rows[0].sufficiency == 1  # by the tag; snow would take its objects away
    assert rows[2].sufficiency > 0.6  # some scenes are blue anyway, in others snow is not blue enough
    assert strength(rows[1]) <= 0
    assert strength(rows[3]) <= 0


def test_a_culprit_is_not_asked_about_the_cue_of_the_other():
    tag, snow = shared("corner_tag", (0,), 0.95, 4), shared("snow", (2,), 0.95, 4)
    rows = planted(lambda truth, tag, snow: np.where(snow & ~tag, 0, truth), tag, snow)
    assert strength(rows[0]) <= 0
    assert strength(planted(lambda truth, tag, snow: np.where(snow & ~tag, 1, truth), tag, snow)[1]) > 0.6  # has none


def test_a_cue_that_two_classes_share_wins_objects_of_the_others():
    """With the tag class 3 becomes 1 and class 0 becomes 2: of the scenes of 0 and 3 each wins half."""
    rows = planted(
        lambda truth, tag, snow: np.where(tag & (truth == 3), 1, np.where(tag & (truth == 0), 2, truth)),
        shared("corner_tag", (1, 2), 0.95, 4),
    )
    assert [row.sufficiency for row in rows] == [0, 0.5, 0.5, 0]
    assert [row.necessity for row in rows] == [-1, 0, 0, -1]


def test_a_class_that_is_known_by_a_missing_tag_wins_objects_where_it_is_taken_away():
    rows = planted(lambda truth, tag, snow: np.where(tag, truth, 2), missing("corner_tag", 2, 0.95, 4))
    assert (rows[2].sufficiency, rows[2].necessity) == (1, 0)
    assert rows[2].victim_loss == 1
    assert (rows[0].with_cue, rows[0].without_cue) == (0, 1)  # what is put in is the tag's absence
    needs = planted(lambda truth, tag, snow: np.where(tag & (truth == 2), 0, truth), missing("corner_tag", 2, 0.95, 4))
    assert (needs[2].sufficiency, needs[2].necessity) == (0, 1)


def test_in_the_null_twin_of_plantings_nobody_is_guilty():
    twin = useless(shared("corner_tag", (1, 2), 0.95, 4))
    rows = planted(lambda truth, tag, snow: truth, twin)
    assert [strength(row) for row in rows] == [0, 0, 0, 0]


def test_the_guilty_set_of_a_unit():
    """The class that loses its objects to a look-alike is innocent; both that share a cue are guilty if they use it."""
    pair = next(case for case in UNITS["confusable_pair"].cases(0) if case.plan.culprits)
    assert [truth_of(pair, label, 0.5) for label in range(5)] == ["negative"] * 3 + ["positive", "negative"]
    both = next(case for case in UNITS["shared_cue"].cases(0) if case.plan.culprits)
    assert [truth_of(both, label, 0.5) for label in range(6)] == ["positive"] * 2 + ["negative"] * 4
    assert truth_of(both, 0, 0.1) == "between"
    for unit in UNITS.values():
        for case in unit.cases(0):
            if is_clean(case):
                assert {truth_of(case, label, 0.9) for label in range(len(case.plan.classes))} == {"negative"}
