"""Scoring, on units made by hand: every rate is counted on fingers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from bias_audit.errors import ResultError
from bias_audit.planted.benchmark.rates import Rate
from bias_audit.planted.benchmark.score import SCORES, score, weighted_auroc_and_ap
from bias_audit.planted.benchmark.table import Made, report_text, tuning_text

MADE = Made("", "abc", ("abc",), "def")


def guilty(reliance, *, gap, attract, flagged, **more):
    truth = "positive" if reliance >= 0.2 else "between" if reliance >= 0.05 else "negative"
    return {
        "guilty": True, "reliance": reliance, "truth": truth, "background_gap": gap, "attract": attract,
        "flagged": flagged, "named_first": flagged, "level": "SUSPICIOUS" if flagged else "", **more,
    }  # fmt: skip


@pytest.fixture
def units(model):
    """Three planted models (found; missed and out-ranked; ignored), a null, a clean, a tiny and a blurred one."""
    return pd.concat(
        [
            model("a", "planted", {0: guilty(0.9, gap=0.8, attract=0.7, flagged=True)}, cue="snow", rho=0.9),
            model(
                "b",
                "planted",
                {
                    1: guilty(0.3, gap=0.2, attract=0.1, flagged=False),
                    2: {"background_gap": 0.3, "flagged": True, "level": "SUSPICIOUS", "named_first": True},
                },
                cue="snow",
                rho=1.0,
            ),
            model("c", "planted", {1: guilty(0.01, gap=0.0, attract=0.0, flagged=False)}, cue="snow", rho=0.5),
            model("d", "null", {3: {"flagged": True, "level": "SUSPICIOUS"}}, cue="snow", rho=0.25, p_sign_flip=0.01),
            model("e", "clean"),
            model("f", "tiny", {0: {"flagged": True}}),
            model("g", "blur", {0: guilty(0.9, gap=0.9, attract=0.9, flagged=True)}, cue="blur", rho=0.95),
        ],
        ignore_index=True,
    )


@pytest.fixture
def nothing(found):
    """The findings of models in which no rule spoke."""
    return found()


def test_rates_are_those_counted_by_hand(units, nothing):
    rates = score(units, nothing, resamples=20).rules["verdict"]
    assert rates["tpr"] == Rate(1, 2)
    assert rates["tpr_strong"] == Rate(1, 1)
    assert rates["fpr_clean"] == Rate(1, 8)
    assert rates["clean_models"] == Rate(1, 2)
    assert rates["fpr_others"] == Rate(1, 9)
    assert rates["fpr_tiny"] == Rate(1, 4)
    assert rates["fpr_on_object"] == Rate(0, 0)


def test_the_guilty_class_is_ranked_within_its_model(units, nothing):
    first = score(units, nothing, resamples=20).first
    assert first["attract"] == Rate(2, 2)
    assert first["background_gap"] == Rate(1, 2)  # in b another class has the larger gap
    assert first["verdict"] == Rate(1, 2)


def test_auroc_counts_pairs(units, nothing):
    scores = score(units, nothing, resamples=20).scores.set_index("score")
    # two biased classes, 22 others (blur is apart); of 44 pairs, one is lost: gap .2 of b against its neighbour's .3
    assert scores.loc["background_gap", "auroc"] == pytest.approx(43 / 44)
    assert scores.loc["background_gap", "positives"] == 2
    assert scores.loc["background_gap", "n"] == 24
    assert scores.loc["attract", "auroc"] == 1
    assert scores.loc["accuracy", "auroc"] == 0.5
    # average precision: first hit at rank 1, second at rank 3 with 2 hits above
    assert scores.loc["background_gap", "ap"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert scores.loc["attract", "spearman"] == pytest.approx(1)
    assert "shapley_background_share" not in scores.index  # a column that these units do not have


def test_what_a_strength_needs_to_be_detectable(units, nothing):
    assert score(units, nothing, resamples=20).detectable == {
        "corner_tag": None, "wandering_tag": None, "ruler": None, "snow": None, "place": None,
    }  # fmt: skip
    seen = units.assign(flagged=units["flagged"] | (units["truth"] == "positive"))
    assert score(seen, nothing, resamples=20).detectable["snow"] == 0.9


def test_null_p_values_are_held_against_the_uniform(model, nothing):
    even = [model(f"m{i}", "null", {j: {"p_sign_flip": (4 * i + j + 0.5) / 100} for j in range(4)}) for i in range(25)]
    row = score(pd.concat(even, ignore_index=True), nothing, resamples=2).calibration.iloc[0]
    assert row["column"] == "p_sign_flip"
    assert row["ks"] == pytest.approx(0.005)
    assert row["at_05"] == 0.05
    assert row["p"] > 0.99


def test_a_score_is_its_smallest_column_with_its_sign(model):
    unit = model("a", "clean", {0: {"background_gap": 0.4, "attract": 0.1}})
    assert SCORES["gap_and_attract"].of(unit)[0] == pytest.approx(0.1)
    assert SCORES["accuracy"].of(unit)[0] == pytest.approx(-0.95)


def test_weighted_resamples_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    values, positive = rng.integers(0, 6, 60).astype(float), rng.random(60) < 0.3  # many ties
    weights = rng.multinomial(60, np.full(60, 1 / 60), size=8).astype(float)
    for row, (auroc, ap) in zip(weights, weighted_auroc_and_ap(values, positive, weights), strict=True):
        kept = row > 0
        assert auroc == pytest.approx(roc_auc_score(positive[kept], values[kept], sample_weight=row[kept]))
        assert ap == pytest.approx(average_precision_score(positive[kept], values[kept], sample_weight=row[kept]))


def test_a_resample_without_a_biased_class_has_no_auroc():
    result = weighted_auroc_and_ap(np.asarray([1.0, 2.0]), np.asarray([True, False]), np.asarray([[0.0, 2.0]]))
    assert np.isnan(result).all()


def test_the_report_names_what_failed_and_what_was_not_frozen(units, nothing):
    text = report_text(score(units, nothing, resamples=20), MADE, {"seed10-x": "broken"})
    assert "1 cases failed and are missing below:** seed10-x" in text
    assert "Thresholds def are not those frozen" in text
    assert "0.50 [0.09, 0.91] (1 of 2)" in text
    assert "Biased classes that the verdict missed: 1" in text


def test_the_report_names_its_code_and_says_where_it_is_mixed(units, nothing):
    scored = score(units, nothing, resamples=20)
    text = report_text(scored, Made("d24a023", "abc", ("abc",), "def"))
    assert "Commit d24a023, package abc." in text
    assert "other packages" not in text
    assert "Audited by other packages than the one that judged: abc, old." in report_text(
        scored, Made("", "abc", ("abc", "old"), "def")
    )
    assert "4 minutes" in text  # seven models of half a minute


def test_tuning_seeds_and_seeds_that_were_seen_are_never_reported(units, nothing):
    tuned = score(units.assign(seed=4), nothing, resamples=20)
    with pytest.raises(ResultError, match="not all report seeds"):
        report_text(tuned, MADE)
    for first in (4, 5, 9):
        mixed = score(units.assign(seed=[first, *[10] * (len(units) - 1)]), nothing, resamples=20)
        with pytest.raises(ResultError, match="not all report seeds"):
            report_text(mixed, MADE)
    assert tuning_text(tuned, MADE).startswith("TUNING SEEDS 4")


def test_the_default_thresholds_are_the_frozen_ones() -> None:
    """Who changes a threshold chooses it on the tuning seeds and freezes it anew: `bias-audit benchmark --tune`."""
    from bias_audit.config import Thresholds
    from bias_audit.planted.benchmark.grid import FROZEN_THRESHOLDS
    from bias_audit.planted.benchmark.units import thresholds_digest

    assert thresholds_digest(Thresholds()) == FROZEN_THRESHOLDS
    assert thresholds_digest(Thresholds(min_gap=0.06)) != FROZEN_THRESHOLDS
