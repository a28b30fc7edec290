"""How counts, numbers and other people's words are written in every output of the gate."""

from __future__ import annotations


def checks(n: int) -> str:
    """ "1 check", "2 checks"."""
    return f"{n} check" if n == 1 else f"{n} checks"


def days(n: int) -> str:
    """ "1 day", "2 days"."""
    return f"{n} day" if n == 1 else f"{n} days"


def digits(value: float) -> str:
    """Two decimals, more where two would hide that the value is not zero or not the bound."""
    text = f"{value:z.2f}"
    return text if abs(float(text) - value) < 5e-4 else f"{value:z.3g}"


def plain(text: str) -> str:
    """On one line, without a full stop at its end."""
    return " ".join(text.split()).rstrip(".")
