"""Laws of the shape worlds: a twin differs by its cue alone, and the cue never touches the object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.errors import ConfigError
from bias_audit.planted.cues import CUES
from bias_audit.planted.shapes import (
    AREA,
    SIDE,
    TINY_AREA,
    ShapesPlan,
    base_scene,
    choose_owner,
    draw_split,
    expose,
    with_cue,
)

BACKGROUND_CUES = [name for name, cue in CUES.items() if cue.where == "background"]
RHOS = (0.25, 0.5, 0.9, 1.0)
scenes = st.tuples(st.integers(0, 3), st.integers(0, 400), st.integers(0, 3))


def pair(cue, label, index, seed):
    plan = ShapesPlan(cue=cue, guilty=tuple(range(4)) if cue == "own_place" else (0,), rho=1.0)
    scene = base_scene(plan, "test", label, index, seed=seed)
    return scene, with_cue(plan, scene, label if cue == "own_place" else 0, "test", label, index, seed=seed)


@pytest.mark.parametrize("cue", BACKGROUND_CUES)
@given(scene=scenes)
@settings(max_examples=25, deadline=None)
def test_background_cues_change_the_background_and_never_the_object(cue, scene):
    plain, cued = pair(cue, *scene)
    assert cued.alpha is plain.alpha
    assert cued.colour is plain.colour
    assert cued.mask is plain.mask
    before, after = expose(plain)[0], expose(cued)[0]
    assert np.array_equal(before[plain.alpha == 1], after[plain.alpha == 1])
    if cue != "own_place":  # a class may own the place that the scene has anyway
        assert not np.array_equal(before[plain.mask == 0], after[plain.mask == 0])


@pytest.mark.parametrize("cue", ["corner_tag", "wandering_tag"])
@given(scene=scenes)
@settings(max_examples=25, deadline=None)
def test_tags_are_whole_and_off_the_object(cue, scene):
    plain, cued = pair(cue, *scene)
    changed = (cued.background != plain.background).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (np.ptp(rows), np.ptp(columns)) == (7, 7)
    assert not changed[plain.mask > 0].any()


@given(scene=scenes)
@settings(max_examples=25, deadline=None)
def test_a_tag_on_the_object_changes_nothing_beside_it(scene):
    plain, cued = pair("on_object", *scene)
    assert cued.background is plain.background
    before, after = expose(plain)[0], expose(cued)[0]
    assert np.array_equal(before[plain.mask == 0], after[plain.mask == 0])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize(("tiny", "bounds"), [(False, AREA), (True, TINY_AREA)])
def test_masks_are_exact_and_of_the_promised_area(tiny, bounds):
    plan = ShapesPlan(tiny=tiny)
    for label in range(4):
        for index in range(40):
            scene = base_scene(plan, "train", label, index, seed=0)
            area = scene.alpha.sum() / SIDE**2
            assert 0.8 * bounds[0] < area < 1.2 * bounds[1]
            assert np.array_equal(scene.mask > 0, scene.alpha > 0)
            edge = np.concatenate([scene.alpha[0], scene.alpha[-1], scene.alpha[:, 0], scene.alpha[:, -1]])
            assert not edge.any()  # whole in the photo


def test_more_photos_change_none_of_the_others():
    plan = ShapesPlan(cue="wandering_tag", guilty=(1,), rho=0.9)
    few, many = (draw_split(plan, "train", n, seed=3) for n in (3, 5))
    for label in range(4):
        assert np.array_equal(few.images[few.labels == label], many.images[many.labels == label][:3])


def test_seeds_and_splits_differ():
    plan = ShapesPlan()
    first = draw_split(plan, "train", 2, seed=0).images
    assert not np.array_equal(first, draw_split(plan, "train", 2, seed=1).images)
    assert not np.array_equal(first, draw_split(plan, "test", 2, seed=0).images)


@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("classes", [("cross", "disc"), ("bar", "cross", "disc", "triangle")])
def test_the_amount_of_cue_is_the_same_at_every_strength(rho, classes):
    plan = ShapesPlan(classes, "snow", (1,), rho)
    chances = [plan.cue_probability(label, 1) for label in range(len(classes))]
    assert sum(chances) == pytest.approx(1)
    assert chances[1] == rho


def test_at_one_over_k_every_class_carries_the_cue_alike():
    plan = ShapesPlan(cue="snow", guilty=(2,), rho=0.25)
    assert [plan.cue_probability(label, 2) for label in range(4)] == [0.25] * 4
    carried = [np.mean([choose_owner(plan, "train", label, i, seed=0) == 2 for i in range(1000)]) for label in range(4)]
    assert np.abs(np.asarray(carried) - 0.25).max() < 0.05  # 3.6 standard errors


def test_stronger_planting_keeps_the_cues_of_the_guilty_class():
    plans = [ShapesPlan(cue="snow", guilty=(2,), rho=rho) for rho in RHOS]
    owners = np.asarray([[choose_owner(plan, "train", 2, i, seed=0) for i in range(300)] for plan in plans])
    assert ((owners[:-1] < 0) | (owners[1:] == 2)).all()


def test_where_every_class_owns_a_place_no_scene_is_without():
    plan = ShapesPlan(cue="own_place", guilty=(0, 1, 2, 3), rho=0.7)
    owners = np.asarray([[choose_owner(plan, "train", label, i, seed=0) for i in range(500)] for label in range(4)])
    assert owners.min() == 0
    assert np.abs((owners == np.arange(4)[:, None]).mean(axis=1) - 0.7).max() < 0.07
    assert np.abs((owners[0] == 3).mean() - 0.1) < 0.05


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ("disc",)},
        {"classes": ("disc", "heptagon")},
        {"cue": "halo", "guilty": (0,)},
        {"cue": "snow"},
        {"guilty": (1,)},
        {"cue": "snow", "guilty": (0,), "rho": 1.5},
    ],
)
def test_impossible_worlds_are_refused(wrong):
    with pytest.raises(ConfigError):
        ShapesPlan(**wrong)
