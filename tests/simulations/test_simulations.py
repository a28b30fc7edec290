"""A short form of `python -m tests.simulations`: nulls accuse nobody, planted cues are found and named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bias_audit.checks.outcomes import RuleOutcome

from . import worlds
from .audits import accusations, outcomes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("kind", "classes", "photos", "audits"), [
    ("sure", 2, 50, 20), ("weak", 5, 50, 20), ("cluttered", 10, 50, 20), ("leaning", 10, 50, 20), ("weak", 30, 50, 10),
    ("cluttered", 100, 50, 10),
])  # fmt: skip
def test_nobody_is_accused_where_nobody_relies(kind, classes, photos, audits):
    """At the bound of .05, three or more of twenty have a chance of .08, two or more of ten of .09."""
    model = replace(worlds.null(kind, classes), photos=photos)
    accused = [seed for seed in range(audits) if accusations(model, seed)]
    assert len(accused) <= 0.1 * audits, accused


@pytest.mark.parametrize("seed", [0, 4])
def test_backgrounds_of_few_donors_make_gaps_that_nobody_is_accused_of(seed):
    """Issue 17, row 7: each of these audits has a class that d24a023 called COLLATERAL, beside no culprit."""
    model = replace(worlds.null("cluttered", 30), photos=100)
    told = worlds.told(model, outcomes(model, seed))
    assert not (told.convicted | told.victims)
    assert not told.open


@pytest.mark.parametrize(("name", "victims"), [
    ("one culprit of 4", 1), ("four culprits of 10", 4), ("one culprit of 10", 0),
])  # fmt: skip
def test_the_guilty_are_convicted_and_named_beside_their_victims(name, victims):
    model = worlds.PLANTED[name]
    told = worlds.told(model, outcomes(model, 0))
    assert told.convicted == told.guilty
    assert told.named <= told.guilty
    assert len(told.victims) >= victims
    assert not told.open


@pytest.mark.parametrize("name", ["shared cue, 4", "shared cue, 10"])
def test_a_cue_that_two_classes_share_is_proven_and_laid_to_nobody(name):
    model = worlds.PLANTED[name]
    told = worlds.told(model, outcomes(model, 0))
    assert told.open
    assert told.watched
    assert not (told.convicted | told.victims)


@pytest.mark.parametrize("seed", [1, 3])
def test_small_gaps_that_nobody_pulls_are_watched(seed):
    """Issue 17, row 6: true gaps of .067 and no pull. On d24a023 the headline was COLLATERAL."""
    model = worlds.PLANTED["small gaps, 10"]
    told = worlds.told(model, outcomes(model, seed))
    assert told.watched
    assert not (told.convicted | told.victims)
    assert not told.open


def test_what_is_left_out_changes_no_level():
    model = worlds.PLANTED["one culprit of 4"]

    def found(told: list[RuleOutcome]) -> list[tuple[str, str, str | None]]:
        return [(each.code, each.subject, each.level) for each in told if each.found]

    short = found(outcomes(model, 0))
    assert len(short) > 1
    assert short == found(outcomes(model, 0, whole=True))
