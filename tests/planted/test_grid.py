"""The grid of worlds: complete, balanced, and split into tuning and report seeds."""

from __future__ import annotations

from collections import Counter

from bias_audit.planted.benchmark.grid import (
    CUES,
    HEADS,
    KINDS,
    REPORT_SEEDS,
    STRENGTHS,
    TUNING_SEEDS,
    cases,
    quick_cases,
)


def test_every_cue_at_every_strength_and_every_hard_case():
    grid = cases(5)
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
    assert cases(5)[0].digest() == cases(5)[0].digest()
    digests = {case.digest() for seed in (5, 6) for case in cases(seed)}
    assert len(digests) == len(cases(5)) + len(cases(6))
