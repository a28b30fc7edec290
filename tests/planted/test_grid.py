"""The grid of worlds: complete, balanced, and split into tuning and report seeds."""

from __future__ import annotations

from collections import Counter

from bias_audit.planted.benchmark.grid import (
    CLEAN_KINDS,
    CUES,
    HEADS,
    KINDS,
    REPORT_SEEDS,
    STRENGTHS,
    TEN_CLASSES,
    TUNING_SEEDS,
    TWIN_KINDS,
    cases,
    quick_cases,
)


def test_every_cue_at_every_strength_and_every_hard_case():
    grid = cases(10)
    assert Counter((case.plan.cue, case.plan.rho) for case in grid if case.kind in ("planted", "null")) == {
        (cue, rho): 1 for cue in CUES for rho in STRENGTHS
    }
    assert {case.kind for case in grid} == set(KINDS)
    assert len({case.name for case in grid}) == len(grid)


def test_every_world_meets_both_heads_over_the_seeds():
    for seeds in (TUNING_SEEDS, REPORT_SEEDS):
        met: dict[str, set[str]] = {}
        for seed in seeds:
            for case in cases(seed):
                met.setdefault(case.name.split("-", 1)[1], set()).add(case.head)
        assert all(heads == set(HEADS) for heads in met.values())


def test_seeds_that_were_seen_are_not_reported():
    assert tuple(range(10, 20)) == REPORT_SEEDS
    assert not set(REPORT_SEEDS) & set(TUNING_SEEDS)


def test_there_are_eight_clean_audits_per_seed_and_one_has_ten_classes():
    clean = [case for case in cases(10) if case.kind in TWIN_KINDS]
    assert len(clean) == 8
    assert set(TWIN_KINDS) < set(CLEAN_KINDS)
    assert [case.plan.classes for case in clean if len(case.plan.classes) > 4] == [TEN_CLASSES]
    assert len(TEN_CLASSES) == 10
    assert list(TEN_CLASSES) == sorted(TEN_CLASSES)  # outputs of a network are in the order of the folders


def test_every_class_is_guilty_of_some_cue():
    guilty = {case.plan.guilty for seed in REPORT_SEEDS for case in cases(seed) if case.kind == "planted"}
    assert guilty == {(0,), (1,), (2,), (3,)}


def test_quick_is_a_part_of_the_report():
    full = {case.name for seed in REPORT_SEEDS for case in cases(seed)}
    quick = quick_cases()
    assert {case.name for case in quick} < full
    assert {case.plan.cue for case in quick} >= set(CUES)
    assert not set(TUNING_SEEDS) & set(REPORT_SEEDS)


def test_a_digest_is_of_the_case_alone():
    assert cases(10)[0].digest() == cases(10)[0].digest()
    digests = {case.digest() for seed in (10, 11) for case in cases(seed)}
    assert len(digests) == len(cases(10)) + len(cases(11))
