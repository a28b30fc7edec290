"""What a sentence says of a negative: the upper limit that it leaves open."""

from __future__ import annotations

import pytest

from bias_audit.checks.outcomes import amount, not_excluded


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.404, "points", "40 points"), (0.012, "points", "1 point"), (-0.004, "points", "0 points"),
     (0.28, "share", "28%"), (0.28, "number", "0.28")],
)  # fmt: skip
def test_amounts_are_in_the_unit_of_the_rule(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    ("high", "where", "text"),
    [
        (0.4, "", "With 10 photos a gap of up to 40 points cannot be excluded."),
        (0.4, "wolf", "With 10 photos a gap of up to 40 points cannot be excluded (wolf)."),
        (None, "", "With 10 photos it cannot be told how large a gap could still be."),
        (float("nan"), "", "With 10 photos it cannot be told how large a gap could still be."),
        (0.004, "", "With 10 photos a gap of 1 point or more is excluded."),
        (-0.2, "", "With 10 photos a gap of 1 point or more is excluded."),
    ],
)
def test_a_negative_names_its_upper_limit(high: float | None, where: str, text: str) -> None:
    assert not_excluded("a gap", high, "points", 10, where=where) == text


def test_the_number_of_photos_is_left_out_where_it_is_not_known() -> None:
    assert not_excluded("a gap", None, "points", None) == "It cannot be told how large a gap could still be."
