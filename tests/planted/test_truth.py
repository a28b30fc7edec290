"""The truth, on predictors whose answer is known because they read the pixels of the cue."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit.planted.benchmark.grid import CLASSES, cases
from bias_audit.planted.benchmark.truth import measure
from bias_audit.planted.benchmark.units import truth_of
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
