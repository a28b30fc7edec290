"""From composites to columns, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bias_audit.tables import add_interventions, classes_table, confusion_table, images_table

NAMES = ("husky", "wolf")


def record(image_id: str, predicted: str = "husky", **more: object) -> dict:
    label = image_id.split("/")[0]
    return {
        "image_id": image_id, "label": label, "status": "ok", "predicted": predicted, "correct": predicted == label,
        "probability_label": 0.9, "intervention_status": "done", "mask_status": "ok", "attention_status": "ok", **more,
    }  # fmt: skip


def rows(photo: int, label: int, same: list[int], other: list[int], alone: tuple[int, float]) -> list[dict]:
    made = [("same", label, predicted, 0.9) for predicted in same]
    made += [("other", 1 - label, predicted, 0.9) for predicted in other]
    made += [("background_only", -1, *alone), ("foreground_only", -1, label, 0.8)]
    return [
        {"photo": photo, "arm": arm, "fill": "inpaint", "donor": 0, "donor_label": donor,
         "predicted": predicted, "label": label,
         "probability": p if predicted == label else 1 - p, "probability_predicted": p}
        for arm, donor, predicted, p in made
    ]  # fmt: skip


def test_one_photo():
    records = [record("husky/1.jpg")]
    composites = pd.DataFrame(rows(0, 0, same=[0, 0, 0, 1], other=[1, 1, 1, 0], alone=(0, 0.7)))
    add_interventions(records, composites, NAMES)
    assert records[0]["same_background_accuracy"] == 0.75
    assert records[0]["other_background_accuracy"] == 0.25
    assert records[0]["background_gap"] == 0.5
    assert records[0]["other_background_predicted"] == "wolf"
    assert records[0]["background_only_probability"] == pytest.approx(0.7)
    assert records[0]["rests_on_background"] is True


def test_the_second_fill_has_columns_of_its_own():
    records, composites = [], []
    for photo in range(10):
        records.append(record(f"husky/{photo}.jpg"))
        composites += rows(photo, 0, [0, 0, 0], [1, 1, 1], (0, 0.9))
        second = rows(photo, 0, [0, 0, 1], [1, 0, 1], (1 if photo < 4 else 0, 0.9))
        composites += [{**row, "fill": "blur_noise"} for row in second if row["arm"] != "foreground_only"]
    frame = pd.DataFrame(composites)
    add_interventions(records, frame, NAMES)
    assert records[0]["background_gap"] == 1
    assert records[0]["background_gap_second_fill"] == pytest.approx(2 / 3 - 1 / 3)
    assert records[0]["background_only_predicted"] == "husky"
    assert records[0]["background_only_predicted_second_fill"] == "wolf"
    husky = classes_table(images_table(records, {}, 20), frame, NAMES, seed=0, min_photos=10).loc["husky"]
    assert husky["background_gap_second_fill"] == pytest.approx(1 / 3)
    assert husky["fill_disagreement"] == pytest.approx(2 / 3)
    assert husky["background_only_second_fill"] == pytest.approx(0.6)
    assert husky["second_fill_low"] < 1 / 3 < husky["second_fill_high"]
    assert husky["p_sign_flip"] == pytest.approx(2 / 2**10)  # all ten photos lose: 2 of 1024 sign patterns
    assert husky["attract_low"] is not None


@pytest.mark.parametrize(
    ("other", "alone"),
    [([0, 0, 0], (0, 0.9)), ([1, 1, 1], (1, 0.9)), ([1, 1, 1], (0, 0.5))],
    ids=["survives other backgrounds", "dies without the object", "is unsure without it"],
)
def test_what_does_not_rest_on_the_background(other, alone):
    records = [record("husky/1.jpg")]
    add_interventions(records, pd.DataFrame(rows(0, 0, [0, 0, 0], other, alone)), NAMES)
    assert records[0]["rests_on_background"] is False


def test_photos_count_once_whatever_their_composites():
    """Ten photos, eight lost by majority on other backgrounds, none gained: McNemar 2 * .5^8, n = 10."""
    records, composites = [], []
    for photo in range(10):
        records.append(record(f"husky/{photo}.jpg"))
        lost = photo < 8
        composites += rows(photo, 0, [0, 0, 0], [1, 1, 0] if lost else [0, 0, 1], (0, 0.9))
    frame = pd.DataFrame(composites)
    add_interventions(records, frame, NAMES)
    table = classes_table(images_table(records, {}, 20), frame, NAMES, seed=0, min_photos=10)
    husky = table.loc["husky"]
    assert husky["p_mcnemar"] == pytest.approx(2 * 0.5**8)
    assert husky["p_fdr"] == husky["p_mcnemar"]  # one class was tested
    assert husky["other_background_accuracy"] == pytest.approx((8 / 3 + 2 * 2 / 3) / 10)
    assert husky["background_gap"] == pytest.approx(1 - (8 / 3 + 4 / 3) / 10)
    assert husky["gap_low"] < husky["background_gap"] < husky["gap_high"]
    assert (husky["flipped"], husky["becomes"], husky["n_interventions"]) == (8, "wolf", 10)
    wolf = table.loc["wolf"]
    assert np.isnan(wolf["background_gap"])
    assert (wolf["n"], wolf["reliance_reason"]) == (0, "no readable images")


def test_too_few_photos_are_counted_but_not_tested():
    records, composites = [], []
    for photo in range(3):
        records.append(record(f"husky/{photo}.jpg"))
        composites += rows(photo, 0, [0], [1], (0, 0.9))
    frame = pd.DataFrame(composites)
    add_interventions(records, frame, NAMES)
    husky = classes_table(images_table(records, {}, 20), frame, NAMES, seed=0, min_photos=10).loc["husky"]
    assert husky["background_gap"] == 1
    assert np.isnan(husky["p_mcnemar"])
    assert husky["reliance_reason"] == "only 3 photos, 10 needed for a test"


def test_confusion_shares_sum_to_one_and_skip_the_unreadable():
    records = [
        record("husky/1.jpg"),
        record("husky/2.jpg", "wolf"),
        record("husky/3.jpg", "wolf"),
        record("wolf/1.jpg", "wolf"),
    ]
    records.append({"image_id": "wolf/2.jpg", "label": "wolf", "status": "unreadable"})
    table = confusion_table(images_table(records, {}, 20)).set_index(["label", "predicted"])
    assert table.loc[("husky", "wolf"), "n"] == 2
    assert table.loc[("husky", "wolf"), "share"] == pytest.approx(2 / 3)
    assert table.loc[("wolf", "wolf"), "share"] == 1


def test_user_columns_are_kept_and_never_hide_ours():
    table = images_table([record("husky/1.jpg")], {"hospital": ["A"], "status": ["theirs"]}, 20)
    assert table.loc["husky/1.jpg", "hospital"] == "A"
    assert table.loc["husky/1.jpg", "status"] == "ok"
    assert table.loc["husky/1.jpg", "user_status"] == "theirs"
