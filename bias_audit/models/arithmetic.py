"""Writes arithmetic that a network does to its pictures as people write it, whatever the framework."""

from __future__ import annotations

from typing import Any

import numpy as np

SIGNS = {
    "truedivide": "/", "divide": "/", "truediv": "/", "realdiv": "/", "div": "/", "multiply": "*", "mul": "*",
    "subtract": "-", "sub": "-", "add": "+", "addv2": "+", "biasadd": "+",
}  # fmt: skip
"""Name of an arithmetic operation -> its sign. `preprocess_input`, called in a model, leaves such operations there."""


def in_words(scale: Any, offset: Any = 0.0) -> str:
    """Text of x * scale + offset as people write it: "x / 127.5 - 1"; scale and offset may be one value per channel."""
    scale, offset = (np.atleast_1d(np.asarray(value, np.float64)).ravel() for value in (scale, offset))
    divides = bool(scale.size) and 0 < abs(scale).max() < 1
    text = "x" if (scale == 1).all() else f"x / {number(1 / scale)}" if divides else f"x * {number(scale)}"
    if not offset.any():
        return text
    below = bool((offset <= 0).all())
    return f"{text} {'-' if below else '+'} {number(-offset if below else offset)}"


def arithmetic_in_words(operation: str, value: Any) -> str:
    """Text of an operation of SIGNS on x and a constant: "x - 1"."""
    sign, value = SIGNS[operation], np.asarray(value, np.float64).ravel()
    if sign == "*":
        return in_words(value)
    if sign in "+-" and (value < 0).all():
        sign, value = "+-"[sign == "+"], -value
    return f"x {sign} {number(value)}"


def number(values: Any) -> str:
    """Text of one number, "127.5", or of a number per channel, "(123.7, 116.8, 103.9)", with four digits each."""
    numbers = [f"{value:z.4g}" for value in np.atleast_1d(values)]
    return numbers[0] if len(set(numbers)) == 1 else f"({', '.join(numbers)})"
