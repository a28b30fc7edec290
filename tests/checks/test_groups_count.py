"""Photos that belong together count as one in rules whose other tests know no groups."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from bias_audit import stats
from bias_audit.checks.base import Measured
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.inputs.measure import Candidate, PreprocessCheck
from bias_audit.checks.map_reliability.kinds import STABILITY
from bias_audit.checks.map_reliability.similarity import Reliability
from bias_audit.checks.mask_quality.measure import MaskQuality
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reasons import TOO_FEW_GROUPS
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge_rule

EMPTY = pd.DataFrame()


def compared(gains: list[int], photos: int) -> RuleOutcome:
    """BA906 where another preprocessing gains so many of `photos` photos of each group, all of them wrong before."""
    n = photos * len(gains)
    other = Candidate("signed", n, sum(gains), sum(gains), 0, tuple(gains))
    checked = PreprocessCheck("none", False, n, n // 2, n // 2, 2, (other,), ((photos, photos // 2),) * len(gains))
    (outcome,) = judge_rule("BA906", Evidence(EMPTY, EMPTY, Thresholds(), {"inputs": Measured(own=lambda: checked)}))
    return outcome


def test_another_preprocessing_gains_patients_not_photos():
    """Of twelve patients three gain ten photos each: 2 ** -3 is the p of three patients, whatever their photos."""
    few = compared([10] * 3 + [0] * 9, photos=10)
    assert few.p_value == pytest.approx(1 / 8)
    assert few.level != "MODEL WARNING"
    assert compared([10] * 12, photos=10).level == "MODEL WARNING"
    assert compared([10] * 9, photos=10).reason_code == TOO_FEW_GROUPS


def permuted(groups: np.ndarray | None) -> RuleOutcome:
    """BA907 of 120 photos whose outputs are exchanged."""
    labels = np.array(["a", "b"])[np.arange(120) // 60]
    images = pd.DataFrame(
        {"label": labels, "predicted": np.where(labels == "a", "b", "a"), "status": "ok"},
        index=[f"{i:03d}.jpg" for i in range(120)],
    )
    codes = None if groups is None else pd.Series(groups, index=images.index)
    given = Evidence(images, pd.DataFrame(index=["a", "b"]), Thresholds(), groups=codes)
    (outcome,) = judge_rule("BA907", given)
    return outcome


def test_permuted_outputs_are_shown_by_patients():
    assert permuted(None).level == permuted(np.arange(120) // 3).level == "MODEL WARNING"
    forty = permuted(np.arange(120) // 3)
    assert forty.n == 60
    assert forty.p_value > permuted(None).p_value
    assert permuted(np.arange(120) // 10).reason_code == TOO_FEW_GROUPS  # six in the half that tests


def stable(groups: tuple[int, ...] | None) -> RuleOutcome:
    values = np.linspace(0.5, 0.9, 30)
    test = Reliability(STABILITY, similarity=values, signed=values, groups=groups)
    given = Evidence(EMPTY, EMPTY, Thresholds(), {"map_reliability": Measured(own=lambda: (test,))})
    (outcome,) = judge_rule("BA908", given)
    return outcome


def test_maps_of_a_patient_are_one_in_the_interval():
    apart, alike = stable(None), stable(tuple(np.arange(30) // 2))
    assert alike.high - alike.low > 1.1 * (apart.high - apart.low)
    assert stable(tuple(np.arange(30) // 10)).reason_code == TOO_FEW_GROUPS


def test_estimated_masks_are_judged_by_patients():
    iou = (0.9,) * 30 + (0.2,) * 8
    images = pd.DataFrame({"label": "a", "mask_status": "ok", "mask_kind": ["estimated"] * 5})

    def judged(groups: tuple[int, ...] | None) -> RuleOutcome:
        quality = MaskQuality("auto", iou, iou, iou, groups)
        given = Evidence(images, EMPTY, Thresholds(), {"mask_quality": Measured(own=lambda: quality)})
        (outcome,) = judge_rule("BA909", given)
        return outcome

    assert judged(None).status == "passed"
    assert judged((0,) * 30 + tuple(range(1, 9))).status == "found"  # one patient with thirty photos, eight with one


def test_the_share_of_single_images_has_an_interval_of_patients():
    images = pd.DataFrame(
        {
            "label": "a",
            "excess_robust_z": np.where(np.arange(60) < 12, 9.0, 0.0),
            "background_excess_label": 2.0,
            "excess_outlier_p": 0.0,
            "probability_label": 1.0,
        },
        index=[f"{i}.jpg" for i in range(60)],
    )
    classes = pd.DataFrame({"n_attention": [60]}, index=["a"])
    evidence = Evidence(images, classes, Thresholds())
    (apart,) = judge_rule("BA102", evidence)
    codes = pd.Series(np.arange(60) // 4, index=images.index)
    (together,) = judge_rule("BA102", dataclasses.replace(evidence, groups=codes))
    assert (apart.low, apart.high) == stats.wilson(12, 60)
    assert together.low < apart.low < apart.high < together.high
    (few,) = judge_rule("BA102", dataclasses.replace(evidence, groups=codes // 4))
    assert (few.low, few.high) == (None, None)


def test_an_image_that_stands_twice_in_the_data_has_one_group():
    codes = pd.Series([3, 4, 3], index=["x", "y", "x"])
    assert stats.codes_of(codes, pd.Index(["x", "x", "y"])).tolist() == [3, 3, 4]
