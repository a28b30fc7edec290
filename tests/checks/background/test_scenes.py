"""Real scenes: which folders are taken, who lends a background, and what is computed of them by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from bias_audit.checks.background.class_effects import class_effects
from bias_audit.checks.background.real_loss import on_scenes
from bias_audit.checks.background.scenes import counts, notes, open_scenes, read_scenes
from bias_audit.checks.reliance import fills_disagree, second_fill_shows, unfilled
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.interventions.donors import NO_LABEL, choose_donors, plan
from bias_audit.run.statuses import DONE, FILLS_FRAME, NO_DONORS

PHOTOS = Dataset(tuple(Sample(f"{i}.png", Path(f"/photos/{i}.png"), i // 4) for i in range(8)), ("a", "b"), "folder")


def picture(path: Path, value: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((16, 16, 3), value, np.uint8))[1].tobytes())


def test_labels_of_the_folders(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/deep/2.png", "b/3.png", ".hidden/4.png"):
        picture(tmp_path / name)
    (tmp_path / "b" / "linked").symlink_to(tmp_path / "a")
    listed = open_scenes(tmp_path, PHOTOS)
    assert {each.image_id: each.label for each in listed.samples} == {"a/1.png": 0, "a/deep/2.png": 0, "b/3.png": 1}
    before = listed.fingerprint()
    picture(tmp_path / "b" / "5.png")
    assert open_scenes(tmp_path, PHOTOS).fingerprint() != before


def test_other_folders_are_of_no_class(tmp_path: Path) -> None:
    for name in ("office/1.png", "2.png"):
        picture(tmp_path / name)
    assert {each.label for each in open_scenes(tmp_path, PHOTOS).samples} == {NO_LABEL}


def test_a_broken_scene_lends_nothing_and_is_told(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "a" / f"{i}.png", 10 * i)
        picture(tmp_path / "b" / f"{i}.png", 200)
    (tmp_path / "b" / "1.png").write_text("no picture")
    geometry = Geometry((8, 8), 3, "stretch", "bilinear", MaskReading())
    read = read_scenes(open_scenes(tmp_path, PHOTOS), PHOTOS, geometry, 0, 5, lambda n: None, tmp_path)
    assert {label: sorted(positions) for label, positions in read.usable.items()} == {0: [8, 9, 10], 1: [11, 13]}
    assert {position for position, _ in read.pictures} == {8, 9, 10, 11, 13}
    assert read.pictures[9, "none"].mean() == 10
    assert [record["status"] for record in read.records] == ["ok"] * 4 + ["unreadable", "ok"]
    assert counts(read.records) == {"scenes": 6, "class_scenes": 6, "scenes_unreadable": 1}
    said = " ".join(notes(read.records))
    assert "5 real scenes without an object, per class lend the backgrounds" in said
    assert "1 of 6 scenes could not be read" in said
    assert "Fewer than 20 real scenes of a (3), b (2)" in said
    assert notes([]) == []
    assert counts([]) == {}


def test_scenes_are_the_only_donors() -> None:
    areas = {0: 0.3, 1: 0.3, 2: 0.8, 3: 0.95, 4: 0.3, 5: 0.3, 6: 0.3, 7: 0.3}
    todo = plan(PHOTOS, areas, photos=9, donors=3, seed=0, scenes={0: (8, 9, 10), 1: (11, 12)})
    assert todo.donors == {0: (8, 9, 10), 1: (11, 12)}
    assert todo.unfilled
    assert {todo.status[i] for i in (0, 1, 2, 4)} == {DONE}
    assert todo.status[3] == FILLS_FRAME
    same, other = choose_donors(todo.donors, 0, 0, "0.png", 3, 0)
    assert set(same) <= {8, 9, 10}
    assert set(other) == {11, 12}
    assert len(same) == len(other)
    alone = plan(PHOTOS, areas, photos=9, donors=3, seed=0, scenes={0: (8, 9), 1: ()})
    assert {alone.status[i] for i in (0, 1, 4)} == {NO_DONORS}


def test_scenes_of_no_class_leave_the_donors_as_they_are() -> None:
    areas = dict.fromkeys(range(8), 0.3)
    given, without = (
        plan(PHOTOS, areas, photos=9, donors=3, seed=0, scenes=scenes) for scenes in ({NO_LABEL: (8, 9)}, None)
    )
    assert given.donors == without.donors
    assert not given.unfilled


def test_the_loss_on_scenes_by_hand() -> None:
    """Own backgrounds .8 of five, scenes .5 of two: a loss of .3 in each of 20 photos, and an interval around it."""
    n = 20
    columns = {
        "label": "a", "intervention_status": "done", "same_background_accuracy": 0.8, "background_gap": 0.0,
        "other_background_accuracy": 0.8, "scene_background_accuracy": [0.0, 1.0] * (n // 2),
        "swap_log_odds": 0.0, "other_background_predicted": "a", "background_gap_second_fill": np.nan,
        "background_only_predicted": "b", "foreground_only_predicted": "a", "rests_on_background": False,
    }  # fmt: skip
    rest = ("random", "next", "neutral")
    read = pd.DataFrame({**columns, **{f"{name}_background_accuracy": 0.8 for name in rest}}, index=range(n))
    for name in ("adversarial", "adversarial_control", "cut_out_gain"):
        read[name] = False
    for name in (
        "control_right", "noisy_object_right", "noisy_background_right", "shapley_background_share",
        "cue_removal_effect", "grown_holes_donors",
    ):  # fmt: skip
        read[name] = np.nan
    row = class_effects(read, 10, 0)
    assert (row["scene_background_accuracy"], row["scene_loss"]) == pytest.approx((0.5, 0.3))
    assert row["scene_loss_low"] < 0.3 < row["scene_loss_high"]
    # Wilson, 10 of 20: .2993 to .7007
    assert (row["scene_low"], row["scene_high"]) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    said = on_scenes("a", row)
    assert len(said) == 1
    assert "50% [30 to 70] are recognised: a loss of 30 pp [" in said[0]


def test_no_fill_can_be_blamed_where_none_was_used() -> None:
    row = {
        "n_scenes": 8, "p_second_fill": 0.9, "background_gap_second_fill": 0.0, "background_gap": 0.4,
        "fill_difference": 0.4, "fill_difference_low": 0.3,
    }  # fmt: skip
    assert unfilled(row)
    assert second_fill_shows(row)
    assert not fills_disagree(row)
    filled = {**row, "n_scenes": 0}
    assert not second_fill_shows(filled)
    assert fills_disagree(filled)
