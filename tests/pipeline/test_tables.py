"""From composites to columns, by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from summed import images_table, summed, with_interventions

from bias_audit.checks.background.class_effects import Elsewhere, relative_foreground_sensitivity
from bias_audit.checks.background.photo_effects import shapley_background_share
from bias_audit.checks.reasons import TOO_FEW, TOO_FEW_GROUPS
from bias_audit.heatmaps.permutation_tie import Tie
from bias_audit.run.folder import Run
from bias_audit.run.statuses import indices_of, predictions_of
from bias_audit.run.tables import confusion_table, read_table, table, table_files, write_table

NAMES = ("husky", "wolf")
BLANK = np.array([-1.0, 1.0])
"""Log-odds of a black picture: it looks a little like a wolf."""


def record(image_id: str, predicted: str = "husky", **more: object) -> dict:
    label = image_id.split("/")[0]
    return {
        "image_id": image_id, "label": label, "status": "ok", "predicted": predicted, "correct": predicted == label,
        "probability_label": 0.9, "intervention_status": "done", "mask_status": "ok", "attention_status": "ok",
        "log_odds_label": 3.0, **more,
    }  # fmt: skip


def made(photo: int, label: int, arm: str, predicted: int, p: float = 0.9, **more: object) -> dict:
    """One composite; p is the probability of the predicted class."""
    own = p if predicted == label else 1 - p
    return {
        "photo": photo, "label": label, "arm": arm, "fill": "inpaint", "donor": -1, "donor_label": -1,
        "predicted": predicted, "probability": own, "probability_predicted": p,
        "log_odds": float(np.log(own / (1 - own))), "donor_probability": np.nan, **more,
    }  # fmt: skip


def rows(photo: int, label: int, same: list[int], other: list[int], alone: tuple[int, float]) -> list[dict]:
    return [
        *[made(photo, label, "same", predicted, donor=0, donor_label=label) for predicted in same],
        *[made(photo, label, "other", predicted, donor=0, donor_label=1 - label) for predicted in other],
        made(photo, label, "background_only", *alone),
        made(photo, label, "foreground_only", label, 0.8, fill="black"),
    ]


def test_one_photo():
    records = [record("husky/1.jpg")]
    composites = pd.DataFrame(rows(0, 0, same=[0, 0, 0, 1], other=[1, 1, 1, 0], alone=(0, 0.7)))
    records = with_interventions(records, composites, NAMES, BLANK)
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
    records = with_interventions(records, frame, NAMES, BLANK)
    assert records[0]["background_gap"] == 1
    assert records[0]["background_gap_second_fill"] == pytest.approx(2 / 3 - 1 / 3)
    assert records[0]["background_only_predicted"] == "husky"
    assert records[0]["background_only_predicted_second_fill"] == "wolf"
    husky = summed(records, frame, NAMES)[1].loc["husky"]
    assert husky["background_gap_second_fill"] == pytest.approx(1 / 3)
    assert husky["fill_disagreement"] == pytest.approx(2 / 3)
    assert husky["p_second_fill"] == pytest.approx(2 / 2**10)
    assert husky["fill_difference"] == pytest.approx(2 / 3)
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
    records = with_interventions(records, pd.DataFrame(rows(0, 0, [0, 0, 0], other, alone)), NAMES, BLANK)
    assert records[0]["rests_on_background"] is False


NONE = 2
"""What is predicted where none of the two classes is."""


def test_a_photo_that_becomes_none_of_these():
    """3 of 4 composites on other backgrounds are none of the classes; recognised are 3 of 4 on its own, 0 on others."""
    records = [record("husky/1.jpg")]
    composites = pd.DataFrame(rows(0, 0, [0, 0, 0, NONE], [NONE, NONE, NONE, 1], alone=(NONE, 0.9)))
    made_of = with_interventions(records, composites, NAMES, BLANK)
    assert made_of[0]["same_background_accuracy"] == 0.75
    assert made_of[0]["other_background_accuracy"] == 0
    assert made_of[0]["other_background_predicted"] == "none of these"
    assert made_of[0]["background_only_predicted"] == "none of these"
    assert made_of[0]["rests_on_background"] is False
    husky = summed(made_of, composites, NAMES)[1].loc["husky"]
    assert (husky["becomes"], husky["background_gap"], husky["background_only_accuracy"]) == ("none of these", 0.75, 0)


def test_a_photo_that_is_none_of_these_rests_on_nothing():
    """None of the classes with the object, surely none without it, and one of them on other backgrounds."""
    composites = pd.DataFrame(rows(0, 0, [NONE, NONE], [1, 1], alone=(NONE, 0.9)))
    made_of = with_interventions([record("husky/1.jpg", "none of these")], composites, NAMES, BLANK)
    assert made_of[0]["rests_on_background"] is False
    assert made_of[0]["same_background_accuracy"] == 0


def test_a_class_that_is_called_so_keeps_its_index():
    names = ("husky", "none of these")
    assert (indices_of(names), predictions_of(names)[1]) == ({"husky": 0, "none of these": 1}, "none of these")
    assert indices_of(NAMES) == {"husky": 0, "wolf": 1, "none of these": NONE}
    composites = pd.DataFrame(rows(0, 0, [0, 0], [1, 1], alone=(1, 0.9)))
    made_of = with_interventions([record("husky/1.jpg", "none of these")], composites, names, BLANK)
    assert made_of[0]["other_background_predicted"] == "none of these"


def test_photos_count_once_whatever_their_composites():
    """Ten photos, eight lost by majority on other backgrounds, none gained: McNemar 2 * .5^8, n = 10."""
    records, composites = [], []
    for photo in range(10):
        records.append(record(f"husky/{photo}.jpg"))
        lost = photo < 8
        composites += rows(photo, 0, [0, 0, 0], [1, 1, 0] if lost else [0, 0, 1], (0, 0.9))
    frame = pd.DataFrame(composites)
    records = with_interventions(records, frame, NAMES, BLANK)
    table = summed(records, frame, NAMES)[1]
    husky = table.loc["husky"]
    assert husky["p_mcnemar"] == pytest.approx(2 * 0.5**8)
    # Every photo lost 2/3 or 1/3, so only the two patterns of equal signs are as extreme: 2 of 2^10.
    assert husky["p_sign_flip"] == pytest.approx(2 / 2**10)
    assert husky["p_fdr"] == husky["p_sign_flip"]  # one class was tested
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
    records = with_interventions(records, frame, NAMES, BLANK)
    husky = summed(records, frame, NAMES)[1].loc["husky"]
    assert husky["background_gap"] == 1
    assert np.isnan(husky["p_sign_flip"])
    assert np.isnan(husky["p_mcnemar"])
    assert husky["reliance_reason"] == "only 3 photos, 10 needed for a test"
    assert husky["reliance_reason_code"] == TOO_FEW


def test_attention_of_a_class_by_hand():
    names = ("fox", "husky", "wolf")
    scores = {"background_share": 0.4, "background_share_low": 0.3, "background_share_high": 0.6, "pointing_game": 1.0}
    records = [
        record("husky/1.jpg", **scores, background_excess_label=0.2, iou_half_maximum=0.5, background_excess_box=0.1),
        record("husky/2.jpg", **scores, background_excess_label=0.4, iou_half_maximum=0.3, background_excess_box=0.5),
        record("husky/3.jpg", background_share=0.9, background_excess_label=np.nan),  # not scored: counts nowhere
        record("wolf/1.jpg", "wolf", attention_status="no mask"),
    ]
    ties = {
        "fox": Tie(0, "only 0 images, 10 needed", np.nan, np.nan, np.nan, np.zeros(0), (), "too few images"),
        "husky": Tie(12, "ok", 0.1, 0.4, 0.02, np.zeros(12), ("ok",) * 12, "ok"),
        "wolf": Tie(15, "ok", 0.2, 0.5, 0.01, np.zeros(15), ("ok",) * 15, "ok"),
    }
    table = summed(records, names=names, ties=ties)[1]
    husky = table.loc["husky"]
    assert husky["n_attention"] == 2
    assert husky["background_excess"] == pytest.approx(0.3)
    assert husky["background_excess_box"] == pytest.approx(0.3)
    assert np.isnan(husky["background_excess_dilated"])
    assert husky["iou_half_maximum"] == pytest.approx(0.4)
    shares = ["background_share_low", "background_share", "background_share_high"]
    assert husky[shares].tolist() == pytest.approx([0.3, 0.4, 0.6])
    assert husky[["tie_effect", "tie_effect_perfect", "n_tie", "tie_reason"]].tolist() == [0.1, 0.4, 12, "ok"]
    # two tests: .02 stays, .01 is doubled
    assert table["tie_p_fdr"].tolist() == pytest.approx([np.nan, 0.02, 0.02], nan_ok=True)
    assert table.loc["fox", "tie_reason"] == "no readable images"


def test_confusion_shares_sum_to_one_and_skip_the_unreadable():
    records = [
        record("husky/1.jpg"),
        record("husky/2.jpg", "wolf"),
        record("husky/3.jpg", "wolf"),
        record("wolf/1.jpg", "wolf"),
    ]
    records.append({"image_id": "wolf/2.jpg", "label": "wolf", "status": "unreadable"})
    table = confusion_table(images_table(records)).set_index(["label", "predicted"])
    assert table.loc[("husky", "wolf"), "n"] == 2
    assert table.loc[("husky", "wolf"), "share"] == pytest.approx(2 / 3)
    assert table.loc[("wolf", "wolf"), "share"] == 1


def test_user_columns_are_kept_and_never_hide_ours():
    table = images_table([record("husky/1.jpg")], {"hospital": ["A"], "status": ["theirs"]})
    assert table.loc["husky/1.jpg", "hospital"] == "A"
    assert table.loc["husky/1.jpg", "status"] == "ok"
    assert table.loc["husky/1.jpg", "user_status"] == "theirs"


def test_every_experiment_of_a_photo_by_hand():
    """Wrong as it is (wolf), right on three of four backdrops; K = 2."""
    composites = pd.DataFrame(
        [
            *[made(0, 0, "same", predicted, p) for predicted, p in ((0, 0.9), (0, 0.8))],
            *[made(0, 0, "other", predicted, p) for predicted, p in ((1, 0.6), (0, 0.7))],
            made(0, 0, "next", 1),
            *[made(0, 0, "background_only", predicted, 0.7, fill=fill)
              for fill, predicted in (("inpaint", 1), ("blur_noise", 0), ("tile", 0), ("constant", 1))],
            *[made(0, 0, "foreground_only", predicted, 0.8, fill=fill)
              for fill, predicted in (("black", 0), ("grey", 0), ("blurred", 1), ("noise", 0))],
            made(0, 0, "control_hole", 0), made(0, 0, "control_hole", 1, fill="blur_noise"),
            made(0, 0, "noisy_object", 1, fill=""), made(0, 0, "noisy_background", 0, fill=""),
            made(0, 0, "cue_removed", 1, 0.75), made(0, 0, "cue_removed_control", 0, 0.65),
            made(0, 0, "cue_lent", 1, 0.9, donor=3, donor_label=1, donor_probability=0.9),
            made(0, 0, "cue_lent_control", 1, 0.7, donor=3, donor_label=1, donor_probability=0.7),
        ]
    )  # fmt: skip
    records = [record("husky/1.jpg", "wolf", log_odds_label=-2.0)]
    records = with_interventions(records, composites, NAMES, BLANK)
    row = records[0]
    odds = {p: np.log(p / (1 - p)) for p in (0.9, 0.8, 0.7, 0.4, 0.3)}
    assert row["swap_log_odds"] == pytest.approx((odds[0.9] + odds[0.8]) / 2 - (odds[0.4] + odds[0.7]) / 2)
    assert row["random_background_accuracy"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 0.5)
    assert row["next_background_accuracy"] == 0
    assert (row["adversarial"], row["adversarial_control"]) == (None, None)  # wrong as it is
    assert row["background_only_fills"] == 0.5
    assert row["neutral_background_accuracy"] == 0.75
    assert row["cut_out_gain"] is True
    assert (row["control_right"], row["control_right_second_fill"]) == (1, 0)
    assert (row["noisy_object_right"], row["noisy_background_right"]) == (0, 1)
    assert row["cue_removal_effect"] == pytest.approx(0.65 - 0.25)
    assert row["cue_lent_effect"] == pytest.approx(0.2)
    assert row["cue_lent_class"] == "wolf"
    # T11 = -2 as it is, T10 the object on black, T01 emptied, T00 black; phi_bg and phi_fg as in
    # docs/science.md#shapley-share.
    t11, t10, t01, t00 = -2.0, odds[0.8], odds[0.3], -1.0
    background, thing = ((t11 - t10) + (t01 - t00)) / 2, ((t11 - t01) + (t10 - t00)) / 2
    assert row["shapley_background_share"] == pytest.approx(background / (abs(background) + abs(thing)))


def test_what_was_not_tried_stays_empty():
    records = [record("husky/1.jpg"), record("husky/2.jpg")]
    records = with_interventions(records, pd.DataFrame(rows(1, 0, [0], [0], (0, 0.9))), NAMES, BLANK)
    assert records[0]["background_gap"] is None
    assert records[1]["adversarial"] is False
    for name in ("next_background_accuracy", "control_right", "cue_removal_effect", "cut_out_gain"):
        assert records[1][name] is None
    assert records[1]["cue_lent_class"] == ""
    table = images_table(records)
    assert table["reliance_rank"].tolist() == [pd.NA, 1]
    assert table.loc["husky/2.jpg", "cue_lent_class"] == ""


def test_the_worst_of_several_backgrounds_has_a_control_of_equally_many():
    records = [record(f"husky/{i}.jpg") for i in range(3)]
    composites = [
        *rows(0, 0, [0, 1], [0, 1], (0, 0.9)),  # any paste costs it
        *rows(1, 0, [0, 0, 1], [0, 1], (0, 0.9)),  # the third of its own class has no counterpart
        *rows(2, 0, [0, 1], [0], (0, 0.9)),
    ]
    records = with_interventions(records, pd.DataFrame(composites), NAMES, BLANK)
    turned = [(each["adversarial"], each["adversarial_control"]) for each in records]
    assert turned == [(True, True), (True, False), (False, False)]


def test_photos_are_ranked_by_what_they_rest_on():
    records = [record(f"husky/{i}.jpg") for i in range(4)]
    composites = [
        *rows(0, 0, [0, 0], [0, 0], (0, 0.9)),  # holds everywhere
        *rows(1, 0, [0, 0], [1, 1], (1, 0.9)),  # falls, but needs its object
        *rows(2, 0, [0, 0], [1, 1], (0, 0.9)),  # rests on the background
        *rows(3, 0, [0, 0], [1, 0], (1, 0.9)),  # falls on half of the backgrounds
    ]
    records = with_interventions(records, pd.DataFrame(composites), NAMES, BLANK)
    assert images_table(records)["reliance_rank"].tolist() == [4, 2, 1, 3]


@pytest.mark.parametrize(
    ("both", "thing", "background", "neither", "share"),
    [
        (4, 4, 0, 0, 0),  # the object gives all
        (4, 0, 4, 0, 1),  # the background gives all
        (4, 2, 2, 0, 0.5),  # half each
        (2, 4, -2, 0, -2 / 6),  # phi_bg = ((2-4)+(-2-0))/2 = -2, phi_fg = ((2+2)+(4-0))/2 = 4
        (1, 1, 1, 1, np.nan),  # nothing moves it
    ],
)
def test_shapley_share(both, thing, background, neither, share):
    values = (np.array([value], float) for value in (both, thing, background, neither))
    assert shapley_background_share(*values)[0] == pytest.approx(share, nan_ok=True)


@pytest.mark.parametrize(
    ("noisy_object", "noisy_background", "expected"),
    [
        (0.4, 0.8, 0.4 / 0.8),  # mean .6: 2 min(.6, .4)
        (0.3, 0.1, -0.2 / 0.4),
        (0, 1, 1),
        (1, 1, np.nan),
        (0, 0, np.nan),
    ],
)
def test_relative_foreground_sensitivity(noisy_object, noisy_background, expected):
    assert relative_foreground_sensitivity(noisy_object, noisy_background) == pytest.approx(expected, nan_ok=True)


def test_class_columns_of_the_further_experiments():
    """Twelve huskies; a control hole beside ten of them, eight right with it, three right without the object."""
    records, composites = [], []
    for photo in range(12):
        wrong = photo >= 10
        records.append(record(f"husky/{photo}.jpg", "wolf" if wrong else "husky"))
        composites += rows(photo, 0, [0, 0, 0], [0, 0, 1 if photo < 6 else 0], (0 if photo < 3 else 1, 0.9))
        if photo < 10:
            composites.append(made(photo, 0, "control_hole", 0 if photo < 8 else 1))
        composites.append(made(photo, 0, "cue_removed", 1, 0.6))  # .4 for the husky
        composites.append(made(photo, 0, "cue_removed_control", 0, 0.7 + 0.01 * photo))
        composites += [made(photo, 0, "foreground_only", 0, 0.8, fill=fill) for fill in ("grey", "noise", "blurred")]
    for photo in range(12, 24):  # wolves behind which the attended background of huskies is put
        records.append(record(f"wolf/{photo}.jpg", "wolf"))
        composites += rows(photo, 1, [1], [1], (1, 0.9))
        lent = {"donor": 0, "donor_label": 0}
        composites.append(made(photo, 1, "cue_lent", 0, 0.8, **lent, donor_probability=0.8))
        composites.append(made(photo, 1, "cue_lent_control", 1, 0.7, **lent, donor_probability=0.3))
    frame = pd.DataFrame(composites)
    records = with_interventions(records, frame, NAMES, BLANK)
    table = summed(records, frame, NAMES)[1]
    husky = table.loc["husky"]
    # Ten are recognised as they are; of six of them one of three other backgrounds takes the label, none of their own.
    assert (husky["adversarial"], husky["n_adversarial"], husky["adversarial_control"]) == (0.6, 10, 0)
    assert husky["removal_effect"] == pytest.approx(0.8 - 0.3)
    assert husky["removal_low"] < 0.5 < husky["removal_high"]
    assert husky["n_control"] == 10
    assert (husky["cut_out_gain"], husky["n_cut_out_gain"]) == (1, 2)
    assert husky["cue_removal_effect"] == pytest.approx(0.3 + 0.055)
    assert husky["p_cue_removal"] == pytest.approx(2 / 2**12)
    assert husky["cue_lent_effect"] == pytest.approx(0.5)
    assert husky["n_cue_lent"] == 12
    assert husky["p_cue_lent_fdr"] == husky["p_cue_lent"] == pytest.approx(2 / 2**12)
    assert np.isnan(table.loc["wolf", "p_cue_lent"])
    assert husky["background_only_elsewhere"] == 0
    assert table.loc["wolf", "background_only_elsewhere"] == pytest.approx(9 / 12)


def test_without_its_object_a_class_is_compared_with_the_class_nearest_to_it():
    """Emptied: of 10 of a 6 are called c, of 10 of b 1, of the 2 of d both; d alone is too small to speak."""
    called = {"a": ["c"] * 6 + ["b"] * 4, "b": ["c"] + ["a"] * 9, "c": ["c"] * 10, "d": ["c"] * 2}
    frame = pd.DataFrame(
        [(label, name, 0.0) for label, names in called.items() for name in names],
        columns=["label", "background_only_predicted", "background_gap"],
    )
    assert Elsewhere(frame, min_photos=10).of("c") == 1.0  # classes too small count together: d
    assert Elsewhere(frame[frame["label"] != "d"], min_photos=10).of("c") == 0.6
    assert Elsewhere(frame[frame["label"] != "d"], min_photos=11).of("c") == pytest.approx(7 / 20)
    assert np.isnan(Elsewhere(frame[frame["label"] == "c"]).of("c"))


def test_a_patient_counts_once():
    """Thirty photos of three patients: enough photos, too few patients."""
    records, composites = [], []
    for photo in range(30):
        records.append(record(f"husky/{photo:02d}.jpg"))
        composites += rows(photo, 0, [0, 0, 0], [1, 1, 1], (0, 0.9))
    frame = pd.DataFrame(composites)
    records = with_interventions(records, frame, NAMES, BLANK)
    patients = [photo // 10 for photo in range(30)]
    husky = summed(records, frame, NAMES, groups=patients)[1].loc["husky"]
    assert (husky["n_interventions"], husky["n_units"]) == (30, 3)
    assert husky["reliance_reason"] == "only 3 groups of photos, 10 needed for a test"
    assert husky["reliance_reason_code"] == TOO_FEW_GROUPS
    assert np.isnan(husky["p_sign_flip"])
    assert husky["background_gap"] == 1
    pairs = [photo // 2 for photo in range(30)]
    husky = summed(records, frame, NAMES, groups=pairs)[1].loc["husky"]
    assert husky["p_sign_flip"] < 0.001
    assert np.isnan(husky["p_mcnemar"])  # a photo of a pair is no trial of its own


@pytest.mark.parametrize("rows", [1, 4, 5])
def test_a_table_that_is_written_in_pieces_is_that_of_one(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CSV byte for byte, the Parquet file value for value; its groups are the pieces."""
    images = images_table(
        [record(f"wolf/{i}.jpg", probability=None if i == 2 else i / 7, correct=i % 2 == 0) for i in range(5)]
    )
    images["day"] = [f"=2026-01-0{i}" for i in range(5)]
    whole = table_files("images", images)
    monkeypatch.setattr("bias_audit.run.tables.ROWS", rows)
    run = Run(tmp_path)
    write_table(run, "images", images)
    assert (tmp_path / "images.csv").read_bytes() == whole["images.csv"]
    again = read_table(tmp_path, "images", run.digests)
    pd.testing.assert_frame_equal(again, pd.read_parquet(io.BytesIO(whole["images.parquet"])).set_index("image_id"))
    assert pq.ParquetFile(tmp_path / "images.parquet").num_row_groups == -(-5 // rows)


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_table(run, "images", table("images", []))
    read = read_table(tmp_path, "images", run.digests)
    assert read.empty
    assert list(read.columns) == list(table("images", []).columns)
    assert (tmp_path / "images.csv").read_text(encoding="utf-8").count("\n") == 1
