"""What a sentence says of a negative: the upper limit that it leaves open."""

from __future__ import annotations

import pytest

from bias_audit.checks.outcomes import not_excluded, small_effect
from bias_audit.checks.thresholds import Thresholds


def test_a_small_effect_names_the_limits_that_it_would_need() -> None:
    assert small_effect(0.03, Thresholds()) == (
        "An effect below 15 pp accuses nobody unless its lower limit is above 5 pp; here it is 3 pp. More photos would "
        "tell."
    )
    assert "here it is 4.8 pp" in small_effect(0.0478, Thresholds())


@pytest.mark.parametrize(
    ("high", "where", "text"),
    [
        (0.4, "", "With 10 photos a gap of up to 40 pp cannot be excluded."),
        (0.4, "wolf", "With 10 photos a gap of up to 40 pp cannot be excluded (wolf)."),
        (None, "", "With 10 photos nothing tells how large a gap could still be."),
        (float("nan"), "", "With 10 photos nothing tells how large a gap could still be."),
        (0.004, "", "With 10 photos a gap of 1 pp or more is excluded."),
        (-0.2, "", "With 10 photos a gap of 1 pp or more is excluded."),
    ],
)
def test_a_negative_names_its_upper_limit(high: float | None, where: str, text: str) -> None:
    assert not_excluded("a gap", high, "points", 10, where=where) == text


def test_the_number_of_photos_is_left_out_where_it_is_not_known() -> None:
    assert not_excluded("a gap", None, "points", None) == "Nothing tells how large a gap could still be."
