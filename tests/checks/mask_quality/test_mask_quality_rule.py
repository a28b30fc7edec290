"""BA909, and what outcomes say that hang on estimated masks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bias_audit.checks.base import Measured
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.mask_quality.measure import MaskQuality
from bias_audit.checks.mask_quality.rule import marked
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import RULES, judge_rule
from bias_audit.stats import median_interval

EMPTY = pd.DataFrame()


def quality(*iou: float) -> MaskQuality:
    return MaskQuality("auto", iou, tuple(0.9 for _ in iou), tuple(0.8 for _ in iou))


def evidence(estimated: int, drawn: int, masks: MaskQuality | None) -> Evidence:
    kinds = ["estimated"] * estimated + ["mask"] * drawn
    images = pd.DataFrame({"label": "a", "mask_status": "ok", "mask_kind": kinds, "attention_status": "no mask"})
    return Evidence(images, EMPTY, Thresholds(), {"mask_quality": Measured(own=lambda: masks)}, rules=RULES)


@pytest.mark.parametrize(
    ("iou", "status"),
    [
        (np.full(20, 0.8), "passed"),
        (np.full(20, 0.3), "found"),
        (np.r_[np.full(12, 0.8), np.full(8, 0.1)], "found"),  # the median is .8, its interval reaches down to .1
        (np.full(5, 0.8), "found"),  # too few for an interval
        ((), "found"),
    ],
)
def test_good_is_what_was_measured_to_be_good(iou: np.ndarray, status: str) -> None:
    (outcome,) = judge_rule("BA909", evidence(10, 0, quality(*iou)))
    assert (outcome.status, outcome.n) == (status, len(iou))
    assert (outcome.level == "MODEL WARNING") == (status == "found")
    assert outcome.sentence.startswith("10 of 10 masks are estimated (auto)")


def test_a_segmenter_that_was_not_needed_is_measured_all_the_same() -> None:
    (outcome,) = judge_rule("BA909", evidence(0, 10, quality(*np.full(20, 0.8))))
    assert outcome.status == "passed"
    assert outcome.sentence.startswith("No mask had to be estimated")
    assert judge_rule("BA909", evidence(0, 10, None))[0].status == "not applicable"
    assert judge_rule("BA909", evidence(0, 10, quality()))[0].status == "not applicable"


def outcome(code: str, level: str | None, status: str = "found") -> RuleOutcome:
    return RuleOutcome(code, "title", "class", "a", status, "Something happened.", level=level)


@pytest.mark.parametrize("level", ["CONFIRMED", "HIDDEN"])
def test_estimated_masks_confirm_nothing(level: str) -> None:
    (capped,) = marked([outcome("BA201", level)], evidence(6, 4, quality()))
    assert capped.level == "SUSPICIOUS"
    assert "6 of 10 masks are estimated." in capped.sentence
    assert f"would be {level}" in capped.sentence
    (kept,) = marked([outcome("BA201", level)], evidence(5, 5, quality()))
    assert kept.level == level
    assert kept.sentence == "Something happened. 5 of 10 masks are estimated."


def test_what_hangs_on_no_mask_is_left_alone() -> None:
    others = [outcome("BA302", "CONFIRMED"), outcome("BA201", None, "not applicable"), outcome("BA903", "WATCH")]
    assert marked(others, evidence(10, 0, quality())) == others
    own = [outcome("BA201", "CONFIRMED")]
    assert marked(own, evidence(0, 10, quality())) == marked(own, evidence(0, 10, None)) == own


def test_median_interval_by_hand() -> None:
    # Of 6 values all lie on one side of the median with probability 2 / 64 < .05; of 5 with 2 / 32 > .05.
    assert median_interval([5, 1, 4, 2, 6, 3]) == (1, 6)
    assert np.isnan(median_interval([1, 2, 3, 4, 5])).all()
    # n = 20: P(at most 5 of 20 below) = 21700 / 2**20 = .0207, so the 6th and the 15th.
    assert median_interval(np.arange(1, 21)) == (6, 15)


def test_median_interval_covers() -> None:
    rng = np.random.default_rng(0)
    drawn = [median_interval(rng.exponential(size=25)) for _ in range(2000)]
    covered = np.mean([low <= np.log(2) <= high for low, high in drawn])
    assert 0.95 < covered < 0.97  # exactly .957 at n = 25
