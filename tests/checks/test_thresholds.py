"""Every bound of a rule says what its values mean and in which direction it is laxer; nothing else gets in."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.checks.thresholds import EITHER, HIGHER, LOWER, MEANINGS, Thresholds, of_run
from bias_audit.errors import ConfigError, ResultError

DEFAULTS = dataclasses.asdict(Thresholds())
NAMES = st.sampled_from(sorted(DEFAULTS))


def test_every_bound_declares_what_is_lax():
    assert set(MEANINGS) == set(DEFAULTS)
    assert {meaning.lax for meaning in MEANINGS.values()} == {HIGHER, LOWER, EITHER}
    assert all(MEANINGS[name].holds(value) for name, value in DEFAULTS.items())
    assert Thresholds().laxer() == {}


@pytest.mark.parametrize(
    ("given", "laxer"),
    [
        ({"min_attract": 0.5}, {"min_attract": 0.5}),
        ({"min_attract": 0.01}, {}),
        ({"min_stability": 0.1}, {"min_stability": 0.1}),
        ({"min_stability": 0.9}, {}),
        ({"fdr": 0.01}, {"fdr": 0.01}),
        ({"fdr": 0.2}, {"fdr": 0.2}),
        ({"min_photos": 2, "max_unreadable": 0.0}, {"min_photos": 2}),
        ({"max_unreadable": 1, "input_p": 1e-9}, {"max_unreadable": 1.0, "input_p": 1e-9}),
    ],
)
def test_what_is_laxer_than_the_default(given: dict[str, float], laxer: dict[str, float]):
    assert Thresholds(**given).laxer() == laxer


@given(NAMES, st.sampled_from([math.nan, math.inf, -math.inf, -1, "0.1", "", None, True, False, [], 1j]))
def test_what_means_nothing_is_refused(name: str, value: Any):
    with pytest.raises(ConfigError, match=f"^{name} must "):
        Thresholds(**{name: value})
    with pytest.raises(ResultError, match=f"'RUN'.*{name} must "):
        of_run({name: value}, "RUN")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fdr", 0), ("fdr", 1), ("fdr", 1.5), ("input_p", 0.0), ("image_z", 0), ("min_leak", 0.49),
        ("cliffs_delta", 1.01), ("min_photos", 1), ("min_photos", 10.0), ("min_photos", 2.5), ("image_z", 10**400),
    ],
)  # fmt: skip
def test_ends_of_the_ranges(name: str, value: float):
    with pytest.raises(ConfigError, match=f"^{name} must "):
        Thresholds(**{name: value})


def test_numbers_of_other_types_become_those_of_the_field():
    bounds = Thresholds(image_z=4, min_photos=np.int64(12), min_gap=np.float32(0.5), min_attract=0)
    assert [(type(value), value) for value in (bounds.image_z, bounds.min_photos, bounds.min_gap)] == [
        (float, 4.0), (int, 12), (float, 0.5),
    ]  # fmt: skip
    assert Thresholds(min_photos=10**400).min_photos == 10**400


def test_a_run_of_another_version_names_other_bounds():
    assert of_run({"min_gap": 0.1, "of_another_version": "x"}, "RUN") == Thresholds(min_gap=0.1)
