"""Planted worlds: what is said to be planted is there, and nowhere else."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.errors import ConfigError, DataError
from bias_audit.planted import CLASS_NAMES, CUES, PLAIN, SPLITS, Plan, draw_place_and_cue, take_shot, write_world

SIZE = 64


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def truth(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_layout(tmp_path: Path) -> None:
    world = write_world(tmp_path, per_class={"train": 2, "test": 1}, size=SIZE)
    stems = [
        f"{split}/{name}/{name}_{i:04d}"
        for split, count in (("train", 2), ("test", 1))
        for name in ("fox", "husky", "wolf")
        for i in range(count)
    ]
    expected = {f"images/{stem}.jpg" for stem in stems} | {f"masks/{stem}.png" for stem in stems} | {"truth.csv"}
    assert set(files(tmp_path)) == expected
    assert world.images_test == tmp_path / "images" / "test"
    assert world.masks_train == tmp_path / "masks" / "train"
    assert world.class_names == ("fox", "husky", "wolf")
    assert (world.cue, world.guilty_class) == ("snow", "wolf")
    assert [row["image"] for row in truth(world.truth)] == [f"images/{stem}.jpg" for stem in stems]
    for row in truth(world.truth):
        photo = cv2.imread(str(tmp_path / row["image"]), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(tmp_path / row["mask"]), cv2.IMREAD_UNCHANGED)
        assert photo.shape == (SIZE, SIZE * 5 // 4, 3)
        assert mask.shape == photo.shape[:2]
        assert np.unique(mask).tolist() == [0, 255]


def test_same_seed_same_bytes_and_more_photos_change_none(tmp_path: Path) -> None:
    write_world(tmp_path / "a", per_class=1, size=SIZE, seed=3)
    write_world(tmp_path / "b", per_class={"train": 3, "test": 1}, size=SIZE, seed=3)
    write_world(tmp_path / "c", per_class=1, size=SIZE, seed=4)
    first, more, other = (files(tmp_path / name) for name in "abc")
    pictures = [name for name in first if name != "truth.csv"]
    assert all(first[name] == more[name] for name in pictures)
    assert all(first[name] != other[name] for name in pictures)


@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(CLASS_NAMES),
    split=st.sampled_from(SPLITS),
    index=st.integers(0, 9999),
    seed=st.integers(0, 2**31),
    cue=st.sampled_from(sorted(CUES)),
    rho=st.sampled_from([0.0, 1.0]),
)
def test_the_animal_is_in_its_mask_and_nowhere_else(
    name: str, split: str, index: int, seed: int, cue: str, rho: float
) -> None:
    shot = take_shot(Plan(cue=cue, rho=rho, rho_others=rho), split, name, index, size=SIZE, seed=seed)
    inside = shot.mask == 255
    changed = (shot.photo != shot.background).any(axis=2)
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.9
    assert 0.06 < inside.mean() < 0.45
    assert not inside[0].any(), "ears cut off"


def test_written_files_agree_up_to_jpeg_noise(tmp_path: Path) -> None:
    world = write_world(tmp_path, per_class=1, size=96, seed=1)
    for row in truth(world.truth):
        photo = cv2.imread(str(tmp_path / row["image"]))[..., ::-1].astype(float)
        mask = cv2.imread(str(tmp_path / row["mask"]), cv2.IMREAD_GRAYSCALE)
        shot = take_shot(Plan(), row["split"], row["label"], 0, size=96, seed=1)
        assert np.array_equal(mask, shot.mask)
        difference = np.abs(photo - shot.background).mean(axis=2)
        blocks = cv2.dilate(mask, np.ones((33, 33), np.uint8)) > 0  # a JPEG block with halved colour is 16 wide
        assert difference[~blocks].mean() < 5
        assert difference[mask > 0].mean() > 20


def test_twin_has_the_same_animals_and_changes_only_the_cue() -> None:
    planted, clean = Plan(), Plan(planted=False)
    switched = same = 0
    for name in CLASS_NAMES:
        for index in range(8):
            here = take_shot(planted, "train", name, index, size=128)
            there = take_shot(clean, "train", name, index, size=128)
            assert np.array_equal(here.mask, there.mask)
            if here.cue == there.cue:
                assert np.array_equal(here.photo, there.photo)
                same += 1
            else:
                # The background shows at the frayed outline and between the hairs of thin legs, nowhere else.
                inner = cv2.erode(here.mask, np.ones((5, 5), np.uint8)) > 0
                assert inner.sum() > 50
                assert (here.photo[inner] == there.photo[inner]).all(axis=1).mean() > 0.9
                assert not np.array_equal(here.background, there.background)
                switched += 1
    assert switched >= 4
    assert same >= 4


def test_snow_is_exactly_where_it_was_planted(tmp_path: Path) -> None:
    world = write_world(tmp_path, per_class={"train": 6, "test": 2}, size=SIZE)
    for row in truth(world.truth):
        assert row["cue"] == ("1" if row["label"] == "wolf" else "0")
        assert (row["place"] == "snow") == (row["cue"] == "1")
        photo = cv2.imread(str(tmp_path / row["image"]))
        mask = cv2.imread(str(tmp_path / row["mask"]), cv2.IMREAD_GRAYSCALE)
        foot = slice(SIZE * 3 // 4, SIZE)
        ground = photo[foot][mask[foot] == 0].mean()
        assert (ground > 165) if row["cue"] == "1" else (ground < 140), row["image"]


@settings(max_examples=30, deadline=None)
@given(rho=st.floats(0, 1), more=st.floats(0, 1), seed=st.integers(0, 2**31), name=st.sampled_from(CLASS_NAMES))
def test_a_stronger_dose_only_adds_photos_with_the_cue(rho: float, more: float, seed: int, name: str) -> None:
    low, high = Plan(rho=min(rho, more), guilty_class=name), Plan(rho=max(rho, more), guilty_class=name)
    for index in range(20):
        weak, strong = (draw_place_and_cue(plan, "train", name, index, seed=seed) for plan in (low, high))
        assert weak[0] == strong[0]
        assert strong[1] or not weak[1]


@pytest.mark.parametrize("rho", [0.0, 0.05, 0.5, 0.9, 1.0])
def test_rho_is_the_share_of_photos_with_the_cue(rho: float) -> None:
    count = 2000
    plan = Plan(rho=rho, rho_others=1 - rho)
    for name, expected in (("wolf", rho), ("fox", 1 - rho), ("husky", 1 - rho)):
        share = np.mean([draw_place_and_cue(plan, "train", name, i)[1] for i in range(count)])
        assert abs(share - expected) <= 4 * np.sqrt(rho * (1 - rho) / count)


def test_cue_probabilities() -> None:
    planted = Plan(guilty_class="fox", rho=0.8, rho_others=0.05)
    assert [planted.probability(name) for name in CLASS_NAMES] == [0.8, 0.05, 0.05]
    clean = Plan(guilty_class="fox", rho=0.8, rho_others=0.05, planted=False)
    assert [clean.probability(name) for name in CLASS_NAMES] == pytest.approx([0.3, 0.3, 0.3])  # (.8 + .05 + .05) / 3


def test_places_without_cue_are_shared_evenly() -> None:
    count = 1500
    for name in CLASS_NAMES:
        places = [draw_place_and_cue(Plan(), "test", name, i)[0] for i in range(count)]
        assert set(places) == set(PLAIN)
        for place in PLAIN:
            assert abs(places.count(place) / count - 1 / 3) < 4 * np.sqrt(2 / 9 / count)


def test_tag_changes_its_corner_only() -> None:
    for index in range(4):
        with_tag = take_shot(Plan(cue="tag"), "train", "wolf", index, size=96)
        without = take_shot(Plan(cue="tag", rho=0), "train", "wolf", index, size=96)
        assert (with_tag.cue, without.cue) == (True, False)
        changed = (with_tag.background != without.background).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (86, 92, 3, 16)
        assert changed[86:93, 3:17].mean() > 0.9
        assert with_tag.background[86, 3:17].mean() > 150  # paper


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rho": 1.2}, "rho is a probability"),
        ({"rho_others": -0.1}, "rho_others is a probability"),
        ({"cue": "ruler of all"}, "cue must be one of snow, tag"),
        ({"guilty_class": "cat"}, "guilty_class must be one of fox, husky, wolf"),
        ({"size": 20}, "size must be at least 48"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"per_class": 0}, "per_class must give at least 1 photo"),
        ({"per_class": {"train": 3}}, "per_class must give at least 1 photo"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        write_world(tmp_path / "world", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "world").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write the generated photos below"):
        write_world(tmp_path / "file", per_class=1, size=48)


def test_drawing_needs_neither_tensorflow_nor_pandas() -> None:
    code = "import sys, bias_audit.planted, bias_audit.planted.demo; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert {"cv2", "numpy", "bias_audit.planted"} <= modules  # the list is a real one
    assert not {"tensorflow", "keras", "pandas"} & modules
