"""A class whose object fills the picture: there is no background to exchange, which is no fault of the audit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from summed import summed, with_interventions

from bias_audit.checks.background.contradictions import contradiction
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.levels import overall_level
from bias_audit.checks.outcomes import FOUND, NOT_APPLICABLE, PASSED, RuleOutcome
from bias_audit.checks.reasons import FILLS_FRAME, TOO_FEW
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge
from bias_audit.pipeline.verdict import verdict
from bias_audit.run.statuses import NO_USABLE_MASK
from bias_audit.run.tables import rows, table

NAMES = ("healthy", "ill")


def tables(tested: int, filled: int, other: int = 0, *, status: str = NO_USABLE_MASK, lost: bool = False):
    """Tables of two classes, each with photos that were tested, that their object fills, and with another status.

    Args:
        tested, filled, other: photos per class.
        status: status of the others.
        lost: the tested photos are called the other class on the other's backgrounds.
    """
    records, composites = [], []
    for label, name in enumerate(NAMES):
        for each in ["done"] * tested + [FILLS_FRAME] * filled + [status] * other:
            photo = len(records)
            records.append(
                {
                    "image_id": f"{name}/{photo}.png", "label": name, "status": "ok", "predicted": name,
                    "correct": True, "intervention_status": each, "mask_status": "ok", "attention_status": "ok",
                    "probability_label": 0.9, "log_odds_label": 3.0,
                }
            )  # fmt: skip
            if each != "done":
                continue
            for fill in ("inpaint", "blur_noise"):
                for arm, donor in (("same", label), ("other", 1 - label)):
                    predicted = 1 - label if lost and arm == "other" else label
                    composites.append((photo, label, arm, fill, 0, donor, predicted))
                composites.append((photo, label, "background_only", fill, -1, -1, 0))
            composites.append((photo, label, "foreground_only", "black", -1, -1, label))
    columns = ["photo", "label", "arm", "fill", "donor", "donor_label", "predicted"]
    frame = pd.DataFrame(composites, columns=columns).assign(
        probability=0.9, probability_predicted=0.9, log_odds=1.0, donor_probability=np.nan
    )
    return summed(with_interventions(records, frame, NAMES, np.zeros(2)), frame, NAMES)


def judged(images: pd.DataFrame, classes: pd.DataFrame) -> tuple[RuleOutcome, ...]:
    return judge(Evidence(images, classes, Thresholds(), tables={"slices": table("slices", [])}))


def of_classes(outcomes: tuple[RuleOutcome, ...]) -> list[RuleOutcome]:
    return [each for each in outcomes if each.code == "BA201"]


@pytest.mark.parametrize(
    ("tested", "filled", "other", "code"),
    [
        (0, 20, 0, FILLS_FRAME),
        (0, 5, 15, FILLS_FRAME),  # of those with a mask all: that 15 have none is said elsewhere
        (3, 17, 0, FILLS_FRAME),  # too few for a test, and why is the object
        (10, 10, 0, "ok"),  # half is not most, and ten are enough
        (9, 9, 0, TOO_FEW),
        (0, 0, 20, NO_USABLE_MASK),
    ],
)
def test_which_class_counts_so(tested, filled, other, code):
    _, classes = tables(tested, filled, other)
    assert set(classes["reliance_reason_code"]) == {code}
    assert set(classes["n_outlined"]) == {tested + filled}
    assert set(classes["n_fills_frame"]) == {filled}


def test_an_x_ray_has_a_state_of_its_own():
    images, classes = tables(0, 18, 2)
    outcomes = judged(images, classes)
    assert {(each.status, each.reason_code) for each in of_classes(outcomes)} == {(NOT_APPLICABLE, FILLS_FRAME)}
    said = of_classes(outcomes)[0].sentence
    assert said.startswith("The object fills the picture in 18 of 18 photos with a mask, so there is no background to")
    assert "nothing is missing" in said
    assert all(code in said for code in ("BA301", "BA302", "BA401"))
    assert overall_level(outcomes) == "OBJECT FILLS THE PICTURE"
    headline = verdict(outcomes, classes)
    assert headline.startswith("OBJECT FILLS THE PICTURE: in none of 2 classes can a background be exchanged.")
    assert "could not be tested" not in headline


def test_the_few_other_photos_acquit_nobody_and_can_convict():
    images, classes = tables(12, 88)
    outcomes = judged(images, classes)
    assert {each.status for each in of_classes(outcomes)} == {NOT_APPLICABLE}, "most of the class was not tested"
    assert "in 88 of 100 photos" in of_classes(outcomes)[0].sentence
    passed = RuleOutcome("BA201", "t", "class", "ill", PASSED, "s")
    assert contradiction("BA201", (passed,), rows(classes), Thresholds())
    images, classes = tables(12, 88, lost=True)
    outcomes = judged(images, classes)
    assert {each.status for each in of_classes(outcomes)} == {FOUND}
    assert overall_level(outcomes) != "OBJECT FILLS THE PICTURE"
    assert not contradiction("BA201", outcomes, rows(classes), Thresholds())


def test_beside_a_class_that_passed_the_headline_says_why_not_all_did():
    images, classes = tables(20, 0)
    passed = of_classes(judged(images, classes))[0]
    filled = of_classes(judged(*tables(0, 20)))[1]
    assert "1 class could not be judged because the object fills the picture." in verdict((passed, filled), classes)


def test_another_class_that_lacks_something_is_not_judged():
    images, classes = tables(0, 20)
    outcomes = judged(images, classes)
    first, second = of_classes(outcomes)
    other = RuleOutcome("BA201", "t", "class", second.subject, NOT_APPLICABLE, "s", reason_code=NO_USABLE_MASK)
    assert overall_level((first, other)) == "NOT JUDGED"
