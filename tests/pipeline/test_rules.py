"""Each rule: found, passed and not applicable, on tables whose numbers are set by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from summed import images_table

from bias_audit import stats
from bias_audit.checks import registry
from bias_audit.checks.attention.summary import compared as of_attention
from bias_audit.checks.background.summary import compared
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.levels import fails_by_default
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.outcomes import count as count_outcomes
from bias_audit.checks.reasons import FILLS_DISAGREE, NOT_TESTED, SYMPTOM, TOO_FEW
from bias_audit.config import Thresholds
from bias_audit.pipeline import judge as rules
from bias_audit.pipeline.judge import judge_rule
from bias_audit.pipeline.verdict import convicted, verdict
from bias_audit.run.schema import TABLES

CLASS = {
    "n": 20, "n_read": 20, "accuracy": 1.0, "accuracy_low": 0.8, "accuracy_high": 1.0, "n_attention": 20,
    "attention_reason": "ok", "background_excess": 0.2, "excess_low": 0.1, "excess_high": 0.3, "n_interventions": 20,
    "n_eligible": 20, "reliance_reason": "ok", "same_background_accuracy": 1.0, "other_background_accuracy": 1.0,
    "background_gap": 0.0, "gap_low": -0.1, "gap_high": 0.1, "p_mcnemar": 1.0, "p_fdr": 1.0,
    "flipped": 0, "becomes": "",
    "attract": 0.0, "attract_low": 0.0, "attract_high": 0.0, "background_only_accuracy": 0.5,
    "background_only_low": 0.3, "background_only_high": 0.7, "foreground_only_accuracy": 1.0,
    "background_only_second_fill": 0.5, "background_gap_second_fill": 0.0, "second_fill_low": -0.1,
    "background_only_elsewhere": 0.5, "background_only_elsewhere_second_fill": 0.5, "adversarial": 0.14,
    "adversarial_control": 0.12,
}  # fmt: skip
GAP = {
    "background_gap": 0.4, "gap_low": 0.2, "gap_high": 0.6, "p_fdr": 0.01, "flipped": 8, "becomes": "wolf",
    "background_gap_second_fill": 0.3, "second_fill_low": 0.1, "p_second_fill": 0.01, "fill_difference": 0.1,
    "fill_difference_low": -0.1, "fill_difference_high": 0.3,
}  # fmt: skip
EMPTIED = {
    "background_only_accuracy": 0.5, "background_only_low": 0.3, "background_only_second_fill": 0.5,
    "background_only_second_fill_low": 0.3, "background_only_elsewhere": 0.2,
    "background_only_elsewhere_second_fill": 0.2,
}  # fmt: skip
"""A class whose emptied photos are called it more often than those of any other."""


REASONS = ("attention_reason", "reliance_reason")


def classes(**rows: dict) -> pd.DataFrame:
    names = [column.name for column in TABLES["classes"] if column.name != "class_name"]
    # A status of images is its own code; what has numbers in it gets one from the test.
    coded = [
        {f"{name}_code": row[name] for name in REASONS} | row for row in ({**CLASS, **row} for row in rows.values())
    ]
    frame = pd.DataFrame(coded, index=list(rows), columns=names)
    frame.index.name = "class_name"
    return frame


def images(**excess: list[float]) -> pd.DataFrame:
    records = [
        {"image_id": f"{label}/{i}.jpg", "label": label, "predicted": label, "correct": True, "status": "ok",
         "background_excess": value, "background_excess_label": value, "probability_label": 0.9}
        for label, values in excess.items() for i, value in enumerate(values)
    ]  # fmt: skip
    return images_table(records)


def evidence(class_table: pd.DataFrame, image_table: pd.DataFrame | None = None, pulls=()) -> Evidence:
    if image_table is None:
        image_table = images(**{name: [0.2] * 2 for name in class_table.index})
    matrix = pd.DataFrame(pulls, columns=["object_class", "background_class", "n", "pull", "p_pull"])
    slices = pd.DataFrame(columns=[column.name for column in TABLES["slices"]])
    return Evidence(image_table, class_table, Thresholds(), tables={"gap_matrix": matrix, "slices": slices})


TIED = {"tie_effect": 0.1, "tie_p": 0.001, "tie_p_fdr": 0.001, "tie_reason": "ok"}
LOOSE = {"tie_effect": 0.0, "tie_p": 0.4, "tie_p_fdr": 0.4, "tie_reason": "ok"}


def outcomes(code: str, given: Evidence) -> dict:
    return {outcome.subject: outcome for outcome in judge_rule(code, given)}


class TestReliance:
    def test_levels(self):
        pulls = [("victim", "wolf", 9, 0.4, 0.01), ("victim", "clean", 9, 0.0, 1.0), ("wolf", "clean", 9, 0.1, 0.01)]
        table = classes(
            wolf={**GAP, "attract": 0.5, "attract_low": 0.2},
            alone={**GAP, "background_only_low": 0.7, "background_only_second_fill": 0.8},
            # Emptied pictures of any class are called "victim": that speaks of the net's leaning, not of a cue.
            victim={
                **GAP,
                "becomes": "wolf",
                "background_only_low": 0.9,
                "background_only_second_fill": 0.9,
                "background_only_elsewhere": 0.85,
                "background_only_elsewhere_second_fill": 0.85,
            },
            clean={},
            small={
                "p_fdr": np.nan,
                "reliance_reason": "only 3 photos, 10 needed for a test",
                "reliance_reason_code": TOO_FEW,
            },
        )
        found = outcomes("BA201", evidence(table, pulls=pulls))
        assert [found[name].level for name in table.index] == ["SUSPICIOUS", "SUSPICIOUS", "COLLATERAL", None, None]
        assert [found[name].status for name in ("clean", "small")] == ["passed", "not applicable"]
        assert "its objects are pulled by the backgrounds of wolf (by 40 pp)" in found["victim"].sentence
        assert "pull other classes' objects to wolf (by 50 pp)" in found["wolf"].sentence
        assert "8 of 20 photos change sides, most often to wolf" in found["alone"].sentence
        assert "only 3 photos" in found["small"].sentence
        assert (found["wolf"].measured, found["wolf"].low, found["wolf"].high) == (0.4, 0.2, 0.6)

    @pytest.mark.parametrize(("gap", "p"), [(0.04, 0.001), (0.4, 0.051)])
    def test_an_effect_must_be_large_and_significant(self, gap, p):
        table = classes(a={**GAP, "background_gap": gap, "p_fdr": p, "attract": 0.6, "attract_low": 0.5}, b={})
        assert outcomes("BA201", evidence(table))["a"].status == "passed"

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            # gap .4; under the second fill: p, gap; and how much lower that is, with its interval
            ({"p_second_fill": 0.05, "fill_difference": 0.3, "fill_difference_low": 0.2}, "found"),  # both show a gap
            ({"p_second_fill": 0.051, "fill_difference": 0.3, "fill_difference_low": 0.2}, "not applicable"),
            ({"p_second_fill": 0.051, "fill_difference": 0.2, "fill_difference_low": 0.01}, "not applicable"),  # half
            ({"p_second_fill": 0.051, "fill_difference": 0.19, "fill_difference_low": 0.1}, "found"),  # less than half
            ({"p_second_fill": 0.051, "fill_difference": 0.3, "fill_difference_low": 0.0}, "found"),  # may be the same
            ({"p_second_fill": 0.001, "background_gap_second_fill": -0.3, "fill_difference": 0.7}, "not applicable"),
            ({"p_second_fill": 0.3, "background_gap_second_fill": 0.9, "fill_difference": -0.5}, "found"),
            (dict.fromkeys(("p_second_fill", "background_gap_second_fill", "fill_difference"), np.nan), "found"),
        ],
    )
    def test_two_fills(self, change, status):
        low = {"fill_difference_low": change["fill_difference"] - 0.2}
        row = {**GAP, "attract": 0.5, "attract_low": 0.3, **self.CUE, **low, **change}
        outcome = outcomes("BA201", evidence(classes(a=row, b={})))["a"]
        assert outcome.status == status
        shown = row["p_second_fill"] <= 0.05
        if status == "found":
            assert outcome.level == ("CONFIRMED" if shown else "SUSPICIOUS")
            assert ("SUSPICIOUS at most" in outcome.sentence) != shown
        else:
            assert outcome.reason_code == FILLS_DISAGREE
            assert "the gap is 40 pp with inpainting" in outcome.sentence

    def test_a_fill_that_shows_too_little_hides_no_victim_and_no_culprit(self):
        unsure = {
            **GAP,
            "p_second_fill": 0.2,
            "n_attention": 40,
            "excess_high": 0.3,
            "attract": 0.5,
            "attract_low": 0.2,
        }
        table = classes(a=unsure, b={**unsure, "attract": 0.0, "attract_low": 0.0}, c={})
        found = outcomes("BA201", evidence(table, pulls=[("b", "a", 9, 0.4, 0.01)]))
        assert [found[name].level for name in "ab"] == ["SUSPICIOUS", "COLLATERAL"]

    def test_a_class_that_no_gap_could_have_convicted_has_not_passed(self):
        reason = "only 10 photos, 11 needed for a test that is corrected over 26 classes"
        few = {"p_fdr": 0.051, "background_gap": 1.0, "reliance_reason": reason, "reliance_reason_code": TOO_FEW}
        found = outcomes("BA201", evidence(classes(a=few, b={}, c={**few, "reliance_reason_code": NOT_TESTED})))
        assert [found[name].status for name in "abc"] == ["not applicable", "passed", "not applicable"]
        assert found["a"].sentence == f"Not enough photos: {reason}."
        assert [found[name].reason_code for name in "ac"] == [TOO_FEW, NOT_TESTED]
        assert found["c"].sentence.startswith("Not tested: ")

    def test_what_the_verdict_leaves_open_is_of_a_judged_class(self):
        few = {"p_fdr": 0.051, "background_gap": 1.0, "gap_high": 1.0, "reliance_reason": "few"}
        few["reliance_reason_code"] = TOO_FEW
        table = classes(a=few, b={"background_gap": 0.02})
        said = verdict(judge_rule("BA201", evidence(table)), table)
        assert "No reliance on the background was shown in 1 judged class. With 20 photos a gap of up to 10 pp" in said
        assert "1 class could not be judged" in said
        alone = classes(a=few, b=few)
        assert verdict(judge_rule("BA201", evidence(alone)), alone).startswith("NOT JUDGED: ")

    CUE = {  # noqa: RUF012
        "cue_lent_effect": 0.2, "cue_lent_low": 0.1, "p_cue_lent_fdr": 0.01,
    }  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "level"),
        [
            ({}, "SUSPICIOUS"),
            (CUE, "CONFIRMED"),
            ({name.replace("lent", "removal"): value for name, value in CUE.items()}, "CONFIRMED"),
            ({**CUE, "cue_lent_effect": 0.04}, "SUSPICIOUS"),  # too small to matter
            ({**CUE, "p_cue_lent_fdr": 0.06}, "SUSPICIOUS"),
            ({**CUE, "attract": 0.04, "attract_low": 0.03}, "WATCH"),  # certain, and too small
            ({**CUE, "attract_low": -0.1}, "WATCH"),  # a victim's map may point at the culprit's cue
        ],
    )
    def test_a_cue_that_moves_the_prediction_confirms(self, change, level):
        table = classes(a={**GAP, "attract": 0.5, "attract_low": 0.2, **change}, b={})
        outcome = outcomes("BA201", evidence(table))["a"]
        assert outcome.level == level
        assert ("piece of background that the maps point at" in outcome.sentence) == (level == "CONFIRMED")
        assert " 0 pp more than" not in outcome.sentence

    @pytest.mark.parametrize(
        ("n", "excess_high", "others", "level"),
        [
            (40, 0.3, 0.3, "HIDDEN"),
            (40, 0.6, 0.3, "SUSPICIOUS"),  # the maps do lie on the background
            (29, 0.3, 0.3, "SUSPICIOUS"),  # too few maps to say
            (40, 0.3, 0.05, "SUSPICIOUS"),  # they do more than those of the other class
        ],
    )
    def test_reliance_that_the_maps_do_not_show_is_hidden(self, n, excess_high, others, level):
        row = {**GAP, "attract": 0.5, "attract_low": 0.2, "n_attention": n, "excess_high": excess_high}
        spread = np.linspace(-0.02, 0.02, 40)
        table = images(a=list(0.25 + spread), b=list(others + spread))
        outcome = outcomes("BA201", evidence(classes(a=row, b={}), table))["a"]
        assert outcome.level == level
        said = "The heatmaps do not show it: they lie mostly on the object (mean background excess 0.20; its interval"
        assert (said in outcome.sentence) == (level == "HIDDEN")
        assert "no place" not in outcome.sentence

    @pytest.mark.parametrize(
        ("first", "second", "levels"),
        [
            ((0.0, -0.02, 0.05), (0.6, 0.5, 0.7), ("COLLATERAL", "SUSPICIOUS")),  # a needs no background, b does
            ((0.6, 0.5, 0.7), (0.0, -0.02, 0.05), ("SUSPICIOUS", "COLLATERAL")),
            ((0.6, 0.5, 0.7), (0.6, 0.5, 0.7), ("SUSPICIOUS", "SUSPICIOUS")),  # each has a cue
            ((0.0, -0.3, 0.3), (0.6, 0.2, 0.8), ("SUSPICIOUS", "SUSPICIOUS")),  # ten photos cannot acquit
            ((0.0, -0.02, 0.05), (0.03, -0.1, 0.1), ("SUSPICIOUS", "SUSPICIOUS")),  # nobody needs a background
        ],
    )
    def test_of_two_classes_the_one_that_needs_no_background_is_the_victim(self, first, second, levels):
        names = ("neutral_loss", "neutral_loss_low", "neutral_loss_high")
        both = {**GAP, "attract": 0.5, "attract_low": 0.2, "neutral_background_accuracy": 0.98}
        rows = {name: {**both, **dict(zip(names, loss, strict=True))} for name, loss in (("a", first), ("b", second))}
        pulls = [("a", "b", 9, 0.4, 0.01), ("b", "a", 9, 0.4, 0.01)]
        found = outcomes("BA201", evidence(classes(**rows), pulls=pulls))
        assert (found["a"].level, found["b"].level) == levels
        if levels[0] == "COLLATERAL":
            assert "On neutral backdrops 98% of its objects are recognised" in found["a"].sentence
            assert "its objects are pulled by the backgrounds of b (by 40 pp)" in found["a"].sentence

    @pytest.mark.parametrize(
        ("change", "status", "near"),
        [
            ({}, "found", None),
            ({"background_gap": 0.06}, "found", "a gap of 6 pp against 5 pp"),
            ({"background_gap": 0.04}, "passed", "a gap of 4 pp against 5 pp"),
            ({"background_gap": 0.04, "p_fdr": 0.5}, "passed", None),  # nothing but noise
            ({"p_fdr": 0.04}, "found", "a corrected p = 0.040 against 0.05"),
            ({"p_fdr": 0.09}, "passed", "a corrected p = 0.090 against 0.05"),
            ({"p_second_fill": 0.03}, "found", "p = 0.030 under the second fill, against 0.05"),
            ({"p_second_fill": 0.2, "fill_difference": 0.19}, "found", None),  # far from above 0
            (
                {"p_second_fill": 0.2, "fill_difference": 0.19, "fill_difference_low": 0.1},
                "found",
                "a gap 19 pp lower under the second fill, at least 10 pp, where 20 pp would count",
            ),
            ({"p_second_fill": 0.2, "fill_difference": 0.3, "fill_difference_low": -0.01}, "found", "at least -1 pp"),
            ({"attract_low": 0.01}, "found", "a pull of 50 pp, at least 1 pp"),
            ({"attract": 0.11, "attract_low": 0.03}, "found", "a pull of 11 pp, at least 3 pp"),
            ({"attract": 0.0, "attract_low": 0.0}, "found", None),  # a victim, far from the floor
        ],
    )
    def test_near_the_threshold_is_said(self, change, status, near):
        table = classes(a={**GAP, "attract": 0.5, "attract_low": 0.2, **change}, b={})
        outcome = outcomes("BA201", evidence(table))["a"]
        assert outcome.status == status
        assert (near or "") in (outcome.evidence["near_threshold"] or "")
        assert ("Near the threshold" in outcome.sentence) == (near is not None)
        assert (outcome.evidence["near_threshold"] is None) == (near is None)

    def test_a_negative_says_which_gap_it_leaves_open(self):
        (outcome,) = outcomes("BA201", evidence(classes(a={"n_interventions": 10, "gap_high": 0.4}))).values()
        assert outcome.status == "passed"
        assert outcome.sentence.endswith("With 10 photos a gap of up to 40 pp cannot be excluded.")
        found = outcomes("BA201", evidence(classes(a={**GAP, "attract": 0.5, "attract_low": 0.2})))["a"]
        assert "excluded" not in found.sentence

    def test_the_worst_of_several_backgrounds_stands_beside_its_control(self):
        (outcome,) = outcomes("BA201", evidence(classes(a={}))).values()
        assert "At least one background of another class turns 14% of the recognised photos" in outcome.sentence
        assert "backgrounds of a turns 12%." in outcome.sentence
        (older,) = outcomes("BA201", evidence(classes(a={"adversarial_control": np.nan}))).values()
        assert "turns 14%" not in older.sentence

    @staticmethod
    def resting(**changes):
        table = images(a=[0.2] * 4, b=[0.2] * 4)
        table.loc[table.index[:4], "rests_on_background"] = [True, False, True, False]
        table.loc[table.index[:4], "background_gap"] = [0.2, 0.0, 1.0, 0.0]
        for fill in ("", "_second_fill"):
            table[f"background_only_predicted{fill}"] = table["label"]
        for column, value in changes.items():
            table.loc[table.index[0], column] = value
        return table

    def test_images_that_rest_on_the_background(self):
        rows = classes(a=EMPTIED, b={"reliance_reason": "no usable mask"})
        found = outcomes("BA202", evidence(rows, self.resting()))
        assert found["a"].image_ids == ("a/2.jpg", "a/0.jpg")  # largest gap first
        assert found["a"].measured == 0.5
        assert found["a"].level == "WATCH"
        assert (found["b"].status, "no usable mask" in found["b"].sentence) == ("not applicable", True)

    @pytest.mark.parametrize(
        "change",
        [
            {"background_only_elsewhere": 0.6},  # emptied photos of another class are called so too
            {"background_only_low": 0.19},
            {"background_only_elsewhere_second_fill": 0.6},  # and with the other fill
            {"background_only_second_fill_low": 0.19},
        ],
    )
    def test_a_class_that_emptied_photos_are_called_anyway_has_no_such_images(self, change):
        outcome = outcomes("BA202", evidence(classes(a=EMPTIED | change, b={}), self.resting()))["a"]
        assert (outcome.status, outcome.measured, outcome.image_ids) == ("passed", 0, ())
        assert "not clearly more often called a" in outcome.sentence

    @pytest.mark.parametrize("fill", ["", "_second_fill"])
    def test_a_photo_that_its_background_makes_another_class_does_not_rest_on_it(self, fill):
        table = self.resting(**{f"background_only_predicted{fill}": "b"})
        assert outcomes("BA202", evidence(classes(a=EMPTIED, b={}), table))["a"].image_ids == ("a/2.jpg",)

    def test_photos_that_depend_on_their_background_unlike_their_class(self):
        names = [f"{i}.jpg" for i in range(20)]
        table = images(a=[0.2] * 20, b=[0.2] * 3)
        table.loc[[f"a/{name}" for name in names], "swap_robust_z"] = [5.0, 6.0, 9.0, 7.0, *[0.0] * 16]
        table.loc[[f"a/{name}" for name in names], "swap_outlier_p"] = [0.04, 0.01, 0.01, 0.06, *[1.0] * 16]
        table.loc[[f"a/{name}" for name in names], "background_gap"] = [1.0, 0.8, 0.2, 1.0, *[0.0] * 16]
        few = {"n_interventions": 3, "reliance_reason": "ok"}
        found = outcomes("BA204", evidence(classes(a={}, b=few, c={"reliance_reason": "no usable mask"}), table))
        # The third loses log-odds, but no prediction; the fourth is one that chance puts among as many photos.
        assert found["a"].image_ids == ("a/1.jpg", "a/0.jpg")
        assert found["a"].measured == pytest.approx(0.1)
        assert "3 were tested, 20 are needed" in found["b"].sentence
        assert "no usable mask" in found["c"].sentence
        assert {found[name].status for name in "bc"} == {"not applicable"}

    def test_the_largest_of_many_photos_is_no_outlier(self):
        """z above 3.5 and a gap above a half, as one in a hundred has by chance where the effects are skewed."""
        effects = np.sort(np.random.default_rng(1).exponential(size=200))[::-1]
        table = images(a=[0.2] * 200).assign(swap_log_odds=effects)
        table[["swap_robust_z", "swap_outlier_p"]] = compared(table)[["swap_robust_z", "swap_outlier_p"]]
        table["background_gap"] = np.where(table["swap_robust_z"] > 3.5, 0.8, 0.0)
        assert (table["swap_robust_z"] > 3.5).sum() > 3
        assert outcomes("BA204", evidence(classes(a={}), table))["a"].status == "passed"


class TestAttention:
    def test_a_class_above_the_others(self):
        rng = np.random.default_rng(0)
        low, high = rng.uniform(0.1, 0.3, 40), rng.uniform(0.6, 0.9, 40)
        table = images(wolf=list(high), fox=list(low), few=list(high[:29]))
        found = outcomes("BA101", evidence(classes(wolf={"p_fdr": np.nan}, fox={}, few={"n_attention": 29}), table))
        assert found["wolf"].level == "WATCH"
        assert found["fox"].status == "passed"
        assert (found["few"].status, "29 have attention scores, 30 are needed" in found["few"].sentence) == (
            "not applicable",
            True,
        )

    @pytest.mark.parametrize(
        ("change", "level", "said"),
        [
            ({"gap_high": 0.099}, "CONTEXT", "hardly depends on it. With 20 photos a gap of up to 10 pp cannot be"),
            ({"gap_high": 0.12}, "WATCH", "is not known. With 20 photos a gap of up to 12 pp cannot be excluded"),
            ({"gap_high": np.nan}, "WATCH", "With 20 photos nothing tells how large a gap could still be."),
            (GAP, "WATCH", ""),  # BA201 speaks of it
            ({"p_fdr": np.nan}, "WATCH", ""),
        ],
    )
    def test_attention_is_context_only_where_a_gap_is_excluded(self, change, level, said):
        table = images(a=[0.8] * 40, b=[0.2] * 40)
        outcome = outcomes("BA101", evidence(classes(a=change, b={}), table))["a"]
        assert (outcome.status, outcome.level) == ("found", level)
        assert said in outcome.sentence
        assert ("depend" in outcome.sentence) == bool(said)

    def test_thirty_five_photos_without_a_gap_exclude_a_tenth(self):
        highs = [stats.paired_difference_interval(np.ones(n), np.ones(n))[1] for n in (34, 35)]
        assert highs[1] <= Thresholds().context_gap < highs[0]

    @pytest.mark.parametrize(
        ("p", "text"), [(0.01, "a halo around it"), (0.4, "not tied to the object"), (np.nan, "Cliff's delta 1.00).")]
    )
    def test_the_tie_tells_a_halo_from_a_place_of_its_own(self, p, text):
        table = images(a=[0.8] * 40, b=[0.2] * 40)
        outcome = outcomes("BA101", evidence(classes(a={"tie_p_fdr": p, "p_fdr": np.nan}, b={}), table))["a"]
        assert text in outcome.sentence
        assert ("tied" in outcome.sentence or "halo" in outcome.sentence) == bool(np.isfinite(p))

    def test_an_outlier_needs_to_be_unusual_and_high(self):
        usual = list(np.linspace(0.2, 0.3, 30))
        table = images(a=[*usual, 0.95], b=[*usual, 0.6], c=usual[:10])
        found = outcomes("BA102", evidence(classes(a={}, b={}, c={"n_attention": 10}), table))
        assert found["a"].image_ids == ("a/30.jpg",)
        assert found["b"].status == "passed"  # unusual, but far from a uniform map
        assert found["c"].status == "not applicable"

    def test_an_outlier_among_images_that_the_model_takes_for_something_else_is_none(self):
        usual = list(np.linspace(0.2, 0.3, 30))

        def judged(*unsure: int) -> pd.DataFrame:
            table = images(a=[*usual, 0.95], b=[*usual, 0.95])
            table.loc[[f"a/{i}.jpg" for i in unsure], "probability_label"] = 0.4
            return table.assign(**of_attention(table))

        table = judged(30)
        found = outcomes("BA102", evidence(classes(a={}, b={}), table))
        assert [found[name].status for name in "ab"] == ["passed", "found"]
        assert (found["a"].n, found["b"].n) == (30, 31)
        outcome = outcomes("BA102", evidence(classes(a={"n_attention": 31}, b={}), judged(*range(12))))["a"]
        assert (outcome.status, outcome.sentence) == (
            "not applicable", "Fewer than 20 of the images of a are taken for it.",
        )  # fmt: skip

    def test_an_outlier_is_rarer_than_the_largest_of_as_many_images(self):
        """Skewed excesses: 3.5 robust standard deviations are passed by images of every class."""
        rng = np.random.default_rng(0)
        table = images(**{name: list(0.5 + 0.2 * rng.exponential(size=100)) for name in "abcd"})
        z = table["excess_robust_z"]
        assert ((z > 3.5) & (table["background_excess_label"] > 0.8)).groupby(table["label"]).any().sum() >= 3
        found = outcomes("BA102", evidence(classes(**{name: {} for name in "abcd"}), table))
        assert {outcome.status for outcome in found.values()} == {"passed"}


class TestHealth:
    def test_unreadable(self):
        table = images(a=[0.2] * 10, b=[0.2] * 10)
        assert outcomes("BA901", evidence(classes(a={}, b={}), table))[""].status == "passed"
        table.loc[table.index[:2], "status"] = "unreadable"
        outcome = outcomes("BA901", evidence(classes(a={}, b={}), table))[""]
        assert (outcome.status, outcome.measured, len(outcome.image_ids)) == ("found", 0.1, 2)

    def test_invalid_predictions(self):
        table = images(a=[0.2] * 10, b=[0.2] * 10)
        table["intervention_status"] = "done"
        given = evidence(classes(a={}, b={}), table)
        assert outcomes("BA910", given)[""].status == "passed"
        table.loc[table.index[:2], ["status", "intervention_status"]] = "invalid prediction"
        table.loc[table.index[2:5], "intervention_status"] = "invalid prediction"
        outcome = outcomes("BA910", given)[""]
        assert (outcome.status, outcome.level, outcome.measured, len(outcome.image_ids)) == ("found", "WATCH", 0.25, 5)
        assert "for 2 of 20 images, and for composites of 3 more" in outcome.sentence
        assert outcomes("BA901", given)[""].measured == 0  # they were read

    def test_maps_tied_to_nothing_unless_the_reliance_explains_them(self):
        high = {"background_excess": 0.9}
        found = outcomes("BA902", evidence(classes(a={**high, **TIED}, b=high)))[""]
        assert (found.status, found.level, found.threshold) == ("found", "MODEL WARNING", 0.6)
        assert outcomes("BA902", evidence(classes(a={}, b={})))[""].status == "passed"
        explained = classes(a={**GAP, **high}, b={**GAP, **high})
        assert outcomes("BA902", evidence(explained))[""].status == "not applicable"
        bare = {"background_excess": np.nan, "attention_reason": "no mask"}
        assert outcomes("BA902", evidence(classes(a=bare, b=bare)))[""].status == "not applicable"

    def test_maps_that_fit_any_photo_are_tied_to_nothing_however_low_their_excess(self):
        loose = outcomes("BA902", evidence(classes(a=LOOSE, b=LOOSE)))[""]
        assert (loose.status, loose.level, loose.measured, loose.p_value) == ("found", "MODEL WARNING", 0.2, 0.4)
        assert loose.threshold is None  # the excess itself is below it
        assert "in 0 of 2 classes the maps lie more on the object of their own photo" in loose.sentence
        one = outcomes("BA902", evidence(classes(a=LOOSE, b=TIED)))[""]
        assert (one.status, "in 1 of 2 classes" in one.sentence) == ("passed", True)
        assert outcomes("BA902", evidence(classes(a=LOOSE, b={**GAP, **TIED})))[""].status == "found"
        assert outcomes("BA902", evidence(classes(a={**GAP, **LOOSE}, b=TIED)))[""].status == "passed"

    def test_masks_with_void_that_matters(self):
        narrow = {"background_share_low": 0.3, "background_share_high": 0.35}
        passed = outcomes("BA904", evidence(classes(a=narrow, b=narrow)))[""]
        assert (passed.status, "is 30% or 35%" in passed.sentence) == ("passed", True)
        wide = {"background_share_low": 0.3, "background_share_high": 0.45}
        found = outcomes("BA904", evidence(classes(a=narrow, b=wide)))[""]
        assert (found.status, found.level) == ("found", "MODEL WARNING")
        assert found.measured == pytest.approx(0.15)
        assert "the background share of b is 30% or 45%" in found.sentence
        none = {"background_share_low": 0.3, "background_share_high": 0.3}
        assert "no void pixels" in outcomes("BA904", evidence(classes(a=none, b=none)))[""].sentence
        bare = {"background_excess": np.nan, "attention_reason": "no mask"}
        assert outcomes("BA904", evidence(classes(a=bare, b=bare)))[""].status == "not applicable"

    def test_masks_whose_outline_decides_the_comparison(self):
        table = images(a=[0.5] * 30, b=[0.3] * 30, c=[0.2] * 30, few=[0.9] * 29)
        rows = classes(a={}, b={}, c={}, few={})

        def judged(change: dict[str, float]):
            dilated = table["background_excess_label"] + table["label"].map(change)
            return outcomes("BA904", evidence(rows, table.assign(background_excess_dilated=dilated)))[""]

        found = judged({"a": -0.4, "b": -0.2, "c": -0.2, "few": -3.0})
        assert (found.status, found.level) == ("found", "MODEL WARNING")
        assert (found.measured, found.threshold) == (pytest.approx(0.2), 0.15)
        assert "the background excess of a exceeds that of the other classes by 0.05 instead of 0.25" in found.sentence
        # All classes alike: the grid is coarse, the masks are not to blame. A class off its objects does not move.
        assert judged(dict.fromkeys(("a", "b", "c", "few"), -0.4)).status == "passed"
        assert judged({"a": 0.0, "b": -0.3, "c": -0.3, "few": -0.3}).status == "passed"
        table = table[table["label"].isin(["a", "few"])]
        few = judged({"a": -0.4, "few": 0.0})
        assert (few.status, "too few classes have the 30 images" in few.sentence) == ("passed", True)

    def test_classes_too_small_to_judge_are_named(self):
        def small(n: int, eligible: int) -> dict:
            reason = f"only {n} photos, 10 needed for a test"
            few = {"reliance_reason": reason, "reliance_reason_code": TOO_FEW, "n_units": n}
            return {**few, "p_fdr": np.nan, "n_interventions": n, "n_eligible": eligible}

        bare = {"reliance_reason": "no usable mask"}
        table = classes(a={}, b=small(3, 3), c=small(9, 9), d=bare, absent={**small(1, 1), "n": 0})
        found = outcomes("BA905", evidence(table))[""]
        assert (found.status, found.level, found.measured) == ("found", "TOO FEW IMAGES", 2 / 3)
        assert found.sentence.startswith("2 of 3 classes have too few usable photos")
        assert "b (3 photos), c (9 photos); 10 are needed." in found.sentence
        assert "--interventions" not in found.sentence
        assert "--interventions" in outcomes("BA905", evidence(classes(a={}, b=small(3, 20))))[""].sentence
        assert outcomes("BA905", evidence(classes(a={}, b=bare)))[""].status == "passed"
        assert outcomes("BA905", evidence(classes(a=bare, b=bare)))[""].status == "not applicable"
        many = {f"class {i:02d}": small(2, 2) for i in range(12)}
        sentence = outcomes("BA905", evidence(classes(**many)))[""].sentence
        assert "class 09 (2 photos) and 2 more; 10 are needed" in sentence

    def test_chance(self):
        table = images(a=[0.2] * 20, b=[0.2] * 20)
        assert outcomes("BA903", evidence(classes(a={}, b={}), table))[""].status == "passed"
        table.loc[table["label"] == "b", "correct"] = False
        outcome = outcomes("BA903", evidence(classes(a={}, b={}), table))[""]
        assert (outcome.status, outcome.measured, outcome.threshold) == ("found", 0.5, 0.5)
        assert "--preprocess" in outcome.sentence


def test_every_outcome_is_complete_and_counted():
    given = evidence(classes(wolf={**GAP, "attract_low": 0.2}, fox={}), images(wolf=[0.5] * 25, fox=[0.2] * 25))
    judged = rules.judge(given, ignored=["BA102"])
    # A region is drawn by a person, so an audit has none and does not wait for one.
    assert {outcome.code for outcome in judged} == set(rules.RULES) - {"BA303"}
    for outcome in judged:
        assert outcome.sentence.endswith("."), outcome
        assert (outcome.level is not None) == (outcome.status == "found")
        assert outcome.status in ("found", "passed", "not applicable", "ignored")
        assert (outcome.reason_code != "") == (outcome.status in ("not applicable", "ignored"))
    counts = {count.code: count for count in count_outcomes(judged)}
    assert (counts["BA201"].judged, counts["BA201"].found, counts["BA201"].passed) == (2, 1, 1)
    assert (counts["BA102"].judged, counts["BA102"].not_judged) == (0, 1)


def test_an_ignored_rule_is_titled_by_its_summary():
    ignored = rules.judge(evidence(classes(wolf={})), ignored=tuple(rules.RULES))
    assert [(outcome.code, outcome.title) for outcome in ignored] == [
        (code, rule.about) for code, rule in rules.RULES.items()
    ]


def test_every_rule_is_declared_once_and_says_what_it_finds():
    codes = [rule.code for _, rule in registry.rules()]
    assert sorted(codes) == sorted(set(codes)) == list(rules.RULES)
    assert all(rule.about and not rule.about.endswith(".") for _, rule in registry.rules())


def test_outcomes_have_the_title_of_their_rule():
    judged = rules.judge(evidence(classes(wolf={"background_gap": 0.6, "p_fdr": 0.001})))
    titles = {rule.code: rule.title for _, rule in registry.rules()}
    assert {outcome.title for outcome in judged} == {titles[outcome.code] for outcome in judged}
    assert len({outcome.code for outcome in judged}) > 15


def test_verdict_names_the_guilty_class_first_and_its_victims_apart():
    table = classes(
        fox={**GAP, "attract": 0.0, "background_only_low": 0.0},
        husky={**GAP, "attract": 0.3, "attract_low": 0.1},
        wolf={**GAP, "attract": 0.9, "attract_low": 0.8},
    )
    given = evidence(table, pulls=[("fox", "wolf", 9, 1.0, 0.01)])
    text = verdict(rules.judge(given), table)
    assert text.startswith("SUSPICIOUS: the prediction follows the background in 2 of 3 judged classes (wolf, husky).")
    assert "pulls most is that of wolf" in text
    assert "Also affected, by another class's background: fox." in text


def open_case() -> Evidence:
    """The gaps of cat and fox are proven, foxes fall for the background of a bear, and nobody is to blame."""
    table = classes(
        cat={**GAP, "gap_low": 0.2}, fox=GAP, bear={}, small={**GAP, "background_gap": 0.1, "gap_low": 0.01}
    )
    return evidence(table, pulls=[("fox", "bear", 9, 0.4, 0.001), ("cat", "bear", 9, 0.1, 0.5)])


def test_reliance_that_is_laid_to_no_class_is_a_finding_of_the_whole():
    given = open_case()
    found = outcomes("BA201", given)
    assert {name: each.level for name, each in found.items()} == {
        "cat": "WATCH", "fox": "WATCH", "bear": None, "small": "WATCH",
    }  # fmt: skip
    assert "so no class is accused" in found["cat"].sentence
    assert "pulled by the backgrounds of bear (by 40 pp), a class without a finding" in found["fox"].sentence
    assert "unless its lower limit is above 5 pp; here it is 1 pp." in found["small"].sentence
    (whole,) = judge_rule("BA207", given)
    assert (whole.status, whole.level, whole.scope, whole.subject) == ("found", "SUSPICIOUS", "dataset", "")
    assert (whole.measured, whole.evidence["classes"], whole.p_value) == (1, "fox", pytest.approx(0.002))
    assert "In 1 of 4 judged classes the prediction is proven to follow the background" in whole.sentence
    assert "fox (gap 40 pp) by those of bear (by 40 pp)" in whole.sentence


def test_it_heads_the_verdict_fails_the_gate_and_accuses_no_class():
    given = open_case()
    judged = rules.judge(given)
    text = verdict(judged, given.classes)
    assert text.startswith(
        "SUSPICIOUS: in 1 of 4 judged classes the prediction is proven to follow the background, but"
    )
    assert convicted(judged) == []
    (whole,) = (each for each in judged if each.code == "BA207")
    assert fails_by_default(whole)
    assert not any(fails_by_default(each) for each in judged if each.code == "BA201")


def test_beside_a_convicted_class_it_comes_after_it():
    table = classes(fox=GAP, bear={}, wolf={**GAP, "attract": 0.9, "attract_low": 0.8})
    text = verdict(rules.judge(evidence(table, pulls=[("fox", "bear", 9, 0.4, 0.001)])), table)
    assert text.startswith("SUSPICIOUS: the prediction follows the background in 1 of 3 judged classes (wolf).")
    assert "In 1 of 3 judged classes the prediction is proven" in text


def test_a_gap_that_nobody_is_to_blame_for_is_no_headline():
    table = classes(fox=GAP, bear={})
    judged = rules.judge(evidence(table, pulls=[("fox", "bear", 9, 0.4, 0.5)]))
    text = verdict(judged, table)
    assert text.startswith("A background gap was found that cannot be blamed on any class: fox (WATCH).")
    assert "No reliance on the background was shown in 1 other judged class." in text
    assert [each.status for each in judged if each.code == "BA207"] == ["passed"]


def test_without_composites_nothing_is_said_of_unnamed_reliance():
    bare = {"p_fdr": np.nan, "reliance_reason": "no usable mask", "background_gap": np.nan}
    (whole,) = judge_rule("BA207", evidence(classes(a=bare, b=bare)))
    assert (whole.status, whole.reason_code) == ("not applicable", "no usable mask")


def test_verdict_does_not_acquit_what_was_not_judged():
    bare = {"p_fdr": np.nan, "reliance_reason": "no usable mask", "background_gap": np.nan}
    table = classes(a=bare, b=bare)
    assert verdict(rules.judge(evidence(table)), table).startswith("NOT JUDGED")
    table = classes(a={}, b=bare)
    text = verdict(rules.judge(evidence(table)), table)
    assert text.startswith("No reliance on the background was shown in 1 judged class")
    assert "1 class could not be judged" in text


def test_an_acquittal_names_the_largest_upper_limit():
    table = classes(a={"gap_high": 0.2}, b={"n_interventions": 10, "gap_high": 0.4}, c={"background_gap": 0.04})
    text = verdict(rules.judge(evidence(table)), table)
    assert text.startswith("No reliance on the background was shown in 3 judged classes. With 10 to 20 photos per")
    assert "a gap of up to 40 pp cannot be excluded (b). Test accuracy is 100%." in text
    assert " 4 pp" not in text  # the largest of several gaps is large by chance


def found_by(code: str, level: str = "MODEL WARNING", measured: float = 0.5) -> RuleOutcome:
    rule = rules.RULES[code]
    return RuleOutcome(code, rule.title, "dataset", "", "found", "It is so.", level, measured=measured)


def test_a_cause_silences_its_symptoms():
    passed = RuleOutcome("BA904", "masks", "dataset", "", "passed", "No.")
    outcomes = [found_by("BA903", "WATCH"), passed, found_by("BA906", measured=0.2), found_by("BA907", measured=0.9)]
    told = {outcome.code: outcome for outcome in rules.without_symptoms(outcomes, rules.RULES)}
    assert {code: outcome.status for code, outcome in told.items()} == {
        "BA903": "not applicable", "BA904": "passed", "BA906": "not applicable", "BA907": "found",
    }  # fmt: skip
    assert told["BA906"].reason_code == told["BA903"].reason_code == SYMPTOM
    assert "(BA907), which must be fixed first." in told["BA906"].sentence


@pytest.mark.parametrize(
    ("outcomes", "silenced"),
    [
        ([found_by("BA906", measured=0.9), found_by("BA907", measured=0.2)], {"BA907"}),  # what explains more
        ([found_by("BA906", "WATCH"), found_by("BA903", "WATCH")], set()),  # guessing is no cause
        ([found_by("BA908"), found_by("BA902"), found_by("BA904"), found_by("BA903")], {"BA902", "BA904"}),
        ([found_by("BA903", "WATCH"), found_by("BA902")], set()),
    ],
)
def test_only_what_the_believed_cause_explains_is_silenced(outcomes, silenced):
    told = rules.without_symptoms(outcomes, rules.RULES)
    assert {outcome.code for outcome in told if outcome.status == "not applicable"} == silenced


def test_every_symptom_is_a_rule():
    assert {code for rule in rules.RULES.values() for code in rule.explains} <= set(rules.RULES)


def test_a_model_that_is_read_wrongly_is_not_acquitted():
    table = classes(a={}, b={})
    outcomes = [*rules.judge(evidence(table)), found_by("BA907")]
    text = verdict(outcomes, table)
    assert text.startswith("MODEL WARNING: it is so. Until that is fixed nothing is said about reliance.")
    assert "No reliance" not in text
