"""Writes counts and texts of users the same way in every output of the gate."""

from __future__ import annotations


def checks(n: int) -> str:
    """A number of checks as text: "1 check", "2 checks" and so on."""
    return f"{n} check" if n == 1 else f"{n} checks"


def days(n: int) -> str:
    """A number of days as text: "1 day", "2 days" and so on."""
    return f"{n} day" if n == 1 else f"{n} days"


def plain(text: str) -> str:
    """A text on one line, without a full stop at its end."""
    return " ".join(text.split()).rstrip(".")
