"""Numbers as text: known answers, and laws that hold for every number."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.run.quantities import (
    NONE,
    UNITS,
    beside_bound,
    bound,
    difference_unit,
    interval,
    p_value,
    quantity,
    ratio,
    signed,
    span,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "share", NONE),
        (math.nan, "points", NONE),
        (0.0, "share", "0%"),
        (1.0, "share", "100%"),
        (0.954, "share", "95%"),
        (0.997, "share", "99.7%"),
        (0.99999, "share", "> 99.9%"),
        (0.004, "share", "0.4%"),
        (0.0001, "share", "< 0.1%"),
        (-0.25, "points", "-25 pp"),
        (-0.0001, "points", "> -0.1 pp"),
        (-0.99999, "points", "< -99.9 pp"),
        (1.305, "number", "1.30"),
        (-0.001, "number", "0.00"),
        (1234.0, "count", "1,234"),
        (-0.4, "count", "0"),
        (13041.0, "ratio", "more than 1,000"),
        (3.21, "ratio", "3.2"),
    ],
)
def test_a_number_in_its_unit(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_an_interval_stands_behind_its_number() -> None:
    assert interval(0.68, 0.27, 0.88, "points") == "68 pp [27 to 88]"
    assert interval(0.68, None, 0.88, "share") == "68%"
    assert interval(0.123, -0.05, math.nan, "number") == "0.12"
    assert span(-0.05, 0.4, "points") == "-5 to 40"
    assert span(None, None, "share") == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.05, "points", "5 pp"), (0.125, "share", "12.5%"), (0.0625, "points", "6.25 pp"), (0.33, "number", "0.33"),
     (1.0, "share", "100%"), (0.0, "points", "0 pp"), (3.5, "number", "3.50"), (1 / 3, "share", "33%"),
     (20.0, "count", "20")],
)  # fmt: skip
def test_a_bound_has_the_digits_that_somebody_gave_it(value: float, unit: str, text: str) -> None:
    assert bound(value, unit) == text


@pytest.mark.parametrize(
    ("value", "limit", "unit", "text"),
    [(0.68, 0.05, "points", "68 pp"), (0.0479, 0.05, "points", "4.8 pp"), (0.0521, 0.05, "points", "5.2 pp"),
     (0.05, 0.05, "points", "5 pp"), (0.12449, 0.125, "share", "12%"), (0.126, 0.125, "share", "13%"),
     (0.334, 0.33, "number", "0.334"), (0.0500001, 0.05, "points", "5.000 pp"), (None, 0.05, "share", NONE)],
)  # fmt: skip
def test_a_number_beside_a_bound_can_be_told_from_it(value: float | None, limit: float, unit: str, text: str) -> None:
    assert beside_bound(value, limit, unit) == text


def test_a_difference_of_shares_is_in_points() -> None:
    assert [difference_unit(unit) for unit in UNITS] == ["points", "points", "number", "count", "ratio"]


def test_a_change_has_a_sign_unless_it_is_nothing() -> None:
    assert [signed(value, "points") for value in (0.12, -0.12, 0.0, 0.0001, None)] == [
        "+12 pp", "-12 pp", "0 pp", "< 0.1 pp", NONE,
    ]  # fmt: skip


def test_digits_that_say_nothing_are_not_printed() -> None:
    assert [ratio(value) for value in (3.21, 512.4, 1000.0, 13041.0, math.inf)] == [
        "3.2", "512", "1,000", "more than 1,000", "more than 1,000",
    ]  # fmt: skip


def test_small_p_values_are_not_rounded_to_zero() -> None:
    assert [p_value(value) for value in (0.0004, 0.0421, 1.0)] == ["p < 0.001", "p = 0.042", "p = 1.000"]


@given(st.floats(-1, 1), st.integers(-100, 100), st.sampled_from(["share", "points", "number"]))
def test_a_number_beside_a_bound_never_crosses_it(value: float, percent: int, unit: str) -> None:
    limit = percent / 100
    shown = beside_bound(value, limit, unit).removesuffix("%").removesuffix(" pp")
    if shown[0] not in "<>":
        scale = 1 if unit == "number" else 100
        assert (float(shown) / scale - limit) * (value - limit) >= -1e-12


@given(st.floats(-1, 1), st.sampled_from(UNITS))
def test_nothing_is_a_rounded_zero_with_a_sign_and_nothing_partial_is_all(value: float, unit: str) -> None:
    text = quantity(value, unit)
    assert not text.startswith(("-0 ", "-0%", "-0.0%", "-0.00", "-0.0 "))
    if unit in ("share", "points") and 0 < abs(value) < 1:
        assert text.rstrip("% p") not in ("0", "100", "-100", "0.0", "100.0", "-100.0")
