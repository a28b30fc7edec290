"""BA906 and BA907 on counts set by hand; p-values by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bias_audit.checks.base import Measured
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.inputs import rule
from bias_audit.checks.inputs.measure import Candidate, PreprocessCheck
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reasons import NOT_TESTED
from bias_audit.config import Thresholds
from bias_audit.pipeline.judge import judge_rule
from bias_audit.pipeline.verdict import verdict


def _checked(
    hits: int, *others: Candidate, n: int = 128, most: int = 64, chosen: bool = False, name: str = "unit"
) -> PreprocessCheck:
    return PreprocessCheck(name, chosen, n, hits, most, 2, others)


def _judge(checked: PreprocessCheck | None, **bounds: float) -> RuleOutcome:
    empty = pd.DataFrame()
    (outcome,) = judge_rule(
        "BA906", Evidence(empty, empty, Thresholds(**bounds), {"inputs": Measured(own=lambda: checked)})
    )
    return outcome


class TestPreprocessing:
    def test_a_better_one_is_named(self) -> None:
        others = (Candidate("none", 128, 122, 60, 2), Candidate("signed", 128, 60, 2, 6))
        outcome = _judge(_checked(64, *others))
        assert (outcome.status, outcome.level, outcome.n) == ("found", "MODEL WARNING", 128)
        assert "accuracy is 50% with 'unit' and 95% with 'none'" in outcome.sentence
        assert "--preprocess none" in outcome.sentence
        assert outcome.measured == pytest.approx(58 / 128)
        assert outcome.evidence["better"] == "none"

    def test_the_best_of_several_is_named(self) -> None:
        others = (Candidate("none", 128, 90, 30, 4), Candidate("bgr", 128, 120, 60, 4))
        assert "--preprocess bgr" in _judge(_checked(64, *others)).sentence

    def test_p_is_one_sided_and_counted_for_every_candidate(self) -> None:
        seven = [Candidate(str(i), 20, 0, 0, 10) for i in range(6)]
        # ten photos won, none lost: 2^-10; nine won: 2^-9 * 7 > .01
        outcome = _judge(_checked(10, Candidate("none", 20, 20, 10, 0), *seven, n=20, most=10))
        assert outcome.p_value == pytest.approx(7 / 1024)
        assert outcome.level == "MODEL WARNING"
        outcome = _judge(_checked(11, Candidate("none", 20, 20, 9, 0), *seven, n=20, most=10))
        assert outcome.p_value == pytest.approx(7 / 512)
        assert outcome.level == "WATCH"  # 11 of 20 is a guess all the same
        assert "'none': 100%" in outcome.sentence

    def test_a_small_gain_is_none(self) -> None:
        # six photos of 128 won, none lost: p = 1/64; ten: p < .001, 7.8 points
        for gained, found in ((6, False), (10, True)):
            outcome = _judge(_checked(110, Candidate("none", 128, 110 + gained, gained, 0)))
            assert (outcome.status == "found") == found
        assert _judge(_checked(110, Candidate("none", 128, 120, 10, 0)), min_input_gain=0.1).status == "passed"
        assert _judge(_checked(110, Candidate("none", 128, 120, 10, 0)), input_p=0.0001).status == "passed"

    def test_both_accuracies_are_of_the_same_photos(self) -> None:
        outcome = _judge(_checked(60, Candidate("none", 32, 30, 15, 1), n=128))  # 16 of these 32 with the one in use
        assert "on 32 labelled photos the accuracy is 50% with 'unit' and 94% with 'none'" in outcome.sentence
        assert (outcome.measured, outcome.n) == (14 / 32, 32)
        assert outcome.low is not None
        assert outcome.low < 14 / 32

    def test_a_negative_says_which_gain_it_leaves_open(self) -> None:
        outcome = _judge(_checked(110, Candidate("none", 128, 116, 6, 0)))
        assert outcome.status == "passed"
        assert outcome.high is not None
        assert outcome.sentence.endswith(f"a gain of up to {100 * outcome.high:.0f} pp cannot be excluded (none).")

    def test_of_several_negatives_the_largest_upper_limit_counts(self) -> None:
        few, many = Candidate("few", 32, 28, 2, 2), Candidate("many", 128, 111, 3, 2)
        outcome = _judge(_checked(110, few, many))
        assert (outcome.status, outcome.n, outcome.measured) == ("passed", 32, 0)
        assert outcome.sentence.endswith("cannot be excluded (few).")

    def test_guessing_with_all(self) -> None:
        outcome = _judge(_checked(66, Candidate("none", 32, 16, 3, 3)))
        assert (outcome.status, outcome.level) == ("found", "WATCH")
        assert "no better than guessing" in outcome.sentence

    def test_below_the_most_frequent_class(self) -> None:
        assert _judge(_checked(90, most=96)).level == "WATCH"
        assert _judge(_checked(98, most=96)).status == "passed"

    def test_chosen_and_not_applicable(self) -> None:
        outcome = _judge(_checked(120, Candidate("none", 32, 16, 0, 15), chosen=True, name="signed"))
        assert outcome.status == "passed"
        assert "Chosen among 2" in outcome.sentence
        assert _judge(None).status == "not applicable"
        assert _judge(_checked(0, n=0, most=0)).status == "not applicable"

    def test_the_verdict_begins_with_it(self) -> None:
        names = ["n", "n_read", "accuracy", "background_gap", "estimated_masks"]
        classes = pd.DataFrame([[9, 9, 0.5, np.nan, 0]], index=["a"], columns=names)
        outcome = _judge(_checked(64, Candidate("none", 128, 122, 60, 2)))
        sentence = verdict([outcome], classes)
        assert sentence.startswith("MODEL WARNING: the preprocessing looks wrong: ")
        assert "Reliance on the background could not be tested." in sentence
        watch = _judge(_checked(66))
        assert verdict([watch], classes).startswith("NOT JUDGED")


def _order(names: str, predictions: dict[str, list[str]]) -> RuleOutcome:
    """BA907 for labels -> predictions of their photos."""
    rows = [
        {"image_id": f"{label}/{i}.jpg", "label": label, "predicted": predicted, "status": "ok"}
        for label, given in predictions.items()
        for i, predicted in enumerate(given)
    ]
    images = pd.DataFrame(rows, columns=["image_id", "label", "predicted", "status"]).set_index("image_id")
    (outcome,) = judge_rule("BA907", Evidence(images, pd.DataFrame(index=list(names)), Thresholds()))
    return outcome


class TestClassOrder:
    def test_two_classes_swapped(self) -> None:
        outcome = _order("ab", {"a": ["b"] * 19 + ["a"], "b": ["a"] * 20})
        assert (outcome.status, outcome.level, outcome.n) == ("found", "MODEL WARNING", 20)
        assert "the output for 'a' is called 'b', the output for 'b' is called 'a'" in outcome.sentence
        assert "alphabetically" in outcome.sentence
        assert outcome.evidence["accuracy"] + outcome.evidence["accuracy_reordered"] == 1
        assert outcome.evidence["accuracy_reordered"] >= 0.95

    def test_two_of_three_swapped(self) -> None:
        outcome = _order("abc", {"a": ["a"] * 20, "b": ["c"] * 20, "c": ["b"] * 20})
        assert outcome.evidence == {"accuracy": 1 / 3, "accuracy_reordered": 1, "renamed": 2}
        assert "'a'" not in outcome.sentence
        assert outcome.p_value == pytest.approx(2.0**-20)

    def test_a_cycle_of_three(self) -> None:
        outcome = _order("abc", {"a": ["b"] * 20, "b": ["c"] * 20, "c": ["a"] * 20})
        assert outcome.status == "found"
        for pair in ("'a' is called 'b'", "'b' is called 'c'", "'c' is called 'a'"):
            assert pair in outcome.sentence
        assert "On 30 photos that were not used to find it, the new order has an accuracy of 100% instead of 0%." in (
            outcome.sentence
        )

    def test_among_very_many_classes_no_order_is_looked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        swapped = {"a": ["b"] * 20, "b": ["a"] * 20}
        monkeypatch.setattr(rule, "MOST_ORDERED", 1)
        outcome = _order("ab", swapped)
        assert (outcome.status, outcome.reason_code) == ("not applicable", NOT_TESTED)
        assert "more than 1 classes" in outcome.sentence
        monkeypatch.setattr(rule, "MOST_ORDERED", 2)
        assert _order("ab", swapped).status == "found"

    def test_photos_that_are_none_of_these_are_right_in_no_order(self) -> None:
        none = ["none of these"]
        outcome = _order("ab", {"a": ["b"] * 24 + none * 6, "b": ["a"] * 24 + none * 6})
        assert outcome.status == "found"
        assert outcome.evidence["accuracy"] == 0
        assert outcome.evidence["accuracy_reordered"] == pytest.approx(0.8, abs=0.1)
        assert _order("ab", {"a": none * 20, "b": none * 20}).status == "passed"

    def test_an_honest_bad_model(self) -> None:
        outcome = _order(
            "abc", {"a": ["a"] * 11 + ["b"] * 9, "b": ["b"] * 10 + ["c"] * 10, "c": ["c"] * 12 + ["a"] * 8}
        )
        assert outcome.status == "passed"

    def test_models_at_chance(self) -> None:
        found = 0
        for seed in range(200):
            rng = np.random.default_rng(seed)
            guesses = {name: list(rng.choice(list("abcd"), 25)) for name in "abcd"}
            found += _order("abcd", guesses).status == "found"
        assert found <= 5  # 200 tests at .01, if every one of them came to it

    @pytest.mark.parametrize("says", ["few", "many"])
    def test_a_model_that_always_says_one_class(self, says: str) -> None:
        """On unbalanced data the swapped order is right more often, and explains nothing."""
        counts = {"few": 20, "many": 80}
        rows = {name: [says] * n for name, n in counts.items()}
        images = pd.DataFrame(
            [
                {"image_id": f"{label}/{i}", "label": label, "predicted": predicted, "status": "ok"}
                for label, given in rows.items()
                for i, predicted in enumerate(given)
            ]
        ).set_index("image_id")
        given = Evidence(images, pd.DataFrame(index=list(counts)), Thresholds())
        assert judge_rule("BA907", given)[0].status == "passed"

    def test_too_few_photos_prove_nothing(self) -> None:
        assert _order("ab", {"a": ["b"] * 6, "b": ["a"] * 6}).status == "passed"  # 6 tested: p = 1/64
        assert _order("ab", {"a": ["b"] * 8, "b": ["a"] * 8}).status == "found"  # 8 tested: p = 1/256

    def test_every_class_needs_photos(self) -> None:
        outcome = _order("abc", {"a": ["b"] * 20, "b": ["a"] * 20})
        assert outcome.status == "not applicable"
        assert "c has 0" in outcome.sentence
