"""Plantings: how often each class carries a cue, who is known by it, and what says nothing."""

from __future__ import annotations

import pytest

from bias_audit.errors import ConfigError
from bias_audit.planted.planting import Planting, common_elsewhere, missing, shared, useless


def test_a_shared_cue_is_as_frequent_at_every_strength():
    for rho in (0.5, 0.9, 1.0):
        planting = shared("snow", (0, 2), rho, 4)
        assert planting.rates == pytest.approx((rho, 1 - rho, rho, 1 - rho))
        assert sum(planting.rates) == pytest.approx(2)
        assert not planting.absent
    assert shared("snow", (1,), 0.95, 4).rates == pytest.approx((0.05 / 3, 0.95, 0.05 / 3, 0.05 / 3))


def test_a_missing_cue_is_carried_by_all_others():
    planting = missing("ruler", 1, 0.95, 4)
    assert planting.rates == pytest.approx((0.95, 0.05, 0.95, 0.95))
    assert planting.absent
    assert planting.culprits == (1,)
    assert planting.rho == pytest.approx(0.05)


def test_a_cue_may_be_common_elsewhere():
    planting = common_elsewhere("ruler", 3, 0.95, 0.15, 5)
    assert planting.rates == pytest.approx((0.15, 0.15, 0.15, 0.95, 0.15))
    assert not planting.absent
    assert planting.culprits == (3,)


def test_the_null_twin_has_as_many_cues_and_nobody_to_blame():
    for planting in (shared("snow", (0, 1), 0.95, 4), missing("ruler", 0, 0.95, 4)):
        twin = useless(planting)
        assert twin.culprits == ()
        assert len(set(twin.rates)) == 1
        assert sum(twin.rates) == pytest.approx(sum(planting.rates))


@pytest.mark.parametrize(
    "wrong",
    [
        ("halo", (0,), (1.0, 0.0)),
        ("blur", (0,), (1.0, 0.0)),  # of the whole photo: the background is not to blame
        ("snow", (), (1.0, 0.0)),
        ("snow", (0, 0), (1.0, 0.0, 0.0)),
        ("snow", (0, 1), (1.0, 1.0)),
        ("snow", (2,), (1.0, 0.0)),
        ("snow", (0,), (1.5, 0.0)),
    ],
)
def test_impossible_plantings_are_refused(wrong):
    with pytest.raises(ConfigError):
        Planting(*wrong)
