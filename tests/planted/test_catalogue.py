"""The units of the benchmark: what they hold, and that models trained before keep their places."""

from __future__ import annotations

import pytest

from bias_audit.planted.benchmark import catalogue, grid
from bias_audit.planted.benchmark.by_unit import FIGURES
from bias_audit.planted.benchmark.catalogue import (
    COMPLETE_MASKS,
    THIRTY_CLASSES,
    UNIT_REPORT_SEEDS,
    UNITS,
    cases_of,
    is_clean,
    unit_of,
)
from bias_audit.planted.benchmark.degraded_masks import MASKS
from bias_audit.planted.benchmark.grid import COMPLETE, REPORT_SEEDS, TUNING_SEEDS, cases

SEEDS = (*TUNING_SEEDS, *UNIT_REPORT_SEEDS)


@pytest.mark.parametrize(
    "folder",
    [
        "seed0-clean-210a6924",
        "seed0-planted-corner_tag-0.95-68b0e0dd",
        "seed0-ten_classes-3a795eb6",
        "seed0-all_planted-own_place-0.95-b1016e54",
        "seed0-tiny-f93800fd",
        "seed1-null-snow-0.25-de6e4894",
    ],
)
def test_models_that_were_trained_before_the_units_are_found_again(folder):
    assert folder in {f"{case.name}-{case.digest()[:8]}" for seed in (0, 1) for case in cases(seed)}


def test_settings_that_came_later_change_the_digest_where_they_are_used():
    case = cases(0)[0]
    changed = [
        catalogue.replace(case, **change)
        for change in (
            {"masks": "eroded"},
            {"train": 800},
            {"epochs": 4},
            {"test": 40},
            {"plan": catalogue.replace(case.plan, noise=0.1)},
            {"plan": catalogue.replace(case.plan, group=4)},
            {"plan": catalogue.replace(case.plan, weights=(1, 5, 5, 5))},
        )
    ]
    assert len({each.digest() for each in (case, *changed)}) == 8


def test_seeds_of_the_units_were_never_seen():
    assert not set(UNIT_REPORT_SEEDS) & {*TUNING_SEEDS, *REPORT_SEEDS, 5, 6, 7, 8, 9}
    assert len(UNIT_REPORT_SEEDS) == 10


def test_every_case_belongs_to_its_unit_and_has_a_name_of_its_own():
    for seed in SEEDS:
        made = cases_of(seed)
        assert len({case.name for case in made}) == len({case.digest() for case in made}) == len(made)
        for name, unit in UNITS.items():
            assert {unit_of(case) for case in unit.cases(seed)} == {name}


def test_a_unit_has_at_least_ten_models_that_may_rely_on_a_cue_and_ten_that_do_not():
    for name, unit in UNITS.items():
        made = [case for seed in UNIT_REPORT_SEEDS for case in unit.cases(seed)]
        assert sum(bool(case.plan.culprits) for case in made) >= 10, name
        assert sum(map(is_clean, made)) >= 10, name
        assert not any(case.plan.culprits for case in made if is_clean(case)), name
        assert set(unit.needs) <= set(FIGURES)


def test_over_the_seeds_every_unit_meets_both_heads_and_most_classes_are_guilty_of_something():
    for name, unit in UNITS.items():
        made = [case for seed in UNIT_REPORT_SEEDS for case in unit.cases(seed) if case.plan.culprits]
        assert {case.head for case in made} == set(grid.HEADS), name
        guilty = {label for case in made for label in case.plan.culprits}
        assert len(guilty) >= (2 if name == "confusable_pair" else 4), name


def test_the_worlds_are_what_their_units_promise():
    for seed in SEEDS:
        of = {name: [case.plan for case in unit.cases(seed) if case.plan.culprits] for name, unit in UNITS.items()}
        for plan in of["confusable_pair"]:
            assert plan.classes[plan.culprits[0]] in ("disc", "octagon")
        for plan in of["two_culprits"]:
            assert len({planting.cue for planting in plan.plantings}) == len(plan.culprits) == 2
        for plan in of["shared_cue"]:
            assert len(plan.plantings) == 1
            assert len(plan.culprits) == 2
        assert all(plan.plantings[0].absent and len(plan.culprits) == 1 for plan in of["missing_cue"])
        assert all(len(plan.classes) == 10 for plan in of["one_of_ten"])
        assert all(plan.classes == THIRTY_CLASSES and len(plan.culprits) == 1 for plan in of["one_of_thirty"])
        assert all(max(plan.weights) == 5 * min(plan.weights) for plan in of["imbalance"])
        assert {plan.weights[plan.culprits[0]] for plan in of["imbalance"]} == {1, 5}  # once rare, once common
        assert all(plan.group == 4 for plan in of["patients"])
        assert all(plan.noise == 0.1 for plan in of["label_noise"])


def test_thirty_classes_are_in_the_order_of_their_folders():
    assert len(THIRTY_CLASSES) == 30
    assert list(THIRTY_CLASSES) == sorted(THIRTY_CLASSES)


def test_degraded_masks_need_no_new_model():
    trained = {case.digest() for case in cases(3)}
    ways = set()
    for name, unit in UNITS.items():
        for case in unit.cases(3):
            if name.startswith("masks_"):
                ways.add(case.masks)
                assert case.network.digest() in trained
                assert case.digest() != case.network.digest()
            else:
                assert case.network == case
    assert ways == set(MASKS) - {COMPLETE}


def test_a_way_meets_all_its_cues_over_the_seeds():
    for name, unit in UNITS.items():
        if name.startswith("masks_"):
            made = [case.plan for seed in UNIT_REPORT_SEEDS for case in unit.cases(seed) if case.plan.culprits]
            assert {(plan.cue, plan.rho) for plan in made} == set(catalogue.MASKED_CUES)


def test_some_units_are_chosen_by_name():
    assert {unit_of(case) for case in cases_of(0, ["weak", COMPLETE_MASKS])} == {"weak", COMPLETE_MASKS}
