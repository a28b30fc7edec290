"""Slices of user columns: by hand, confounded with the class, in groups of photos, and in worlds without any bias."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, fisher_exact
from summed import images_table

from bias_audit import stats
from bias_audit.checks.slices.summary import MEASURES, grouped, slices_table
from bias_audit.run.tables import user_columns


def table(correct: list[bool], label: list[str] | None = None, **columns: list[Any]) -> pd.DataFrame:
    records = [
        {
            "image_id": f"{i:03d}.jpg",
            "label": label[i] if label else "a",
            "status": "ok",
            "predicted": "a" if right else "b",
            "correct": right,
            "attention_status": "no mask",
            "intervention_status": "no usable mask",
        }
        for i, right in enumerate(correct)
    ]
    return images_table(records, columns)


def score(images: pd.DataFrame, excess: Any = None, same: Any = None, other: Any = None) -> pd.DataFrame:
    """Attention and composites as if all images had them."""
    if excess is not None:
        images["background_excess_label"] = np.asarray(excess, float)
        images["attention_status"] = "ok"
    if same is not None:
        images["same_background_accuracy"], images["other_background_accuracy"] = same, other
        images["background_gap"] = np.asarray(same, float) - np.asarray(other, float)
        images["intervention_status"] = "done"
    return images


def row(frame: pd.DataFrame, column: str, value: str) -> pd.Series:
    return frame.set_index(["column", "value"]).loc[(column, value)]


def test_one_slice_pays() -> None:
    correct = [True] * 18 + [False] * 2 + [True] * 10 + [False] * 10
    images = table(correct, hospital=["A"] * 20 + ["B"] * 20)
    b = row(slices_table(images, user_columns(images)), "hospital", "B")
    assert (b["n"], b["accuracy"], b["rest_accuracy"]) == (20, 0.5, 0.9)
    assert b["difference"] == pytest.approx(-0.4)
    assert b["accuracy_within"] == pytest.approx(-0.4)  # one class: the same
    assert b["p_fisher"] == pytest.approx(fisher_exact([[10, 10], [18, 2]])[1])
    assert b["p_fdr"] == pytest.approx(b["p_fisher"])  # both slices have the same p, so the largest is unchanged
    assert (b["accuracy_low"], b["accuracy_high"]) == stats.wilson(10, 20)
    assert (b["accuracy_against"], b["accuracy_against_difference"]) == ("A", pytest.approx(-0.4))


def test_attention_and_gap_of_a_slice_by_hand() -> None:
    rng = np.random.default_rng(0)
    excess = np.append(rng.uniform(0.5, 0.9, 20), rng.uniform(0.1, 0.4, 20))
    same, other = np.ones(40), np.append([0.0] * 8 + [1.0] * 12, [1.0] * 40)[:40]
    images = score(table([True] * 40, camera=["new"] * 20 + ["old"] * 20), excess, same, other)
    new = row(slices_table(images, ["camera"], seed=3), "camera", "new")
    assert new["background_excess"] == pytest.approx(excess[:20].mean())
    assert (new["excess_low"], new["excess_high"]) == stats.mean_interval(excess[:20], seed=3)
    assert new["rest_excess"] == pytest.approx(excess[20:].mean())
    assert new["excess_within"] == pytest.approx(excess[:20].mean() - excess[20:].mean())
    assert new["excess_delta"] == 1
    assert new["p_excess"] == pytest.approx(1 / 2001)  # no order of 2000 is as extreme
    assert (new["background_gap"], new["rest_gap"], new["gap_within"]) == pytest.approx((0.4, 0, 0.4))
    assert (new["gap_low"], new["gap_high"]) == stats.paired_difference_interval(same[:20], other[:20])
    # all eight lost photos in one of two halves: 2 C(20, 8) / C(40, 8)
    assert new["p_gap"] == pytest.approx(2 * math.comb(20, 8) / math.comb(40, 8), abs=0.004)
    assert (new["n_attention"], new["n_interventions"]) == (20, 20)
    assert (new["excess_reason"], new["gap_reason"]) == ("ok", "ok")


def test_measures_that_no_image_has_say_why() -> None:
    images = table([True] * 40, camera=["new", "old"] * 20)
    frame = slices_table(images, ["camera"])
    assert frame["excess_reason"].tolist() == ["no mask"] * 2
    assert frame["gap_reason"].tolist() == ["no usable mask"] * 2
    assert frame[["background_excess", "excess_low", "p_excess", "background_gap", "p_gap"]].isna().all(axis=None)
    assert frame["n_attention"].tolist() == [0, 0]
    assert frame["reason"].tolist() == ["ok", "ok"]


def test_a_slice_without_a_measure_beside_one_that_has_it() -> None:
    images = score(table([True] * 40, camera=["new", "old"] * 20), np.linspace(0, 1, 40))
    images.loc[images["camera"] == "old", ["background_excess_label", "attention_status"]] = [np.nan, "mask too small"]
    frame = slices_table(images, ["camera"])
    old, new = row(frame, "camera", "old"), row(frame, "camera", "new")
    assert (old["n_attention"], old["excess_reason"]) == (0, "mask too small")
    assert "only 0 images in the slice or the rest" in new["excess_reason"]
    assert math.isnan(new["p_excess"])


def simpson() -> pd.DataFrame:
    """Hospital B sees the hard class mostly and is better in both: 95 vs 90 % and 60 vs 50 %."""
    correct, label, hospital = [], [], []
    for where, kind, n, right in (
        ("A", "easy", 80, 72),
        ("B", "easy", 20, 19),
        ("A", "hard", 20, 10),
        ("B", "hard", 80, 48),
    ):
        correct += [True] * right + [False] * (n - right)
        label += [kind] * n
        hospital += [where] * n
    return table(correct, label, hospital=hospital)


def test_simpsons_paradox_is_not_taken_for_a_worse_hospital() -> None:
    b = row(slices_table(simpson(), ["hospital"]), "hospital", "B")
    assert b["difference"] == pytest.approx(-0.15)
    assert fisher_exact([[67, 33], [82, 18]])[1] < 0.05  # what mixing the classes would conclude
    assert b["accuracy_within"] == pytest.approx(0.075)
    assert b["p_fisher"] > 0.2
    assert b["accuracy_against_low"] < 0 < b["accuracy_against_difference"] < b["accuracy_against_high"]


def test_a_slice_with_a_class_to_itself_cannot_be_told_from_it() -> None:
    correct = [True] * 30 + [False] * 30
    images = score(table(correct, ["a"] * 30 + ["b"] * 30, hospital=["A"] * 30 + ["B"] * 30), np.linspace(0, 1, 60))
    frame = slices_table(images, ["hospital"])
    assert frame["p_fisher"].isna().all()
    assert frame["accuracy_within"].isna().all()
    assert frame["accuracy"].tolist() == [1, 0]  # the numbers are still shown
    for reasons in (frame["reason"], frame["excess_reason"]):
        assert reasons.str.contains("no class that slice and rest share").all()


def test_small_slices_are_listed_but_not_tested() -> None:
    images = table([True] * 30, season=["dry"] * 27 + ["wet"] * 3)
    frame = slices_table(images, ["season"])
    assert frame["p_fisher"].isna().all()
    assert frame["reason"].str.contains("only 3 images").all()
    assert frame["accuracy_against"].tolist() == ["", ""]


def test_furthest_apart_with_intervals_for_all_pairs() -> None:
    correct = [True] * 27 + [False] * 3 + [True] * 21 + [False] * 9 + [True] * 15 + [False] * 15 + [False] * 5
    images = table(correct, site=["a"] * 30 + ["b"] * 30 + ["c"] * 30 + ["tiny"] * 5)
    frame = slices_table(images, ["site"])
    a, b, c = (row(frame, "site", value) for value in "abc")
    assert (a["accuracy_against"], a["accuracy_against_difference"]) == ("c", pytest.approx(0.4))
    assert (c["accuracy_against"], c["accuracy_against_difference"]) == ("a", pytest.approx(-0.4))
    assert abs(b["accuracy_against_difference"]) == pytest.approx(0.2)
    assert row(frame, "site", "tiny")["accuracy_against"] == ""  # too small for a pair, though furthest
    # three pairs: Newcombe's interval at 1 - .05/3 by hand
    (p_low, p_high), (q_low, q_high) = (stats.wilson(k, 30, 1 - 0.05 / 3) for k in (27, 15))
    low = 0.4 - math.hypot(0.9 - p_low, q_high - 0.5)
    high = 0.4 + math.hypot(p_high - 0.9, 0.5 - q_low)
    assert (a["accuracy_against_low"], a["accuracy_against_high"]) == pytest.approx((low, high))
    assert (c["accuracy_against_low"], c["accuracy_against_high"]) == pytest.approx((-high, -low))


def test_unreadable_images_belong_to_no_slice() -> None:
    images = table([True] * 24, season=["dry", "wet"] * 12)
    images.loc[images.index[:4], "status"] = "unreadable"
    assert slices_table(images, ["season"])["n"].tolist() == [10, 10]


def test_photos_of_a_patient_count_as_one() -> None:
    """Twelve patients of ten photos in each hospital; all photos of a patient fare alike."""
    patient = np.repeat(np.arange(24), 10)
    right = np.repeat([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], 10).astype(bool)
    images = table(list(right), hospital=["A"] * 120 + ["B"] * 120)
    codes = pd.Series(patient, index=images.index)
    naive = row(slices_table(images, ["hospital"]), "hospital", "B")
    b = row(slices_table(images, ["hospital"], groups=codes), "hospital", "B")
    assert (b["accuracy"], b["n"]) == (naive["accuracy"], 120)
    assert (b["accuracy_low"], b["accuracy_high"]) == stats.rate_interval(right[120:], groups=patient[120:])
    assert naive["p_fisher"] < 1e-6
    # 1 against 5 wrong of 12: hypergeometric, two-sided, .155
    assert b["p_fisher"] == pytest.approx(fisher_exact([[7, 5], [11, 1]])[1], abs=0.03)
    nine = slices_table(images, ["hospital"], groups=codes // 2)
    assert nine["reason"].str.contains("only 6 groups").all()


def test_what_makes_groups() -> None:
    assert grouped(pd.Series(["x"] * 20)) is None
    assert grouped(pd.Series([f"patient {i}" for i in range(20)])) is None  # names images
    assert grouped(pd.Series([f"patient {i}" for i in range(60)] * 2)) is None  # too many
    ages = grouped(pd.Series([*range(40), None], dtype="object"))
    assert ages is not None
    assert ages.nunique() == 4
    assert ages.isna().sum() == 1
    few = grouped(pd.Series([0, 1, 1, 0, np.nan]))
    assert few is not None
    assert few.isna().sum() == 1


def test_missing_values_belong_to_no_slice_and_to_no_rest() -> None:
    images = table([True] * 20 + [False] * 20 + [True] * 20, site=["a"] * 20 + ["b"] * 20 + [None] * 20)
    a = row(slices_table(images, ["site"]), "site", "a")
    assert (a["n"], a["rest_accuracy"]) == (20, 0)


def test_no_user_columns() -> None:
    images = table([True] * 5)
    assert user_columns(images) == []
    assert slices_table(images, []).empty


@pytest.mark.slow
def test_slices_of_nothing_are_rarely_found() -> None:
    """Three classes of unlike level, two columns without any effect, one of them mixed unlike the classes."""
    rng = np.random.default_rng(0)
    worlds, mixed = 30, 0
    found = dict.fromkeys((measure.fdr for measure in MEASURES), 0)
    for seed in range(worlds):
        label = rng.choice(list("abc"), 150)
        level = np.array([{"a": 0.95, "b": 0.8, "c": 0.6}[one] for one in label])
        site = np.where(rng.random(150) < level**3, rng.choice(["x", "y"], 150), "z")
        day = rng.choice(list("uvw"), 150)
        images = table(list(rng.random(150) < level), list(label), site=list(site), day=list(day))
        same, other = rng.binomial(5, level) / 5, rng.binomial(5, level) / 5
        images = score(images, rng.exponential(1.2 - level), same, other)
        frame = slices_table(images, ["site", "day"], seed=seed)
        assert frame["p_fisher"].notna().all()
        for name in found:
            found[name] += int((frame[name] <= 0.05).any())
        blind = slices_table(images.assign(label="any"), ["site"], seed=seed)
        mixed += int((blind["p_excess_fdr"] <= 0.05).any())
    assert max(found.values()) <= binom.ppf(0.999, worlds, 0.05), found
    assert mixed > binom.ppf(0.999, worlds, 0.05), "classes mixed: the test can fail"


def test_more_slices_have_more_permutations():
    """Sixty-one columns of two slices: 122 p-values of each measure are corrected together, with 40 draws for each."""
    labels = ["a", "b"] * 20
    old = [i >= 20 for i in range(40)]
    records = [
        {
            "image_id": f"{i}.jpg", "label": label, "status": "ok", "correct": True, "attention_status": "ok",
            "background_excess_label": 0.9 if late else 0.1, "intervention_status": "no usable mask",
        }
        for i, (label, late) in enumerate(zip(labels, old, strict=True))
    ]  # fmt: skip
    camera = {"camera": ["old" if late else "new" for late in old]}
    others = {f"column {i}": ["x" if (j // (1 + i % 10)) % 2 else "y" for j in range(40)] for i in range(60)}
    few, many = (images_table(records, user) for user in (camera, {**camera, **others}))
    p = {
        len(table): table.loc[0, "p_excess"]
        for table in (slices_table(each, user_columns(each)) for each in (few, many))
    }
    assert p == {2: 1 / 2001, 122: 1 / 4881}
