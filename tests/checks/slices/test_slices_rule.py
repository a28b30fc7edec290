"""BA203, BA205, BA206 on slices of made-up images: found, passed and not applicable, and what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from summed import images_table

from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.slices.summary import slices_table
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge_rule
from bias_audit.run.tables import user_columns

N = 60
"""Images per slice."""


def camera_images(scored: bool = True, n: int = N, **bad: int) -> pd.DataFrame:
    """Cameras new and old with n images each of two classes; `bad` of the old ones are wrong, off the object, lost."""
    rng = np.random.default_rng(0)
    records = []
    for i in range(2 * n):
        old, place = i >= n, i % n
        record: dict[str, Any] = {
            "image_id": f"{i:03d}.jpg", "label": "ab"[place % 2], "status": "ok",
            "correct": not (old and place < bad.get("wrong", 0)), "attention_status": "no mask",
            "intervention_status": "no usable mask",
        }  # fmt: skip
        if scored:
            off, lost = old and place < bad.get("off", 0), old and place < bad.get("lost", 0)
            record |= {
                "attention_status": "ok", "background_excess_label": rng.uniform(0.1, 0.3) + (0.5 if off else 0),
                "intervention_status": "done", "same_background_accuracy": 1.0,
                "other_background_accuracy": 0.0 if lost else 1.0, "background_gap": 1.0 if lost else 0.0,
            }  # fmt: skip
        records.append(record)
    return images_table(records, {"camera": ["new"] * n + ["old"] * n})


def judge(code: str, images: pd.DataFrame, **bounds: Any) -> dict[str, RuleOutcome]:
    slices = slices_table(images, user_columns(images))
    given = Evidence(images, pd.DataFrame(), Thresholds(**bounds), tables={"slices": slices})
    return {outcome.subject: outcome for outcome in judge_rule(code, given)}


def test_a_slice_recognised_worse() -> None:
    outcome = judge("BA203", camera_images(wrong=20))["camera"]
    assert (outcome.status, outcome.level, outcome.scope, outcome.n) == ("found", "WATCH", "slice", N)
    assert (outcome.measured, outcome.threshold) == pytest.approx((2 / 3, 0.95))
    assert outcome.low is not None
    assert outcome.high is not None
    assert outcome.low < 2 / 3 < outcome.high
    assert "of the 60 images with camera = old, 67% are recognised, of the others 100%." in outcome.sentence
    assert outcome.evidence["value"] == "old"
    assert (outcome.evidence["furthest"], outcome.evidence["furthest_from"]) == ("old", "new")
    assert outcome.evidence["largest_difference"] == pytest.approx(-1 / 3)
    low, high = outcome.evidence["largest_difference_low"], outcome.evidence["largest_difference_high"]
    said = f"Furthest apart are old and new: 33 pp [{-100 * high:.0f} to {-100 * low:.0f}] (over all pairs of slices)."
    assert said in outcome.sentence


def test_a_slice_whose_attention_lies_off_the_object() -> None:
    outcome = judge("BA205", camera_images(off=40))["camera"]
    assert (outcome.status, outcome.level) == ("found", "WATCH")
    assert "the background excess of the 60 images with camera = old is 0.5" in outcome.sentence
    assert "Furthest apart are old and new: 0.3" in outcome.sentence
    assert outcome.measured is not None
    assert outcome.measured > 0.5
    assert outcome.threshold is None  # the bound is of Cliff's delta, not of the excess


def test_the_slice_that_pays_for_the_background() -> None:
    outcome = judge("BA206", camera_images(lost=15))["camera"]
    assert (outcome.status, outcome.level, outcome.measured) == ("found", "WATCH", 0.25)
    assert "the 60 photos with camera = old lose 25 pp of accuracy, the others 0 pp." in outcome.sentence
    assert outcome.evidence["background_gap"] == 0.25
    assert outcome.p_value is not None
    assert outcome.p_value < 0.05


@pytest.mark.parametrize(("code", "bad"), [("BA203", "wrong"), ("BA205", "off"), ("BA206", "lost")])
def test_small_effects_pass_even_where_they_are_sure(code: str, bad: str) -> None:
    assert judge(code, camera_images())["camera"].status == "passed"
    floors = {"min_gap": 0.5, "cliffs_delta": 0.9}
    assert judge(code, camera_images(**{bad: 20}))["camera"].status == "found"
    outcome = judge(code, camera_images(**{bad: 20}), **floors)["camera"]
    assert (outcome.status, outcome.level) == ("passed", None)
    assert "ot clearly" in outcome.sentence


@pytest.mark.parametrize(("code", "bad"), [("BA203", "wrong"), ("BA205", "off"), ("BA206", "lost")])
def test_large_effects_pass_where_they_may_be_chance(code: str, bad: str) -> None:
    assert judge(code, camera_images(**{bad: 20}), fdr=1e-300)["camera"].status == "passed"


def test_what_cannot_be_judged_says_why() -> None:
    bare = camera_images(scored=False)
    assert judge("BA203", bare)["camera"].status == "passed"
    for code, reason in (("BA205", "no mask"), ("BA206", "no usable mask")):
        outcome = judge(code, bare)["camera"]
        assert outcome.status == "not applicable"
        assert outcome.sentence == f"No slice of camera could be tested: {reason}."
    few = judge("BA203", camera_images(n=5))["camera"]
    assert few.sentence == "No slice of camera could be tested: only 5 images in the slice or the rest, 10 needed."
    tested_but_few = judge("BA205", camera_images(n=20))["camera"]
    assert tested_but_few.sentence == "No slice of camera is large enough: 30 images with this measure are needed."
    for code in ("BA203", "BA205", "BA206"):
        outcome = judge(code, camera_images().drop(columns="camera"))[""]
        assert (outcome.status, outcome.scope) == ("not applicable", "dataset")
        assert "No user column" in outcome.sentence


def test_a_mix_of_classes_is_named_and_not_convicted() -> None:
    """Hospital B sees the hard class mostly: 15 points worse as it is, 7.5 better within classes."""
    records, hospital = [], []
    for where, label, n, right in (("A", "a", 80, 72), ("B", "a", 20, 19), ("A", "b", 20, 10), ("B", "b", 80, 48)):
        for i in range(n):
            name = f"{where}{label}{i}.jpg"
            records.append({"image_id": name, "label": label, "status": "ok", "correct": i < right})
            hospital.append(where)
    outcome = judge("BA203", images_table(records, {"hospital": hospital}))["hospital"]
    assert outcome.status == "passed"
    said = (
        "with hospital = A, 82% are recognised, of the others 67% (difference between images of the same class: -7 pp)"
    )
    assert said in outcome.sentence


def test_the_worst_of_several_slices_is_named() -> None:
    images = camera_images(wrong=30)
    images["site"] = ["x", "x", "y", "z"] * 30
    images.loc[(images["site"] == "y") & (images["camera"] == "new"), "correct"] = False
    found = judge("BA203", images)
    assert found["camera"].evidence["value"] == "old"
    assert (found["site"].status, found["site"].evidence["value"]) == ("found", "y")
    assert found["site"].evidence["furthest"] == "y"


def test_a_worst_slice_is_sought_among_the_sure_ones() -> None:
    """Four of twelve images wrong look worse than thirty of 120, but only the latter is no chance."""
    records = [
        {"image_id": f"{site}{i}.jpg", "label": "a", "status": "ok", "correct": i >= wrong}
        for site, n, wrong in (("large", 120, 30), ("small", 12, 4), ("rest", 200, 14))
        for i in range(n)
    ]
    images = images_table(records, {"site": [str(record["image_id"]).rstrip("0123456789.jpg") for record in records]})
    slices = slices_table(images, ["site"]).set_index("value")
    assert slices.loc["small", "p_fdr"] > 0.05 > slices.loc["large", "p_fdr"]
    assert judge("BA203", images)["site"].evidence["value"] == "large"


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        # 60 of 60 against 60 of 60: the Wilson limit of 60 of 60 is 60 / (60 + z^2) = .94.
        ("BA203", "of up to 6 pp cannot be excluded ("),
        ("BA205", "With 60 images a difference from the rest of up to 0.0"),
        ("BA206", "Nothing tells how large a difference from the rest could still be."),  # nothing varies
    ],
)
def test_a_negative_says_which_difference_it_leaves_open(code: str, limit: str) -> None:
    outcome = judge(code, camera_images())["camera"]
    assert outcome.status == "passed"
    assert limit.lower() in outcome.sentence.lower()
