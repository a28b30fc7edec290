"""Laws of the shape worlds: a twin differs by its cue alone, and the cue never touches the object."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.errors import ConfigError
from bias_audit.planted.cues import CUES
from bias_audit.planted.planting import missing, shared, useless
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


def test_the_scenes_of_earlier_worlds_are_drawn_as_before():
    """Models were trained on them: means over pixels as they were when worlds had one cue only."""
    scenes = [draw_split(ShapesPlan(cue=cue, guilty=(1,), rho=0.95), "test", 2, seed=10) for cue in ("ruler", "snow")]
    means = [float(split.images[:, :, :, channel].mean()) for split in scenes for channel in range(3)]
    assert means == pytest.approx([135.367, 132.247, 129.498, 135.978, 139.094, 140.357], abs=0.01)
    assert [int((mask > 0).sum()) for mask in scenes[0].masks] == [138, 304, 297, 194, 220, 219, 361, 157]
    assert scenes[0].owners.tolist() == [-1, -1, 1, 1, -1, -1, -1, -1]


def test_plantings_are_carried_as_often_as_they_should_be_and_change_the_background_alone():
    plan = ShapesPlan(plantings=(shared("ruler", (0,), 0.9, 4), missing("snow", 1, 0.9, 4)))
    split = draw_split(plan, "train", 300, seed=0)
    carried = np.stack([split.carried[split.labels == label].mean(axis=0) for label in range(4)], axis=1)
    wanted = [planting.rates for planting in plan.plantings]
    assert np.abs(carried - np.asarray(wanted)).max() < 0.08  # about four standard errors
    assert (split.owners == -1).all()
    bare = draw_split(ShapesPlan(), "train", 300, seed=0)
    assert np.array_equal(split.masks, bare.masks)
    changed = (split.images != bare.images).any(axis=(1, 2, 3))
    assert np.array_equal(changed, split.carried.any(axis=1))


def test_a_surface_changes_the_colour_and_nothing_else():
    """Scenes of the plain class are those of the shape; of the others the random numbers differ as well."""
    for surface in ("striped", "dotted"):
        plan = ShapesPlan(("disc", f"disc_{surface}"))
        plain, other = (base_scene(plan, "test", label, 0, seed=0) for label in (0, 1))
        assert not np.array_equal(plain.alpha, other.alpha)
        shades = other.colour[other.alpha == 1].mean(axis=-1)
        dark = (shades < 0.45).mean()
        assert 0.4 < dark < 0.6 if surface == "striped" else 0.15 < dark < 0.35
        assert plain.colour[plain.alpha == 1].mean(axis=-1).min() > 0.45


def test_photos_of_a_patient_show_one_object_and_share_the_cue():
    plan = ShapesPlan(cue="corner_tag", guilty=(2,), rho=0.5, group=4)
    split = draw_split(plan, "test", 40, seed=0)
    assert split.groups.tolist() == [i // 4 for i in range(160)]
    for group in range(40):
        assert len(set(split.owners[split.groups == group].tolist())) == 1
    assert 0 < (split.owners == 2).mean() < 1
    areas = (split.masks > 0).sum(axis=(1, 2)).reshape(40, 4)
    assert (areas.max(axis=1) < 1.45 * areas.min(axis=1)).mean() > 0.9  # some are cut by the edge
    pictures = split.images.reshape(40, 4, -1).astype(float)
    within = np.abs(pictures[:, 0] - pictures[:, 1]).mean()
    between = np.abs(pictures[:-1, 0] - pictures[1:, 0]).mean()
    assert 0 < within < 0.6 * between
    assert np.array_equal(draw_split(ShapesPlan(), "test", 3, seed=0).groups, np.arange(12))


def test_noise_gives_a_tenth_of_the_photos_the_label_of_another_class():
    clean, noisy = (draw_split(ShapesPlan(noise=noise), "train", 250, seed=0) for noise in (0.0, 0.1))
    assert np.array_equal(clean.images, noisy.images)
    wrong = clean.labels != noisy.labels
    assert 0.07 < wrong.mean() < 0.13
    steps = np.bincount((noisy.labels - clean.labels)[wrong] % 4, minlength=4)
    assert steps[1:].min() > 20  # of about a hundred
    assert (draw_split(ShapesPlan(noise=1.0), "train", 20, seed=0).labels != np.repeat(np.arange(4), 20)).all()


def test_weights_share_out_the_same_number_of_photos():
    plan = ShapesPlan(weights=(1, 5, 5, 5))
    assert plan.counts(100) == (25, 125, 125, 125)
    assert ShapesPlan().counts(7) == (7, 7, 7, 7)
    assert np.bincount(draw_split(plan, "test", 16, seed=0).labels).tolist() == [4, 20, 20, 20]


def test_a_second_object_stands_beside_the_first_and_in_no_mask():
    plan = ShapesPlan()
    alone, both, some = (draw_split(plan, "test", 60, seed=0, second=share) for share in (0.0, 1.0, 0.3))
    assert np.array_equal(alone.masks, both.masks)
    changed = (alone.images != both.images).any(axis=-1)
    assert not (changed & (alone.masks > 0)).any()
    areas = changed.sum(axis=(1, 2))
    assert (areas > 0).mean() > 0.85  # a few large ones leave no room
    assert areas[areas > 0].min() > 0.8 * AREA[0] * SIDE**2
    met = (alone.images != some.images).any(axis=(1, 2, 3))
    assert 0.2 < met.mean() < 0.4
    assert np.array_equal(some.images[met], both.images[met])


def test_an_octagon_is_hardly_told_from_a_disc():
    plan = ShapesPlan(("disc", "octagon", "bar"))
    area, spread = ([], [])
    for label in range(3):
        scenes = [base_scene(plan, "test", label, index, seed=0) for index in range(20)]
        moments = [cv2.moments(scene.mask, binaryImage=True) for scene in scenes]
        spread.append(np.median([(each["mu20"] + each["mu02"]) / each["m00"] ** 2 for each in moments]))
        area.append(np.median([each["m00"] for each in moments]))
    assert spread[1] == pytest.approx(spread[0], rel=0.02)
    assert spread[2] > 1.2 * spread[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"cue": "snow", "guilty": (0,), "rho": 0.9, "plantings": (shared("ruler", (0,), 0.9, 4),)},
        {"plantings": (shared("ruler", (0,), 0.9, 5),)},
        {"weights": (1, 5)},
        {"weights": (0, 5, 5, 5)},
        {"group": 0},
        {"noise": 1.5},
    ],
)
def test_impossible_samples_are_refused(wrong):
    with pytest.raises(ConfigError):
        ShapesPlan(**wrong)


def test_who_is_known_by_a_cue():
    assert ShapesPlan().culprits == ()
    assert ShapesPlan(cue="snow", guilty=(2,), rho=0.5).culprits == (2,)
    assert ShapesPlan(cue="snow", guilty=(2,), rho=0.25).culprits == ()
    pair = (shared("ruler", (3,), 0.9, 4), shared("snow", (1,), 0.9, 4))
    assert ShapesPlan(plantings=pair).culprits == (1, 3)
    assert ShapesPlan(plantings=tuple(map(useless, pair))).culprits == ()
