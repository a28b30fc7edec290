"""Slices of user columns, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from bias_audit.slices import grouped, slices_table
from bias_audit.tables import images_table, user_columns


def table(correct: list[bool], **columns: list) -> pd.DataFrame:
    records = [
        {
            "image_id": f"a/{i:03d}.jpg",
            "label": "a",
            "status": "ok",
            "predicted": "a" if right else "b",
            "correct": right,
        }
        for i, right in enumerate(correct)
    ]
    return images_table(records, columns, 20)


def test_one_slice_pays():
    correct = [True] * 18 + [False] * 2 + [True] * 10 + [False] * 10
    images = table(correct, hospital=["A"] * 20 + ["B"] * 20)
    frame = slices_table(images, user_columns(images)).set_index(["column", "value"])
    b = frame.loc[("hospital", "B")]
    assert (b["n"], b["accuracy"], b["rest_accuracy"]) == (20, 0.5, 0.9)
    assert b["difference"] == pytest.approx(-0.4)
    assert b["p_fisher"] == pytest.approx(fisher_exact([[10, 10], [18, 2]])[1])
    assert b["p_fdr"] == pytest.approx(b["p_fisher"])  # both slices have the same p, so the largest is unchanged
    assert b["accuracy_low"] < 0.5 < b["accuracy_high"]


def test_small_slices_are_listed_but_not_tested():
    images = table([True] * 30, season=["dry"] * 27 + ["wet"] * 3)
    frame = slices_table(images, ["season"])
    assert frame["p_fisher"].isna().all()
    assert frame["reason"].str.contains("only 3 images").all()


def test_unreadable_images_belong_to_no_slice():
    images = table([True] * 24, season=["dry", "wet"] * 12)
    images.loc[images.index[:4], "status"] = "unreadable"
    assert slices_table(images, ["season"])["n"].tolist() == [10, 10]


def test_what_makes_groups():
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


def test_no_user_columns():
    images = table([True] * 5)
    assert user_columns(images) == []
    assert slices_table(images, []).empty
