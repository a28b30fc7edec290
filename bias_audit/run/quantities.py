"""Numbers as text, in one style wherever a person reads them: page, terminal, gate, comparison and sentences of rules.

A share is "68%", a difference of shares "68 pp" (percentage points), any other number "0.68", each with its interval as
"68 pp [27 to 88]", and a p-value "p = 0.012". A rounded number never says more than was measured: 99.96 % is not all.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias, get_args

Unit: TypeAlias = Literal["share", "points", "number"]
"""What a number is: a share of 1, a difference of two shares, or neither."""

UNITS: Final[tuple[str, ...]] = get_args(Unit)

NONE: Final = "\N{EN DASH}"
"""What stands where there is no number."""

LARGEST_RATIO: Final = 1000
"""Largest ratio that is printed; beyond it the estimate rests on a handful of photos, and its digits say nothing."""

_SUFFIXES = {"share": "%", "points": " pp", "number": ""}


def quantity(value: float | None, unit: str) -> str:
    """A number as text in its unit: share .5 -> "50%", points .5 -> "50 pp", number .5 -> "0.50".

    Below 1 % and above 99 % there is one more digit, and what is neither none nor all never becomes it by rounding.

    Args:
        value: the number; None or not finite = there is none.
        unit: one of UNITS.

    Returns:
        the text; NONE where there is no number.
    """
    if value is None or not math.isfinite(value):
        return NONE
    return _digits(value, unit) + _SUFFIXES[unit]


def interval(value: float | None, low: float | None, high: float | None, unit: str) -> str:
    """A number with its interval: "68 pp [27 to 88]"; without the brackets where there is none.

    Args:
        value: the estimate.
        low, high: ends of its interval, in the same unit; None or not finite = there is no interval.
        unit: one of UNITS.
    """
    ends = span(low, high, unit)
    return f"{quantity(value, unit)} [{ends}]" if ends else quantity(value, unit)


def span(low: float | None, high: float | None, unit: str) -> str:
    """The ends of an interval without their unit: "27 to 88"; "" where there is none."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{_digits(low, unit)} to {_digits(high, unit)}"


def signed(value: float | None, unit: str) -> str:
    """A change with its sign: "+12 pp", "-0.03"; no sign where it is nothing."""
    text = quantity(value, unit)
    return f"+{text}" if value is not None and value > 0 and text != NONE and text[0] not in "<>0" else text


def ratio(value: float) -> str:
    """A ratio of two rates or odds: "3.2"; "more than 1,000" beyond LARGEST_RATIO."""
    if not math.isfinite(value) or value > LARGEST_RATIO:
        return f"more than {LARGEST_RATIO:,}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def p_value(value: float) -> str:
    """A p-value as text: "p < 0.001" or "p = 0.012"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def duration(seconds: float) -> str:
    """A time as text: "0.4 s", "12 s", "2 min 33 s", "1 h 05 min"."""
    if seconds < 9.95:
        return f"{seconds:z.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _digits(value: float, unit: str) -> str:
    if unit == "number":
        return f"{value:z.2f}"
    size = abs(value)
    if 0 < size < 0.0005:
        return "< 0.1" if value > 0 else "> -0.1"
    if 0.9995 <= size < 1:
        return "> 99.9" if value > 0 else "< -99.9"
    digits = 1 if 0 < size < 0.01 or 0.99 < size < 1 else 0
    return f"{100 * value:z.{digits}f}"
