"""Figures of the units, on models made by hand: every one is counted on fingers."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from bias_audit import stats
from bias_audit.errors import ResultError
from bias_audit.planted.benchmark.by_unit import Measured, score_units
from bias_audit.planted.benchmark.table import Made, report_text, tuning_text
from bias_audit.planted.benchmark.unit_table import units_text

MADE = Made("", "abc", ("abc",), "def")
GUILTY = {"guilty": True, "truth": "positive", "truth_any": "positive", "reliance": 0.8}
FOUND = {**GUILTY, "accused": True, "accused_by": "BA201", "flagged": True, "level": "SUSPICIOUS"}
BETWEEN = {"guilty": True, "truth": "between", "truth_any": "between", "reliance": 0.1}
BLAMED = {"accused": True, "accused_by": "BA302"}


@pytest.fixture
def units(model):
    """Six models of two culprits, one of them clean; two with shifted masks, one of them clean."""

    def pair(name, special, **common):
        return model(name, "two_culprits", special, unit="two_culprits", rho=0.95, seed=20, **common)

    return pd.concat(
        [
            pair("both", {0: FOUND, 1: FOUND}, model_accused=True),
            pair("one", {0: FOUND, 1: {**GUILTY, "level": "WATCH", "reason": "masks in doubt"}}, model_accused=True),
            pair("victim", {0: FOUND, 1: FOUND, 2: BLAMED}, model_accused=True),
            pair("weak", {0: FOUND, 1: BETWEEN}, model_accused=True),
            pair("green", {0: GUILTY}, gate_passes=True),
            model("null", "two_culprits_clean", {3: BLAMED}, unit="two_culprits", seed=21, model_accused=True),
            model("a", "planted", {0: FOUND}, unit="masks_shifted", rho=0.95, seed=20, model_accused=True),
            model("b", "clean", unit="masks_shifted", seed=20),
        ],
        ignore_index=True,
    )


def test_figures_are_those_counted_by_hand(units):
    scored = score_units(units)
    two = next(each for each in scored.units if each.name == "two_culprits")
    assert (two.models, two.reliant, two.watched) == (6, 5, {"masks in doubt": 1})
    counts = {name: (each.k, each.n) for name, each in two.figures.items()}
    assert counts == {
        "found": (6, 8),  # 2, 1 of 2, 2, 1 of 1 (the second is neither), 0 of 1
        "exact": (2, 5),  # both, weak
        "innocents": (2, 15),  # of 2 in three models, 2 and 3 in two, and 4 in the clean one: 2 + 2 + 2 + 2 + 3 + 4
        "clean": (1, 1),
        "green": (1, 5),
    }
    assert not two.figures["exact"].holds
    assert two.figures["exact"].shortfall == pytest.approx(0.5)
    assert two.figures["found"].holds  # nothing is asked of it in this unit


def test_the_worst_unit_stands_first(units):
    scored = score_units(units)
    assert [each.name for each in scored.units] == ["two_culprits", "masks_shifted"]
    assert scored.units[1].shortfall == pytest.approx(-0.05)  # no clean audit accused, where 1 of 20 may be
    mended = units.assign(accused=units["accused"] & (units["model"] != "null"))
    mended.loc[mended["unit"] == "masks_shifted", "model_accused"] = True
    fine = mended[mended["model"].isin(("both", "a", "b"))]
    assert [each.name for each in score_units(fine).units] == ["masks_shifted", "two_culprits"]


def test_units_are_taken_together_by_their_masks(units):
    groups = {each.name: each for each in score_units(units).groups}
    assert (groups["complete"].models, groups["degraded"].models) == (6, 2)
    assert groups["degraded"].figures["found"].bound == 0.8
    assert groups["complete"].figures["clean"].k == 1


def test_of_complete_masks_only_strong_cues_must_be_found(model):
    made = pd.concat(
        [
            model("a", "planted", {0: FOUND}, rho=0.9),
            model("b", "planted", {0: GUILTY}, rho=0.5),
            model("c", "blur", {0: GUILTY, 1: BLAMED}, rho=0.95),
            model("d", "on_object", {0: {**GUILTY, "truth": "negative"}}, rho=0.95),
            model("e", "tiny", {1: BLAMED}),
            model("f", "clean"),
        ],
        ignore_index=True,
    )
    (unit,) = score_units(made).units
    counts = {name: (each.k, each.n) for name, each in unit.figures.items()}
    assert counts["found"] == counts["exact"] == (1, 1)
    assert counts["innocents"] == (1, 3 + 3 + 3 + 4 + 4)
    assert counts["clean"] == (0, 1)


def test_the_seed_is_the_unit_of_the_intervals(model):
    """Ten seeds with two models each, of which one seed misses both: wider than of twenty models by themselves."""
    made = [
        model(f"m{seed}{i}", "weak", {0: GUILTY if seed < 23 else FOUND}, unit="weak", rho=0.95, seed=seed)
        for seed in range(20, 30)
        for i in (0, 1)
    ]
    (unit,) = score_units(pd.concat(made, ignore_index=True)).units
    found = unit.figures["found"]
    assert (found.k, found.n) == (14, 20)
    low, high = stats.wilson(14, 20)
    assert found.low < low - 0.05
    assert found.high > high + 0.02
    few = score_units(pd.concat(made[:10], ignore_index=True)).units[0].figures["found"]
    assert math.isnan(few.low)  # five seeds tell nothing of their spread


def test_a_figure_without_a_trial_does_not_hold():
    assert not Measured(0, 0, math.nan, math.nan, 0.9, True).holds
    assert Measured(0, 0, math.nan, math.nan, None, True).holds
    assert Measured(9, 10, 0.6, 1.0, 0.9, True).holds
    assert not Measured(1, 20, 0.0, 0.2, 1 / 35, False).holds


def test_models_with_the_wrong_set_are_listed_with_who_is_missed_and_who_is_wronged(units):
    wrong = score_units(units).wrong.set_index("model")
    assert list(wrong.index) == ["one", "victim", "green", "null"]
    assert wrong.loc["one", "missed"] == "cross"
    assert wrong.loc["one", "levels"] == "cross WATCH"
    assert wrong.loc["victim", "innocent"] == "disc"
    assert wrong.loc["victim", "guilty"] == "bar cross"
    assert wrong.loc["null", "levels"] == "triangle BA302"


def test_a_clean_model_that_is_accused_as_a_whole_is_listed(model):
    made = model("m", "weak_clean", unit="weak", model_accused=True)
    assert score_units(made).wrong["innocent"].tolist() == ["(the model)"]


def test_the_table_says_what_must_hold_and_what_does_not(units):
    text = "\n".join(units_text(score_units(units)))
    assert text.index("two culprits with different cues") < text.index("masks shifted by 3 pixels")
    assert "2 of 5: 0.40 [>= 0.90]" in text
    assert "**no: guilty set exact, innocent classes accused, clean audits with an accusation, gate green" in text
    assert "| 1 (1 masks in doubt) |" in text.replace("  ", "")
    assert "Units without a model here: complete_masks, confusable_pair" in text
    assert "Models whose accused classes are not the guilty ones: 4" in text


def test_units_are_reported_on_their_own_seeds_alone(units):
    text = report_text(None, MADE, units=score_units(units))
    assert text.startswith("# Planted-bias benchmark\n\n8 models of seeds 20, 21")
    for seed in (0, 10):
        with pytest.raises(ResultError, match="not all report seeds"):
            report_text(None, MADE, units=score_units(units.assign(seed=seed)))
    assert tuning_text(None, MADE, score_units(units.assign(seed=0))).startswith("TUNING SEEDS 0")
