"""Numbers as text, in one style wherever a person reads them: page, terminal, gate, comparison and sentences of rules.

A share is "68%", a difference of shares "68 pp" (percentage points), a count "1,234", any other number "0.68", each
with its interval as "68 pp [27 to 88]", and a p-value "p = 0.012". A rounded number never says more than was measured:
99.96 % is not all.
"""

from __future__ import annotations

import math
from typing import Final, Literal, TypeAlias, get_args

Unit: TypeAlias = Literal["share", "points", "number", "count", "ratio"]
"""What a number is: a share of 1, a difference of two shares, how many there are, a ratio of rates or odds, or else."""

UNITS: Final[tuple[str, ...]] = get_args(Unit)

NONE: Final = "\N{EN DASH}"
"""What stands where there is no number."""

LARGEST_RATIO: Final = 1000
"""Largest ratio that is printed; beyond it the estimate rests on a handful of photos, and its digits say nothing."""

MOST_FURTHER = 3
"""Most further digits that tell a number from a bound."""

_SUFFIXES = {"share": "%", "points": " pp"}


def quantity(value: float | None, unit: str) -> str:
    """A number as text in its unit: share .5 -> "50%", points .5 -> "50 pp", number .5 -> "0.50", count 5 -> "5".

    Below 1 % and above 99 % there is one more digit, and what is neither none nor all never becomes it by rounding.

    Args:
        value: the number; None or not finite = there is none.
        unit: one of UNITS.

    Returns:
        the text; NONE where there is no number.
    """
    if value is None or not math.isfinite(value):
        return NONE
    return _digits(value, unit) + _SUFFIXES.get(unit, "")


def bound(value: float, unit: str) -> str:
    """A bound with the digits that somebody gave it, rounded if it was computed: .05 -> "5 pp", .125 -> "12.5 pp"."""
    for further in range(MOST_FURTHER + 1):
        if abs(_rounded(value, unit, further) - value) < 1e-9:
            return _fixed(value, unit, further) + _SUFFIXES.get(unit, "")
    return quantity(value, unit)


def beside_bound(value: float | None, limit: float, unit: str) -> str:
    """A number that is compared with a bound, as `quantity`, with the digits that it takes to tell them apart.

    Args:
        value: the number; None or not finite = there is none.
        limit: the bound, which stands beside it as `bound` has it.
        unit: one of UNITS.
    """
    text = quantity(value, unit)
    if value is None or not math.isfinite(value) or value == limit:
        return text
    further = 0
    while (_rounded(value, unit, further) - limit) * (value - limit) <= 0 and further < MOST_FURTHER:
        further += 1
        text = _fixed(value, unit, further) + _SUFFIXES.get(unit, "")
    return text


def difference_unit(unit: str) -> str:
    """The unit of a difference of two numbers of a unit: that of two shares is in percentage points."""
    return "points" if unit == "share" else unit


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
    return f"{value:z.1f}" if value < 100 else f"{value:z,.0f}"


def p_value(value: float) -> str:
    """A p-value as text: "p < 0.001" or "p = 0.012"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:z.3f}"


_DECIMALS = {"share": 0, "points": 0, "number": 2, "count": 0, "ratio": 1}


def _rounded(value: float, unit: str, further: int) -> float:
    percent = unit in ("share", "points")
    return round(value, _DECIMALS[unit] + further + (2 if percent else 0))


def _fixed(value: float, unit: str, further: int) -> str:
    """The number with so many digits more than usual, without its suffix."""
    shown = 100 * value if unit in ("share", "points") else value
    return f"{shown:z,.{_DECIMALS[unit] + further}f}"


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
    if unit == "ratio":
        return ratio(value)
    if unit in ("number", "count"):
        return _fixed(value, unit, 0)
    size = abs(value)
    if 0 < size < 0.0005:
        return "< 0.1" if value > 0 else "> -0.1"
    if 0.9995 <= size < 1:
        return "> 99.9" if value > 0 else "< -99.9"
    digits = 1 if 0 < size < 0.01 or 0.99 < size < 1 else 0
    return _fixed(value, unit, digits)
