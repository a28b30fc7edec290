"""How counts and numbers are written in every output of the gate."""

from __future__ import annotations


def checks(n: int) -> str:
    return f"{n} check" if n == 1 else f"{n} checks"


def digits(value: float) -> str:
    """Two decimals, more where two would hide that the value is not zero or not the bound."""
    text = f"{value:.2f}"
    return text if abs(float(text) - value) < 5e-4 else f"{value:.3g}"
